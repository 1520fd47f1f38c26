import Quantities

/// A request is refused when the cache that it would take costs more than it is worth: bid prices that grow exponentially with load.
///
/// Source: Awerbuch, Azar and Plotkin 1993 ("Throughput-competitive on-line routing"), with a worker's cache as the edge; bid prices as in revenue management
/// (Talluri and van Ryzin 1998). With f = (prompt + predicted output) / (tokens of the worker's cache) and l the share of it that the requests there
/// are predicted to take at the most, the price of the worker is f (mu^l - 1). The request is taken if the least price among the workers that
/// decode is at most its worth: `reward`, divided by 1 + its priority where that is above 0, so that the less urgent are refused first.
///
/// Guarantee of the source, for predictions that are upper bounds, current loads, requests of f <= 1 / log2 mu, and routing to the worker with the least price:
/// no cache overflows, and the worth of what is taken is at least 1 / (2 log2 mu + 1) of the most that could have been taken in hindsight, for mu at least
/// 2 x (longest over shortest stay) x (largest over smallest worth for a share of cache) + 2. Cost O(workers).
public struct BidPrice: AdmissionPolicy {
    public static let description = PolicyDescription(
        name: "bid-price", summary: "a request is refused when the cache that it would take costs more than it is worth",
        source: "Awerbuch, Azar and Plotkin 1993; Talluri and van Ryzin 1998",
        parameters: [
            ParameterDescription("mu", defaultValue: 1000, range: 2...1_000_000_000_000, summary: "price of a full cache"),
            ParameterDescription("reward", defaultValue: 1, range: 0.000001...1_000_000_000, summary: "what a request of priority 0 is worth"),
        ], needsPrediction: true)

    private let logMu: Double
    private let reward: Double

    public init(parameters: PolicyParameters, firstTokenBound: Nanoseconds?) {
        logMu = naturalLog(parameters["mu"])
        reward = parameters["reward"]
    }

    public mutating func admits(_ request: RequestView, to cluster: ClusterView) -> Bool {
        let peak = Double(request.promptTokens) + Double(request.predictedLeft)
        let least = cluster.decoding.reduce(Double.infinity) { min($0, price(of: peak, at: $1)) }
        return least <= reward / (1 + Double(max(request.priority, 0)))
    }

    /// The price of `peak` tokens at a worker.
    private func price(of peak: Double, at worker: WorkerView) -> Double {
        let capacity = Double(max(worker.totalBlocks, 1)) * Double(max(worker.blockSize, 1))
        let taken = Double(worker.expectedContext) + Double(worker.predictedTokens) + Double(worker.unseenPredicted)
        return peak / capacity * (exponential(min(taken / capacity, 20) * logMu) - 1)
    }
}
