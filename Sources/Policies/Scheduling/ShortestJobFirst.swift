import Quantities

/// The request with the shortest predicted output first; who runs stays.
///
/// Source: SJF of the scheduling literature; with predicted lengths 2404.08509 and S3 (2306.06000). Model: a server that takes one job at a time,
/// where it is optimal for mean latency among non-preemptive rules if lengths are known. Batches and growing caches are not in that model: with
/// unequal prompts its ratio to the optimum is at least of the order of the square root of memory (2508.06133). Rule: classes of priority first, then
/// tokens expected to be still to come, then arrival; the first that does not fit ends the admission. Long requests can starve. Cost O(log waiting)
/// to order a request, O(1) to admit one.
public struct ShortestJobFirst: SchedulingPolicy {
    public static let description = PolicyDescription(
        name: "sjf", summary: "the shortest predicted output first", source: "SJF; S3, 2306.06000; 2404.08509", needsPrediction: true)
    public static let traits: SchedulingTraits = [.ranks, .overtakes]

    public init(parameters: PolicyParameters, random: RandomStream) {}

    public mutating func rank(of request: QueuedRequest) -> Int64 { request.rank(by: Int64(request.remaining)) }
}
