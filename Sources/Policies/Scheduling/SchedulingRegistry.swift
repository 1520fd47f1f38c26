import Quantities

/// The scheduling policies that a topology can name. A new one is one file and one line here.
public enum SchedulingRegistry {
    private static let policies: [any SchedulingPolicy.Type] = [
        FirstComeFirstServed.self
    ]

    /// Every policy, in the order of the registry.
    public static var descriptions: [PolicyDescription] { policies.map { $0.description } }

    /// Makes the policy that `choice` names; `nil` for an unknown name.
    public static func make(_ choice: PolicyChoice, random: RandomStream) -> (any SchedulingPolicy)? {
        for policy in policies where policy.description.answers(to: choice.name) {
            return policy.init(parameters: PolicyParameters(choice, for: policy.description), random: random)
        }
        return nil
    }
}
