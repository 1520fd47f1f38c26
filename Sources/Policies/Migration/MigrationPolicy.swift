import Quantities

/// A request is to be moved from one worker to another, while it runs. The source chooses which.
public struct MigrationPair: Sendable, Equatable {
    /// Places among the workers that the policy was shown.
    public var source: Int
    public var target: Int

    public init(source: Int, target: Int) {
        self.source = source
        self.target = target
    }
}

/// Decides between which workers running requests are moved. Asked with every load report; the controller gives the order to the worker that reported,
/// if it is a source. A source moves one request at a time, and what the target cannot hold stays where it is.
public protocol MigrationPolicy: Sendable {
    static var description: PolicyDescription { get }

    /// - Parameter parameters: checked values, one for each described parameter.
    init(parameters: PolicyParameters)

    /// Stages in which a cache is copied while its request runs, at the most, before the one for which it stops; 0: it stops at once.
    var stages: Int32 { get }

    /// Pairs of workers, each worker in one pair at the most.
    mutating func pairs(among workers: [WorkerView]) -> [MigrationPair]
}

/// The migration policies that a topology can name. A new one is one file and one line here.
public enum MigrationRegistry {
    private static let policies: [any MigrationPolicy.Type] = [
        NoMigration.self,
        Llumnix.self,
    ]

    /// Every policy, in the order of the registry.
    public static var descriptions: [PolicyDescription] { policies.map { $0.description } }

    /// Makes the policy that `choice` names; `nil` for an unknown name.
    public static func make(_ choice: PolicyChoice) -> (any MigrationPolicy)? {
        for policy in policies where policy.description.answers(to: choice.name) {
            return policy.init(parameters: PolicyParameters(choice, for: policy.description))
        }
        return nil
    }
}
