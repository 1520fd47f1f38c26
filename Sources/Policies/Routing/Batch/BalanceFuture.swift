import Quantities

/// Balances the workers' loads over a short horizon, by integer optimisation for each batch of waiting requests: BF-IO.
///
/// Source: 2601.17855 and its released simulator. Model: workers behind a barrier, so that a round lasts as long as the one with the most tokens of
/// context needs; a request stays where it is put; every request grows by a token a round. Known: the contexts, and for a horizon above 0 in how many
/// rounds each request ends, as predicted; of new requests only their sizes.
///
/// Rule: fill as many slots as there are requests for, so that the sum over the rounds 0 to `horizon` of G x (largest load) - (sum of loads), round h
/// weighted by `decay`^h, is least (`BalanceProblem`). The horizon is looked at in rounds 0, 1, 3, 7, …, which is how finely load reports tell when
/// requests end. Solved by best fit and exchanges (`BalanceSearch`), and by branch and bound where the instance is small (`BalanceProof`): up to about
/// eight requests for four workers. Otherwise the gap to the optimum is at most that to `BalanceProblem.lowerBound`; on random instances of
/// 64 workers and 256 requests that is 0.3% to 1.5% of a worker's load. Choosing by size lets some sizes starve, so what has waited longer than
/// `age-limit` goes first.
///
/// Guarantee (for horizon 0): against FCFS, imbalance smaller by a factor of order sqrt(batch x log G), for independent bounded prompts, geometric
/// outputs, a pool that never runs dry, large batches, and the exact optimum. None for a horizon above 0, and none without a barrier. Cost O(requests^2 x log(horizon)) with
/// a cap: below 10 ms for 64 workers and 256 requests.
public struct BalanceFuture: BatchRoutingPolicy {
    public static let description = PolicyDescription(
        name: "bf-io", summary: "even loads over a short horizon, by integer optimisation for each batch of waiting requests", source: "2601.17855",
        parameters: [
            ParameterDescription(
                "horizon", unit: "rounds", defaultValue: 0, range: 0...2000, summary: "rounds looked ahead; above 0 needs a predictor"),
            ParameterDescription("decay", defaultValue: 0.86, range: 0.01...1, summary: "weight of a round over that of the one before"),
            ParameterDescription(
                "age-limit", unit: "s", defaultValue: 60, range: 0.001...1_000_000, summary: "wait after which a request goes first"),
        ], predictionParameter: "horizon")

    /// Loads that branch and bound looks at before it gives up: below a millisecond.
    private static let proofWork = 400_000

    private let rounds: [Int64]
    private let weights: [Int64]
    private let ageLimit: Nanoseconds

    public init(parameters: PolicyParameters, random: RandomStream) {
        (rounds, weights) = BalanceProblem.horizonPoints(Int(parameters["horizon"]), decay: parameters["decay"])
        ageLimit = nanoseconds(fromSeconds: parameters["age-limit"])
    }

    public mutating func assign(_ waiting: [RequestView], to workers: [WorkerView], slots: [Int]) -> [Int] {
        let candidates = Aging.candidates(waiting, slots: slots, limit: ageLimit)
        let problem = BalanceProblem(
            base: workers.map { worker in rounds.indices.map { worker.context(afterDoublings: $0) } }, rounds: rounds, weights: weights, slots: slots,
            sizes: candidates.map { Int64(waiting[$0.place].promptTokens) }, mustGo: candidates.map(\.mustGo))
        var choices = Array(repeating: -1, count: waiting.count)
        for (candidate, worker) in zip(candidates, Self.solve(problem)) { choices[candidate.place] = worker }
        return choices
    }

    /// The best assignment found.
    static func solve(_ problem: BalanceProblem) -> [Int] {
        let found = BalanceSearch(problem).choices
        guard problem.cost(of: found) > problem.lowerBound else { return found }
        return BalanceProof(problem, start: found, work: proofWork).choices
    }

    public func decisionTime(waiting: Int, workers: Int) -> Nanoseconds {
        min(5_000 + 200 * Nanoseconds(workers * rounds.count) + 12 * Nanoseconds(waiting * waiting * rounds.count), 10_000_000)
    }
}

/// Which of the waiting requests a batch policy may choose from when some have waited too long.
enum Aging {
    /// The requests by place: all, with those that must go marked; or only these, when they alone fill the slots.
    static func candidates(_ waiting: [RequestView], slots: [Int], limit: Nanoseconds) -> [(place: Int, mustGo: Bool)] {
        let room = slots.reduce(0, +)
        let isLate = waiting.map { $0.now - $0.arrival > limit }
        let late = isLate.count { $0 }
        return waiting.indices.compactMap { place in
            if late >= room, late > 0 { return isLate[place] ? (place, false) : nil }
            return (place, isLate[place])
        }
    }
}
