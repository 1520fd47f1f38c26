import Quantities

/// Where a request goes on that had begun at a worker that is dead.
public enum Resumption: Sendable, Equatable {
    /// Where a new one would: its prompt and its tokens so far are computed by whoever computes prompts.
    case anywhere
    /// At a decode worker, which computes the cache itself.
    case decodeWorker
    /// At the worker that holds copies of the dead one's caches, if it lives; else at a decode worker.
    case buddy
}

/// What becomes of requests whose worker has died. They are begun again with the tokens that the user has, under every policy.
public protocol RecoveryPolicy: Sendable {
    static var description: PolicyDescription { get }

    /// - Parameter parameters: checked values, one for each described parameter.
    init(parameters: PolicyParameters)

    /// Where a request goes on.
    var resumption: Resumption { get }

    /// A request's cache is copied to the worker's buddy whenever it has grown by so many tokens; 0: never.
    var copyInterval: Int32 { get }
}

extension RecoveryPolicy {
    public var copyInterval: Int32 { 0 }
}

/// The recovery policies that a topology can name. A new one is one file and one line here.
public enum RecoveryRegistry {
    private static let policies: [any RecoveryPolicy.Type] = [
        Recompute.self,
        TokenMigration.self,
        CacheReplica.self,
    ]

    /// Every policy, in the order of the registry.
    public static var descriptions: [PolicyDescription] { policies.map { $0.description } }

    /// Makes the policy that `choice` names; `nil` for an unknown name.
    public static func make(_ choice: PolicyChoice) -> (any RecoveryPolicy)? {
        for policy in policies where policy.description.answers(to: choice.name) {
            return policy.init(parameters: PolicyParameters(choice, for: policy.description))
        }
        return nil
    }
}
