import Quantities

/// Fills the room under the largest load, worker by worker: BalanceRoute, BR-0 without a horizon and BR-H with one.
///
/// Source: 2605.06113. Model: workers behind a barrier, as in `bf-io`. With m_gh = (largest load at round h) - (load of worker g then), the score of
/// sending requests with S tokens in all to worker g is
///
///     F_g(S) = alpha S sum of decay^h - beta sum of decay^h max(S - m_gh, 0),   h = 0 … horizon
///
/// so that tokens under the largest load count for a request and tokens above it against it. BR-0 is horizon 0, alpha 1, beta = workers, and needs no
/// prediction. BR-H takes from load reports how many tokens are predicted to be gone by round h.
///
/// Rule: while some worker has more than `few` slots, the one with most slots (of equals, the lightest) gets the request with the largest F. Then the
/// workers from the lightest on get the best subset of the oldest `window` requests, one at least, until no slot or request is left. Of
/// equal scores the earlier request counts; equal workers are told apart by load, without which the first would get nearly all. Requests
/// older than `age-limit` go first.
///
/// No guarantee of its own; it is the greedy of `bf-io`. Cost O(requests x (requests + workers) x log(horizon)) for many slots, plus 2^window a worker.
public struct BalanceRoute: BatchRoutingPolicy {
    public static let description = PolicyDescription(
        name: "balance-route", aliases: ["br"], summary: "fills the room under the largest load, worker by worker (BR-0; BR-H with a horizon)",
        source: "2605.06113",
        parameters: [
            ParameterDescription(
                "horizon", unit: "rounds", defaultValue: 0, range: 0...2000, summary: "rounds looked ahead; above 0 needs a predictor"),
            ParameterDescription("decay", defaultValue: 0.86, range: 0.01...1, summary: "weight of a round over that of the one before"),
            ParameterDescription("alpha", defaultValue: 1, range: 0...1000, summary: "worth of a token under the largest load"),
            ParameterDescription("beta", defaultValue: 0, range: 0...1_000_000, summary: "price of a token above it; 0: the number of workers"),
            ParameterDescription("few", defaultValue: 7, range: 0...1_000_000, summary: "slots up to which subsets are searched"),
            ParameterDescription("window", defaultValue: 10, range: 1...14, summary: "oldest requests that subsets are chosen from"),
            ParameterDescription(
                "age-limit", unit: "s", defaultValue: 60, range: 0.001...1_000_000, summary: "wait after which a request goes first"),
        ], predictionParameter: "horizon")

    private let rounds: [Int64]
    private let weights: [Int64]
    private let alpha: Double
    private let beta: Double
    private let few: Int
    private let window: Int
    private let ageLimit: Nanoseconds

    public init(parameters: PolicyParameters, random: RandomStream) {
        (rounds, weights) = BalanceProblem.horizonPoints(Int(parameters["horizon"]), decay: parameters["decay"])
        alpha = parameters["alpha"]
        beta = parameters["beta"]
        few = Int(parameters["few"])
        window = Int(parameters["window"])
        ageLimit = nanoseconds(fromSeconds: parameters["age-limit"])
    }

