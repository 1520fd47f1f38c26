import Quantities

/// Workers in turn, each as often as it is fast: smooth weighted round robin.
///
/// Source: nginx (upstream module, 2012); weights of the SGLang and vLLM routers. A worker's weight is its speed as the topology gives it: prompt
/// tokens a second where it computes prompts, else output tokens a second. Assumes requests that cost the same; sees no load.
///
/// Rule: each worker's credit grows by its weight; the largest credit wins, the first of those that tie, and pays the sum of all weights.
/// Guarantee: over as many requests as the weights sum to (after division by their greatest common divisor) each worker gets exactly its weight, and
/// its turns are spread out: of equal weights it is round robin. Holds while the group stays the same; a worker that joins starts without credit.
/// Cost O(workers).
public struct WeightedRoundRobin: RoutingPolicy {
    public static let description = PolicyDescription(
        name: "weighted", aliases: ["wrr"], summary: "workers in turn, each as often as it is fast", source: "nginx, smooth weighted round robin")

    /// By the workers' own numbers.
    private var credits: [Int64] = []

    public init(parameters: PolicyParameters, random: RandomStream) {}

    public mutating func choose(for request: RequestView, among workers: [WorkerView]) -> Int {
        var best = 0
        var total: Int64 = 0
        var most = Int64.min
        for index in workers.indices {
            let node = Self.place(of: workers[index])
            while credits.count <= node { credits.append(0) }
            let weight = min(max(workers[index].traits.speed, 1), 1 << 40)
            total += weight
            credits[node] += weight
            if credits[node] > most { (best, most) = (index, credits[node]) }
        }
        credits[Self.place(of: workers[best])] -= total
        return best
    }

    /// Nodes are numbered from 0 and are at most some thousands.
    private static func place(of worker: WorkerView) -> Int { Int(min(max(worker.traits.node, 0), 1 << 16)) }
}
