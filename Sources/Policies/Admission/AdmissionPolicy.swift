import Quantities

/// What the controller knows of the cluster when a request comes.
public struct ClusterView: Sendable {
    public var now: Instant
    /// Workers that take new requests, and those that take prefilled ones; none of the latter in colocated clusters.
    public var entry: [WorkerView]
    public var decode: [WorkerView]
    /// New requests that wait at the controller for a worker with room, and their prompt tokens.
    public var heldRequests: Int64
    public var heldTokens: Int64

    public init(now: Instant, entry: [WorkerView], decode: [WorkerView] = [], heldRequests: Int64 = 0, heldTokens: Int64 = 0) {
        self.now = now
        self.entry = entry
        self.decode = decode
        self.heldRequests = heldRequests
        self.heldTokens = heldTokens
    }

    /// The workers whose caches hold a request while its output is produced.
    public var decoding: [WorkerView] { decode.isEmpty ? entry : decode }
}

/// Decides whether a request is taken at all. Called once a request, when it reaches the controller; a refused one is `rejected` at once.
public protocol AdmissionPolicy: Sendable {
    static var description: PolicyDescription { get }
    /// Whether it decides on the bound on the time to the first token, so that the topology must give one.
    static var needsFirstTokenBound: Bool { get }

    /// - Parameters:
    ///   - parameters: checked values, one for each described parameter.
    ///   - firstTokenBound: the objective's bound on the time to the first token; `nil` without one.
    init(parameters: PolicyParameters, firstTokenBound: Nanoseconds?)

    /// Whether the request is taken.
    mutating func admits(_ request: RequestView, to cluster: ClusterView) -> Bool
}

extension AdmissionPolicy {
    public static var needsFirstTokenBound: Bool { false }
}

/// The admission policies that a topology can name. A new one is one file and one line here.
public enum AdmissionRegistry {
    private static let policies: [any AdmissionPolicy.Type] = [
        AdmitAll.self,
        QueueLimit.self,
        EarlyReject.self,
        BidPrice.self,
    ]

    /// Every policy, in the order of the registry.
    public static var descriptions: [PolicyDescription] { policies.map { $0.description } }

    /// Whether the policy that `choice` names needs a bound on the time to the first token.
    public static func needsFirstTokenBound(_ choice: PolicyChoice) -> Bool {
        policies.contains { $0.description.answers(to: choice.name) && $0.needsFirstTokenBound }
    }

    /// Makes the policy that `choice` names; `nil` for an unknown name.
    public static func make(_ choice: PolicyChoice, firstTokenBound: Nanoseconds?) -> (any AdmissionPolicy)? {
        for policy in policies where policy.description.answers(to: choice.name) {
            return policy.init(parameters: PolicyParameters(choice, for: policy.description), firstTokenBound: firstTokenBound)
        }
        return nil
    }
}