    public mutating func assign(_ waiting: [RequestView], to workers: [WorkerView], slots: [Int]) -> [Int] {
        var state = State(
            loads: workers.map { worker in rounds.indices.map { Double(min(worker.context(afterDoublings: $0), BalanceProblem.loadLimit)) } },
            free: slots, choices: Array(repeating: -1, count: waiting.count))
        let candidates = Aging.candidates(waiting, slots: slots, limit: ageLimit)
        // Those that are late first, each part in the order of arrival.
        var left = candidates.filter(\.mustGo).map(\.place) + candidates.filter { !$0.mustGo }.map(\.place)
        let late = candidates.count { $0.mustGo }
        while !left.isEmpty, let worker = state.roomiest, state.free[worker] > few {
            let margins = state.margins(of: worker)
            // While late ones are left, only they are looked at.
            let lateLeft = max(0, late - (candidates.count - left.count))
            var (best, most) = (0, -Double.infinity)
            for place in 0..<(lateLeft > 0 ? lateLeft : left.count) {
                let score = score(Double(waiting[left[place]].promptTokens), margins, workers.count)
                if score > most { (best, most) = (place, score) }
            }
            state.send([left[best]], to: worker, waiting, rounds)
            left.remove(at: best)
        }
        while !left.isEmpty, let worker = state.lightest(weights) {
            let lateLeft = max(0, late - (candidates.count - left.count))
            let choice = left.prefix(lateLeft > 0 ? min(lateLeft, window) : window)
            let subset = bestSubset(choice, waiting, state.margins(of: worker), state.free[worker], workers.count)
            state.send(subset, to: worker, waiting, rounds)
            left.removeAll { subset.contains($0) }
        }
        return state.choices
    }

    /// F of the tokens of some requests at a worker with these margins.
    private func score(_ tokens: Double, _ margins: [Double], _ workers: Int) -> Double {
        let price = beta > 0 ? beta : Double(workers)
        var score = 0.0
        for point in margins.indices { score += Double(weights[point]) * (alpha * tokens - price * max(tokens - margins[point], 0)) }
        return score
    }

    /// The requests of a window with the best score together: `free` at most and one at least.
    private func bestSubset(_ window: ArraySlice<Int>, _ waiting: [RequestView], _ margins: [Double], _ free: Int, _ workers: Int) -> [Int] {
        let places = Array(window)
        var sums = Array(repeating: 0.0, count: 1 << places.count)
        var (best, most) = (1, -Double.infinity)
        for set in 1..<sums.count {
            let lowest = set.trailingZeroBitCount
            sums[set] = sums[set & (set - 1)] + Double(waiting[places[lowest]].promptTokens)
            guard set.nonzeroBitCount <= free else { continue }
            let score = score(sums[set], margins, workers)
            if score > most { (best, most) = (set, score) }
        }
        return places.indices.filter { best >> $0 & 1 == 1 }.map { places[$0] }
    }

    public func decisionTime(waiting: Int, workers: Int) -> Nanoseconds {
        min(2_000 + 60 * Nanoseconds(workers * rounds.count) + 10 * Nanoseconds(waiting * waiting * rounds.count), 10_000_000)
    }

    /// An assignment in the making.
    private struct State {
        /// Loads by worker and point.
        var loads: [[Double]]
        var free: [Int]
        var choices: [Int]

        /// The worker with most free slots, of equals the lightest now.
        var roomiest: Int? {
            var best: Int?
            for worker in free.indices where free[worker] > 0 {
                guard let known = best else {
                    best = worker
                    continue
                }
                if free[worker] > free[known] || free[worker] == free[known] && loads[worker][0] < loads[known][0] { best = worker }
            }
            return best
        }

        /// The worker with a free slot whose load over the horizon is least.
        func lightest(_ weights: [Int64]) -> Int? {
            var best: Int?
            var least = Double.infinity
            for worker in free.indices where free[worker] > 0 {
                let load = weights.indices.reduce(0.0) { $0 + Double(weights[$1]) * loads[worker][$1] }
                if load < least { (best, least) = (worker, load) }
            }
            return best
        }

        /// By point, what a worker lacks to the largest load.
        func margins(of worker: Int) -> [Double] {
            loads[worker].indices.map { point in loads.reduce(0.0) { max($0, $1[point]) } - loads[worker][point] }
        }

        mutating func send(_ requests: [Int], to worker: Int, _ waiting: [RequestView], _ rounds: [Int64]) {
            for request in requests {
                choices[request] = worker
                free[worker] -= 1
                for point in rounds.indices { loads[worker][point] += Double(waiting[request].promptTokens) + Double(rounds[point]) }
            }
        }
    }
}
