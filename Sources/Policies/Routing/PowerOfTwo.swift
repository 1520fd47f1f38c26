import Quantities

/// The less loaded of a few workers drawn at random, by requests at the worker.
///
/// Source: Mitzenmacher 2001, Azar et al. 1999; the default of the SGLang router for prefill/decode pools. Assumes loads that
/// are current. Guarantee under it: with d >= 2 choices the longest queue is about ln ln n / ln d. Stale reports weaken it,
/// but less than they weaken `join-shortest-queue` (Mitzenmacher 2000, "How useful is old information?"). Cost O(d).
public struct PowerOfTwo: RoutingPolicy {
    public static let description = PolicyDescription(
        name: "power-of-two", aliases: ["p2c"], summary: "the less loaded of a few workers drawn at random",
        source: "Mitzenmacher 2001; SGLang router",
        parameters: [
            ParameterDescription("choices", defaultValue: 2, range: 1...64, summary: "workers drawn for each request")
        ])

    private var random: RandomStream
    private let choices: Int

    public init(parameters: PolicyParameters, random: RandomStream) {
        self.random = random
        choices = Int(parameters["choices"])
    }

    public mutating func choose(for request: RequestView, among workers: [WorkerView]) -> Int {
        var best = random.below(workers.count)
        // Without replacement: drawing one worker twice would leave it no alternative.
        var drawn: Set<Int> = [best]
        while drawn.count < min(choices, workers.count) {
            let candidate = random.below(workers.count)
            guard drawn.insert(candidate).inserted else { continue }
            if workers[candidate].queueLength < workers[best].queueLength { best = candidate }
        }
        return best
    }
}
