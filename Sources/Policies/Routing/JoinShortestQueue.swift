import Quantities

/// The worker with the fewest requests, waiting, running or on their way to it; the first of those that tie.
///
/// Source: Winston 1977, Weber 1978 (optimal for equal exponential servers, current queues and FCFS); DistServe sends a request
/// to the prefill instance with the shortest queue. Assumes that requests cost the same, which prompts and caches do not.
/// Cost O(workers).
public struct JoinShortestQueue: RoutingPolicy {
    public static let description = PolicyDescription(
        name: "join-shortest-queue", aliases: ["jsq"], summary: "the worker with the fewest requests",
        source: "Winston 1977, Weber 1978; DistServe, OSDI 24")

    public init(parameters: PolicyParameters, random: RandomStream) {}

    public mutating func choose(for request: RequestView, among workers: [WorkerView]) -> Int {
        var best = 0
        for index in workers.indices.dropFirst() where workers[index].queueLength < workers[best].queueLength { best = index }
        return best
    }
}
