import Quantities

/// The balancing policies that a topology can name. A new one is one file and one line here.
public enum BalanceRegistry {
    private static let policies: [any BalancePolicy.Type] = [
        ContiguousExperts.self,
        ExpertParallelLoadBalancer.self,
        LinearProgrammeBalancer.self,
        ActivatedExpertBalancer.self,
        TokenBalancer.self,
        RandomReplica.self,
    ]

    /// Every policy, in the order of the registry.
    public static var descriptions: [PolicyDescription] { policies.map { $0.description } }

    /// Why the policy that `choice` names cannot serve the fleet: what was found, what was expected. `nil` when it can.
    public static func obstacle(_ choice: PolicyChoice, to fleet: ExpertFleet) -> String? {
        if let obstacle = fleet.obstacle { return obstacle }
        guard let policy = policy(choice) else { return "found the policy '\(choice.name)', expected one of the balance family" }
        return policy.obstacle(to: fleet, parameters: PolicyParameters(choice, for: policy.description))
    }

    /// Makes the policy that `choice` names; `nil` for an unknown name, or a fleet that it cannot serve.
    /// - Parameter solver: for policies that state a linear programme (`Bounds` has one); without it they fall back as published.
    public static func make(
        _ choice: PolicyChoice, fleet: ExpertFleet, random: RandomStream, solver: @escaping LinearSolver = { _ in nil }
    ) -> (any BalancePolicy)? {
        guard obstacle(choice, to: fleet) == nil, let policy = policy(choice) else { return nil }
        return policy.init(parameters: PolicyParameters(choice, for: policy.description), fleet: fleet, random: random, solver: solver)
    }

    private static func policy(_ choice: PolicyChoice) -> (any BalancePolicy.Type)? {
        policies.first { $0.description.answers(to: choice.name) }
    }
}
