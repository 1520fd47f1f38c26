import Quantities

/// Workers in turn, whatever their load.
///
/// Source: the default of most HTTP load balancers and of early vLLM and SGLang routers. Assumes equal requests and equal
/// workers; under those its loads differ by one at most. No guarantee for unequal requests: with lengths that alternate in
/// step with the workers, one worker gets all long ones. Cost O(1).
public struct RoundRobin: RoutingPolicy {
    public static let description = PolicyDescription(
        name: "round-robin", aliases: ["rr"], summary: "workers in turn, whatever their load", source: "HTTP load balancers; vLLM and SGLang routers")

    private var turn = 0

    public init(parameters: PolicyParameters, random: RandomStream) {}

    public mutating func choose(for request: RequestView, among workers: [WorkerView]) -> Int {
        defer { turn = (turn + 1) % workers.count }
        return turn % workers.count
    }
}
