import Quantities

/// The request that has waited longest, most urgent first; nobody overtakes the head of the queue.
///
/// Source: the default of vLLM, Orca and DistServe. Model: one queue, iterations, cache that grows. Competitive ratio unbounded
/// for mean latency when lengths differ (a long prompt holds up short ones). Preempted requests arrived earlier and so return
/// to the head. Cost O(1) for a decision.
public struct FirstComeFirstServed: SchedulingPolicy {
    public static let description = PolicyDescription(
        name: "fcfs", aliases: ["fifo"], summary: "first come, first served; nobody overtakes the head", source: "Orca, OSDI 22; vLLM")

    public init(parameters: PolicyParameters, random: RandomStream) {}
}
