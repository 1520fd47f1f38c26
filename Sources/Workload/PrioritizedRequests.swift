import Quantities

/// The requests of another source, with priorities drawn by weight. The stream is its own, so that priorities change nothing else.
public final class PrioritizedRequests: RequestSource {
    private let source: any RequestSource
    private let priorities: [WeightedPriority]
    private let totalWeight: Double
    private var random: RandomStream

    private init(_ source: any RequestSource, _ priorities: [WeightedPriority], seed: UInt64) {
        self.source = source
        self.priorities = priorities
        totalWeight = priorities.reduce(0) { $0 + $1.weight }
        random = RandomStream(seed: seed, stream: RandomPurpose.priorities)
    }

    /// The source itself when the plan names no priorities.
    public static func wrap(_ source: any RequestSource, _ plan: WorkloadPlan, seed: UInt64) -> any RequestSource {
        plan.priorities.isEmpty ? source : PrioritizedRequests(source, plan.priorities, seed: seed)
    }

    public var problem: String? { source.problem }

    public func next() -> RequestSpec? {
        guard var request = source.next() else { return nil }
        var place = random.unit() * totalWeight
        for choice in priorities {
            request.priority = choice.priority
            place -= choice.weight
            if place < 0 { break }
        }
        return request
    }
}
