import Quantities

/// The worker with the smallest share of its cache in use, prompts on their way to it included; the first of those that tie.
///
/// Source: DistServe sends a prefilled request to the least loaded decode instance; vLLM's router reads `kv_cache_usage_perc`.
/// Sees what caches hold now, not how far they will grow. No guarantee stated. Cost O(workers).
public struct LeastKV: RoutingPolicy {
    public static let description = PolicyDescription(
        name: "least-kv", summary: "the worker with the smallest share of its cache in use", source: "DistServe, OSDI 24; vLLM routers")

    public init(parameters: PolicyParameters, random: RandomStream) {}

    public mutating func choose(for request: RequestView, among workers: [WorkerView]) -> Int {
        var best = 0
        for index in workers.indices.dropFirst() {
            // Shares compared crosswise: a / b < c / d without division, so exactly, and without a product that overflows.
            let candidate = Int128(workers[index].expectedBlocks) * Int128(workers[best].totalBlocks)
            if candidate < Int128(workers[best].expectedBlocks) * Int128(workers[index].totalBlocks) { best = index }
        }
        return best
    }
}
