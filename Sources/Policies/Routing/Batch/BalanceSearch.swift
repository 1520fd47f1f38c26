import Quantities

/// A good assignment for a `BalanceProblem`: average fit for some largest loads to aim at, then exchanges while they help.
///
/// Average fit: the worker that lacks most for each of its slots gets the request that is nearest to that; the last slot of each worker is filled at the
/// end, with the largest request that fits. Exchanges are those of a request with one that waits, of two requests at different workers, and of a
/// request with a free slot; the latter two only where one of the workers has the largest load at some point, for no other can help. The end is a
/// local optimum, or the budget: `evaluations` exchanges looked at, the same on every host.
struct BalanceSearch {
    static let budget = 60_000
    /// Largest loads to aim at, in mean sizes above the largest load that there is.
    private static let targets = [0, 0.25, 0.5, 1, 1.5, 2, 3]

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
        guard problem.count > 0 else { return }
        let order = problem.sizes.indices.sorted { problem.sizes[$0] != problem.sizes[$1] ? problem.sizes[$0] > problem.sizes[$1] : $0 < $1 }
        var best: (cost: Int64, choices: [Int])?
        let aims = aims()
        var starts = aims.map { fit(to: $0, order) }
        if problem.count == order.count { starts += [false, true].map { largestFirst(to: aims[0], order, perSlot: $0) } }
        for start in starts {
            let cost = problem.cost(of: start)
            if best.map({ cost < $0.cost }) ?? true { best = (cost, start) }
        }
        for (request, worker) in (best?.choices ?? []).enumerated() where worker >= 0 {
            choices[request] = worker
            free[worker] -= 1
            for point in 0..<points { loads[worker * points + point] += problem.sizes[request] + problem.rounds[point] }
        }
        findPeaks()
        improve()
    }

    // MARK: - Average fit

    /// Largest loads to aim at, by point: some above the largest that there is, and what the loads would be if they could be evened out.
    private func aims() -> [[Int64]] {
        let present = (0..<points).map { point in (0..<problem.workers).reduce(Int64(0)) { max($0, loads[$1 * points + point]) } }
        let whole = problem.sizes.reduce(0, +)
        let mean = Double(whole) / Double(problem.sizes.count)
        let tokens = whole / Int64(problem.sizes.count) * Int64(problem.count)
        let even = (0..<points).map { point in
            let sum = (0..<problem.workers).reduce(tokens + Int64(problem.count) * problem.rounds[point]) { $0 + loads[$1 * points + point] }
            return max(present[point], (sum + Int64(problem.workers) - 1) / Int64(problem.workers))
        }
        return [even] + Self.targets.map { target in present.map { $0 + Int64(target * mean) } }
    }

    /// Where every request goes: the largest first, each to the worker that lacks most, in all or for each slot.
    private func largestFirst(to target: [Int64], _ order: [Int], perSlot: Bool) -> [Int] {
        var choices = Array(repeating: -1, count: order.count)
        var free = free
        var lacks = lacks(to: target)
        for request in order {
            var best: Int?
            for worker in free.indices where free[worker] > 0 {
                guard let known = best else {
                    best = worker
                    continue
                }
                let (mine, its) = perSlot ? (lacks[worker] / Int64(free[worker]), lacks[known] / Int64(free[known])) : (lacks[worker], lacks[known])
                if mine > its { best = worker }
            }
            guard let worker = best else { break }
            choices[request] = worker
            free[worker] -= 1
            lacks[worker] -= problem.sizes[request]
        }
        return choices
    }

    /// What each worker would lack to the target with all its slots filled by requests of no size.
    private func lacks(to target: [Int64]) -> [Int64] {
        (0..<problem.workers).map { worker in
            let requests = Int64(min(free[worker], problem.count))
            return (0..<points).reduce(Int64.max) { min($0, target[$1] - loads[worker * points + $1] - requests * problem.rounds[$1]) }
        }
    }

    private func fit(to target: [Int64], _ order: [Int]) -> [Int] {
        var choices = Array(repeating: -1, count: order.count)
        var left = order
        var free = free
        var lacks = lacks(to: target)
        var forced = problem.mustGo.count { $0 }
        for remaining in stride(from: problem.count, to: 0, by: -1) {
            guard let worker = next(free, lacks) else { break }
            // Those that must go come first once there are only slots for them.
            let mustChoose = forced >= remaining
            var place = firstPlace(in: left, notAbove: lacks[worker] / Int64(free[worker]))
            if free[worker] > 1, place > 0, place == left.count || isNearer(left[place - 1], left[place], lacks[worker] / Int64(free[worker])) {
                place -= 1
            }
            if place == left.count { place -= 1 }
            if mustChoose { place = nearestForced(in: left, from: place) }
            let request = left.remove(at: place)
            if problem.mustGo[request] { forced -= 1 }
            choices[request] = worker
            free[worker] -= 1
            lacks[worker] -= problem.sizes[request]
        }
        return choices
    }

    /// The worker that lacks most for each slot, of those with more than one; then of the others.
    private func next(_ free: [Int], _ lacks: [Int64]) -> Int? {
        var best: Int?
        for worker in free.indices where free[worker] > 0 {
            guard let known = best else {
                best = worker
                continue
            }
            let isLast = free[worker] == 1
            if isLast != (free[known] == 1) {
                if !isLast { best = worker }
            } else if lacks[worker] / Int64(free[worker]) > lacks[known] / Int64(free[known]) {
                best = worker
            }
        }
        return best
    }

    /// The place of the largest request of at most so many tokens, in an order from the largest down.
    private func firstPlace(in left: [Int], notAbove tokens: Int64) -> Int {
        var (low, high) = (0, left.count)
        while low < high {
            let middle = (low + high) / 2
            if problem.sizes[left[middle]] > tokens { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func isNearer(_ above: Int, _ below: Int, _ tokens: Int64) -> Bool {
        problem.sizes[above] - tokens < tokens - problem.sizes[below]
    }

    private func nearestForced(in left: [Int], from place: Int) -> Int {
        let after = left[place...].firstIndex { problem.mustGo[$0] }
        let before = left[..<place].lastIndex { problem.mustGo[$0] }
        guard let after, let before else { return after ?? before ?? place }
        return after - place <= place - before ? after : before
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
