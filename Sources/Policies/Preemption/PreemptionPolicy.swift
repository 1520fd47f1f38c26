import Models
import Quantities

/// A request that runs at a worker which is about to be taken away.
public struct DepartingRequest: Sendable, Equatable {
    /// Its cache, and the tokens of its output so far: its progress.
    public var cacheBytes: ByteCount
    public var tokens: Int64
    public var produced: Int64

    public init(cacheBytes: ByteCount, tokens: Int64, produced: Int64) {
        self.cacheBytes = cacheBytes
        self.tokens = tokens
        self.produced = produced
    }
}

/// A worker that could take caches in.
public struct Refuge: Sendable, Equatable {
    public var worker: WorkerView
    /// Classes of links that caches do not cross on their way: 2 on the same host, 1 in the same rack, 0 elsewhere.
    public var nearness: Int64
    /// What the leaving worker can send that way.
    public var bandwidth: BytesPerSecond

    public init(_ worker: WorkerView, nearness: Int64, bandwidth: BytesPerSecond) {
        self.worker = worker
        self.nearness = nearness
        self.bandwidth = bandwidth
    }
}

/// A worker that will be ended, as the controller knows it.
public struct DepartureView: Sendable {
    public var now: Instant
    public var deadline: Instant
    public var requests: [DepartingRequest]
    public var refuges: [Refuge]

    public init(now: Instant, deadline: Instant, requests: [DepartingRequest], refuges: [Refuge]) {
        self.now = now
        self.deadline = deadline
        self.requests = requests
        self.refuges = refuges
    }
}

/// What is moved before a worker ends.
public struct DeparturePlan: Sendable, Equatable {
    /// A cache and where it goes, by their places in the view; in the order of the transfers.
    public struct Move: Sendable, Equatable {
        public var request: Int
        public var refuge: Int

        public init(request: Int, refuge: Int) {
            self.request = request
            self.refuge = refuge
        }
    }

    public var moves: [Move]
    /// When the first transfer begins at the latest: until then the worker goes on computing.
    public var start: Instant

    public init(moves: [Move] = [], start: Instant = .never) {
        self.moves = moves
        self.start = start
    }
}

/// Decides what happens between the notice that a worker will be ended and its end.
public protocol PreemptionPolicy: Sendable {
    static var description: PolicyDescription { get }
    /// Whether a worker says that it leaves, so that it gets nothing new; what waits there is handed back at once.
    static var announces: Bool { get }
    /// Whether the controller is asked for a plan.
    static var moves: Bool { get }
    /// Whether devices keep their weights when the worker that they belong to loses others, and new ones get theirs from whoever has them.
    static var keepsWeights: Bool { get }
    /// Which part of the model a device holds then.
    var mapping: DeviceMapping { get }
    /// How long before its end a worker hands back what is left.
    var margin: Nanoseconds { get }
    /// How long before its end a worker says that it leaves, or with the notice where that comes later.
    var lead: Nanoseconds { get }

    /// - Parameters:
    ///   - parameters: checked values, one for each described parameter.
    ///   - random: the policy's own stream.
    init(parameters: PolicyParameters, random: RandomStream)

    /// Where the caches of the requests that run go.
    mutating func plan(_ departure: DepartureView) -> DeparturePlan
}

extension PreemptionPolicy {
    public static var announces: Bool { true }
    public static var moves: Bool { false }
    public static var keepsWeights: Bool { false }
    public var mapping: DeviceMapping { .matched }
    public var margin: Nanoseconds { 0 }
    public var lead: Nanoseconds { .max }

    public mutating func plan(_ departure: DepartureView) -> DeparturePlan { DeparturePlan() }
}

/// The preemption policies that a topology can name. A new one is one file and one line here.
public enum PreemptionRegistry {
    private static let policies: [any PreemptionPolicy.Type] = [
        NoPreemptionHandling.self,
        DrainBeforeEnd.self,
        SpotServe.self,
    ]

    /// Every policy, in the order of the registry.
    public static var descriptions: [PolicyDescription] { policies.map { $0.description } }

    /// Whether workers say that they leave under the policy that `choice` names.
    public static func announces(_ choice: PolicyChoice) -> Bool {
        policies.contains { $0.description.answers(to: choice.name) && $0.announces }
    }

    /// How long before its end a worker says that it leaves, and hands back what is left, under the policy that `choice` names; `nil` where workers do
    /// not say so.
    public static func times(_ choice: PolicyChoice) -> (lead: Nanoseconds, margin: Nanoseconds)? {
        guard announces(choice), let policy = make(choice, random: RandomStream(seed: 0, stream: RandomPurpose.preemption)) else { return nil }
        return (max(policy.lead, policy.margin), policy.margin)
    }

    /// Whether caches are moved under the policy that `choice` names.
    public static func moves(_ choice: PolicyChoice) -> Bool {
        policies.contains { $0.description.answers(to: choice.name) && $0.moves }
    }

    /// How devices keep their weights under the policy that `choice` names; `nil` where they do not.
    public static func mapping(_ choice: PolicyChoice) -> DeviceMapping? {
        guard policies.contains(where: { $0.description.answers(to: choice.name) && $0.keepsWeights }) else { return nil }
        return make(choice, random: RandomStream(seed: 0, stream: RandomPurpose.preemption))?.mapping
    }

    /// Makes the policy that `choice` names; `nil` for an unknown name.
    public static func make(_ choice: PolicyChoice, random: RandomStream) -> (any PreemptionPolicy)? {
        for policy in policies where policy.description.answers(to: choice.name) {
            return policy.init(parameters: PolicyParameters(choice, for: policy.description), random: random)
        }
        return nil
    }
}
