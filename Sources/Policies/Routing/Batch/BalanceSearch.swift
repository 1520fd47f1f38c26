import Quantities

/// A good assignment for a `BalanceProblem`: best fit, then exchanges while they help.
///
/// Exchanges are those of a request with one that waits, of two requests at different workers, and of a request with a free slot; the latter two only
/// where one of the workers has the largest load at some point, for no other can help. A local optimum is reached, or the budget: `evaluations` exchanges
/// looked at, the same on every host.
struct BalanceSearch {
    static let budget = 120_000

    private let problem: BalanceProblem
    private let points: Int
    private(set) var choices: [Int]
    private var loads: [Int64]
    private var free: [Int]
    /// By point, the three largest loads and whose they are.
    private var peaks: [(load: Int64, worker: Int)] = []
    private(set) var evaluations = 0

    init(_ problem: BalanceProblem) {
        self.problem = problem
        points = problem.points
        choices = Array(repeating: -1, count: problem.sizes.count)
        loads = problem.base
        free = problem.slots
        fill()
        findPeaks()
        improve()
    }

    // MARK: - The start

    /// The lightest worker with a slot gets the largest request that raises no peak; where none fits, the smallest one that waits if others must
    /// wait in any case, else the largest.
    private mutating func fill() {
        var order = problem.sizes.indices.sorted { problem.sizes[$0] != problem.sizes[$1] ? problem.sizes[$0] > problem.sizes[$1] : $0 < $1 }
        let isShort = problem.count < order.count
        var peak = (0..<points).map { point in
            (0..<problem.workers).reduce(Int64(0)) { max($0, loads[$1 * points + point]) }
        }
        var forced = problem.mustGo.count { $0 }
        for left in stride(from: problem.count, to: 0, by: -1) {
            guard let worker = lightest() else { return }
            let margin = (0..<points).reduce(Int64.max) { min($0, peak[$1] - loads[worker * points + $1] - problem.rounds[$1]) }
            // Those that must go come first once there are only slots for them.
            let mayChoose: (Int) -> Bool = { [problem] in forced < left || problem.mustGo[$0] }
            let fits = order.firstIndex { problem.sizes[$0] <= margin && mayChoose($0) }
            guard let place = fits ?? (isShort ? order.lastIndex(where: mayChoose) : order.firstIndex(where: mayChoose)) else { return }
            let request = order.remove(at: place)
            if problem.mustGo[request] { forced -= 1 }
            choices[request] = worker
            free[worker] -= 1
            for point in 0..<points {
                loads[worker * points + point] += problem.sizes[request] + problem.rounds[point]
                peak[point] = max(peak[point], loads[worker * points + point])
            }
        }
    }

    private func lightest() -> Int? {
        var best: Int?
        var least = Int64.max
        for worker in 0..<problem.workers where free[worker] > 0 {
            let load = (0..<points).reduce(Int64(0)) { $0 + problem.weights[$1] * loads[worker * points + $1] }
            if load < least { (best, least) = (worker, load) }
        }
        return best
    }

    // MARK: - Exchanges

    /// How a load changes: by tokens at once, and by requests that grow.
    private struct Change {
        var worker: Int
        var tokens: Int64
        var requests: Int64
    }

    private mutating func improve() {
        var goesOn = true
        while goesOn, evaluations < Self.budget {
            goesOn = replaceAll()
            if moveOffPeaks() { goesOn = true }
        }
    }

    /// Exchanges of requests that go with requests that wait. Answers whether any helped.
    private mutating func replaceAll() -> Bool {
        guard problem.count < problem.sizes.count else { return false }
        var helped = false
        for waiting in choices.indices where choices[waiting] < 0 {
            for going in choices.indices where choices[going] >= 0 && !problem.mustGo[going] && evaluations < Self.budget {
                let change = Change(worker: choices[going], tokens: problem.sizes[waiting] - problem.sizes[going], requests: 0)
                guard change.tokens != 0, isBetter(change, nil) else { continue }
                apply(change, nil)
                (choices[waiting], choices[going]) = (choices[going], -1)
                helped = true
                break
            }
        }
        return helped
    }

