import Quantities

/// The scheduling policies that a topology can name. A new one is one file and one line here.
public enum SchedulingRegistry {
    private static let policies: [any SchedulingPolicy.Type] = [
        FirstComeFirstServed.self,
        ProtectedFirstComeFirstServed.self,
        ShortestJobFirst.self,
        ShortestRemainingTime.self,
        MemoryConstrainedShortestFirst.self,
        MemoryConstrainedBenchmark.self,
        SortedF.self,
        PessimisticShortestFirst.self,
        OptimisticShortestFirst.self,
        Wait.self,
        NestedWait.self,
        LimitedPreemption.self,
        UrgentFirst.self,
        EarliestDeadlineFirst.self,
    ]

    /// Every policy, in the order of the registry.
    public static var descriptions: [PolicyDescription] { policies.map { $0.description } }

    /// Makes the policy that `choice` names, for a program its fallback; `nil` for an unknown name.
    public static func make(_ choice: PolicyChoice, random: RandomStream) -> (any SchedulingPolicy)? {
        let choice = choice.policyWithin
        for policy in policies where policy.description.answers(to: choice.name) {
            return policy.init(parameters: PolicyParameters(choice, for: policy.description), random: random)
        }
        return nil
    }

    /// What the policy that `choice` names wants to be asked; nothing for an unknown name.
    public static func traits(of choice: PolicyChoice) -> SchedulingTraits {
        let traits = policies.first { $0.description.answers(to: choice.policyWithin.name) }?.traits ?? []
        return choice.program == nil ? traits : traits.union(.ofPrograms)
    }
}
