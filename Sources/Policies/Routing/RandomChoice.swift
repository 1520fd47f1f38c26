import Quantities

/// A worker at random, each equally likely.
///
/// Source: the baseline of the balls-into-bins literature. With n requests on n workers the longest queue is about
/// ln n / ln ln n with high probability (Raab and Steger 1998). Cost O(1).
public struct RandomChoice: RoutingPolicy {
    public static let description = PolicyDescription(
        name: "random", summary: "a worker at random", source: "balls into bins, Raab and Steger 1998")

    private var random: RandomStream

    public init(parameters: PolicyParameters, random: RandomStream) { self.random = random }

    public mutating func choose(for request: RequestView, among workers: [WorkerView]) -> Int {
        random.below(workers.count)
    }
}