    /// Takes requests away from workers with the largest loads, one exchange after the other. Answers whether any helped.
    private mutating func moveOffPeaks() -> Bool {
        var helped = false
        for request in choices.indices where choices[request] >= 0 && isPeak(choices[request]) {
            let size = problem.sizes[request]
            let from = choices[request]
            if let other = choices.indices.first(where: { other in
                guard choices[other] >= 0, choices[other] != from, problem.sizes[other] != size, evaluations < Self.budget else { return false }
                let difference = problem.sizes[other] - size
                return isBetter(
                    Change(worker: from, tokens: difference, requests: 0), Change(worker: choices[other], tokens: -difference, requests: 0))
            }) {
                let difference = problem.sizes[other] - size
                apply(Change(worker: from, tokens: difference, requests: 0), Change(worker: choices[other], tokens: -difference, requests: 0))
                choices.swapAt(request, other)
                helped = true
            } else if let target = (0..<problem.workers).first(where: { target in
                guard free[target] > 0, target != from, evaluations < Self.budget else { return false }
                return isBetter(Change(worker: from, tokens: -size, requests: -1), Change(worker: target, tokens: size, requests: 1))
            }) {
                apply(Change(worker: from, tokens: -size, requests: -1), Change(worker: target, tokens: size, requests: 1))
                choices[request] = target
                free[from] += 1
                free[target] -= 1
                helped = true
            }
        }
        return helped
    }

    private func isPeak(_ worker: Int) -> Bool {
        (0..<points).contains { loads[worker * points + $0] == peaks[3 * $0].load }
    }

    /// Whether two changes lower the cost, or keep it and make loads more even (a smaller sum of squares), which opens the way for others.
    private mutating func isBetter(_ first: Change, _ second: Change?) -> Bool {
        evaluations += 1
        var cost: Int64 = 0
        var squares = 0.0
        for point in 0..<points {
            let round = problem.rounds[point]
            let weight = problem.weights[point]
            let old = loads[first.worker * points + point]
            let change = first.tokens + first.requests * round
            var (sum, most) = (change, max(old + change, others(than: first.worker, second?.worker ?? -1, at: point)))
            squares += Double(weight) * Double(change) * Double(2 * old + change)
            if let second {
                let old = loads[second.worker * points + point]
                let change = second.tokens + second.requests * round
                sum += change
                most = max(most, old + change)
                squares += Double(weight) * Double(change) * Double(2 * old + change)
            }
            cost += weight * (Int64(problem.workers) * (most - peaks[3 * point].load) - sum)
        }
        // A replacement changes the sum itself, and squares say nothing about evenness then.
        return cost < 0 || cost == 0 && second != nil && squares < -0.5
    }

    /// The largest load at a point of the workers but two.
    private func others(than first: Int, _ second: Int, at point: Int) -> Int64 {
        for place in 3 * point..<3 * point + 3 where peaks[place].worker != first && peaks[place].worker != second { return peaks[place].load }
        return 0
    }

    private mutating func apply(_ first: Change, _ second: Change?) {
        for change in [first, second].compactMap({ $0 }) {
            for point in 0..<points { loads[change.worker * points + point] += change.tokens + change.requests * problem.rounds[point] }
        }
        findPeaks()
    }

    private mutating func findPeaks() {
        peaks.removeAll(keepingCapacity: true)
        for point in 0..<points {
            var (a, b, c) = ((load: Int64(0), worker: -1), (load: Int64(0), worker: -1), (load: Int64(0), worker: -1))
            for worker in 0..<problem.workers {
                let load = loads[worker * points + point]
                if a.worker < 0 || load > a.load {
                    (a, b, c) = ((load, worker), a, b)
                } else if b.worker < 0 || load > b.load {
                    (b, c) = ((load, worker), b)
                } else if c.worker < 0 || load > c.load {
                    c = (load, worker)
                }
            }
            peaks += [a, b, c]
        }
    }
}
