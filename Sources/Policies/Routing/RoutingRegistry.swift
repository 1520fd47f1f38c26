import Quantities

/// The routing policies that a topology can name. A new one is one file and one line here.
public enum RoutingRegistry {
    private static let policies: [any RoutingPolicy.Type] = [
        RoundRobin.self,
        RandomChoice.self,
        PowerOfTwo.self,
        JoinShortestQueue.self,
        LeastKV.self,
        WeightedRoundRobin.self,
        ConsistentHash.self,
        SessionAffinity.self,
        LeastWork.self,
        OnlineLP.self,
        BalanceFuture.self,
        BalanceRoute.self,
    ]

    /// Every policy, in the order of the registry.
    public static var descriptions: [PolicyDescription] { policies.map { $0.description } }

    /// Whether the policy that `choice` names decides on several requests at once.
    public static func isBatched(_ choice: PolicyChoice) -> Bool {
        policies.contains { $0.description.answers(to: choice.name) && $0 is any BatchRoutingPolicy.Type }
    }

    /// Makes the policy that `choice` names, for a program its fallback; `nil` for an unknown name.
    public static func make(_ choice: PolicyChoice, random: RandomStream) -> (any RoutingPolicy)? {
        let choice = choice.policyWithin
        for policy in policies where policy.description.answers(to: choice.name) {
            return policy.init(parameters: PolicyParameters(choice, for: policy.description), random: random)
        }
        return nil
    }
}
