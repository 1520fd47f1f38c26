import Quantities

/// The integer programme of BF-IO for one decision: which requests go to which workers so that the workers' loads are even, now and in rounds to come.
///
/// With x_ig = 1 where request i goes to worker g, L_gk the load of worker g at point k without new requests, h_k the rounds until then and w_k its weight:
///
///     minimise  sum over k of w_k (G z_k - sum over g of L'_gk),   L'_gk = L_gk + sum over i of x_ig (s_i + h_k)
///     subject to  z_k >= L'_gk,   sum over g of x_ig <= 1,   sum over i of x_ig <= slots_g,   sum of x = min(requests, sum of slots)
///
/// All whole numbers: the optimum is a value, not a tolerance. Loads are cut at 2^36 and weights sum to about 2^12, so with 4,096 workers nothing overflows.
struct BalanceProblem {
    static let loadLimit: Int64 = 1 << 36
    static let weightScale = 4096.0

    let workers: Int
    /// Points in time: rounds from now, and weights.
    let rounds: [Int64]
    let weights: [Int64]
    /// Loads without new requests, by worker and point.
    private(set) var base: [Int64]
    private(set) var slots: [Int]
    /// Sizes of the requests in tokens, and which of them must be chosen.
    private(set) var sizes: [Int64]
    private(set) var mustGo: [Bool]
    /// Requests that are chosen.
    let count: Int

    var points: Int { rounds.count }

    init(base: [[Int64]], rounds: [Int64], weights: [Int64], slots: [Int], sizes: [Int64], mustGo: [Bool]) {
        workers = base.count
        self.rounds = rounds
        self.weights = weights
        self.base = base.flatMap { $0.map { min(max($0, 0), Self.loadLimit) } }
        self.slots = slots.map { max($0, 0) }
        self.sizes = sizes.map { min(max($0, 0), 1 << 26) }
        self.mustGo = mustGo
        count = min(sizes.count, self.slots.reduce(0, +))
    }

    /// What an assignment costs; workers by request, -1 for those that wait on.
    func cost(of choices: [Int]) -> Int64 {
        var loads = base
        for (request, worker) in choices.enumerated() where worker >= 0 {
            for point in 0..<points { loads[worker * points + point] += sizes[request] + rounds[point] }
        }
        return (0..<points).reduce(0) { total, point in
            var (most, sum): (Int64, Int64) = (0, 0)
            for worker in 0..<workers {
                let load = loads[worker * points + point]
                most = max(most, load)
                sum += load
            }
            return total + weights[point] * (Int64(workers) * most - sum)
        }
    }

    /// What no assignment costs less than.
    ///
    /// Proof: at each point the cost is the sum over workers of (z - load), so it is at least 0; z is at least the largest load without new requests, and
    /// where every request goes, at least the mean load and at least the least load of a worker with room plus the largest request. The sum of loads is at most the present one plus
    /// that of the largest requests that may go, and the load of a worker at most its own plus that of as many as it has slots.
    var lowerBound: Int64 {
        let sorted = sizes.sorted(by: >)
        var prefix: [Int64] = [0]
        for size in sorted { prefix.append(prefix[prefix.count - 1] + size) }
        let group = Int64(workers)
        return (0..<points).reduce(0) { total, point in
            var (most, sum, least): (Int64, Int64, Int64) = (0, 0, .max)
            for worker in 0..<workers {
                let load = base[worker * points + point]
                most = max(most, load)
                sum += load
                if slots[worker] > 0 { least = min(least, load) }
            }
            let full = sum + prefix[count] + Int64(count) * rounds[point]
            if count == sizes.count, let largest = sorted.first { most = max(most, least + largest + rounds[point], (full + group - 1) / group) }
            let whole = group * most - full
            let single = (0..<workers).reduce(Int64(0)) { deficit, worker in
                let places = min(slots[worker], count)
                return deficit + max(0, most - base[worker * points + point] - prefix[places] - Int64(places) * rounds[point])
            }
            return total + weights[point] * max(whole, single, 0)
        }
    }

    /// The points 0, 1, 3, 7, … up to `horizon`, each with the weight of the rounds from it to the next: what load reports tell apart.
    static func horizonPoints(_ horizon: Int, decay: Double) -> (rounds: [Int64], weights: [Int64]) {
        var (rounds, shares): ([Int64], [Double]) = ([], [])
        var step = 0
        var factor = 1.0
        var total = 0.0
        for round in 0...max(horizon, 0) {
            if round == (1 << step) - 1, step < WorkerView.endingClasses {
                rounds.append(Int64(round))
                shares.append(0)
                step += 1
            }
            shares[shares.count - 1] += factor
            total += factor
            factor *= decay
        }
        return (rounds, shares.map { max(1, Int64(($0 / total * weightScale).rounded())) })
    }
}
