import Quantities

/// Branch and bound on a `BalanceProblem`, for instances that are small enough: requests from the largest down, each to a worker or to wait.
///
/// Bound: as `BalanceProblem.lowerBound` with what is decided so far; of workers with equal loads and slots only the first is tried.
struct BalanceProof {
    private let problem: BalanceProblem
    private let points: Int
    private let order: [Int]
    /// Sums of sizes in that order.
    private var prefix: [Int64] = [0]
    private var loads: [Int64]
    private var free: [Int]
    private var current: [Int]
    private var nodes = 0
    private let limit: Int
    private(set) var choices: [Int]
    private(set) var cost: Int64

    /// Whether the search came to its end, so that `choices` are an optimum.
    var isProved: Bool { nodes < limit }

    /// - Parameters:
    ///   - start: an assignment to beat.
    ///   - work: loads looked at before it gives up.
    init(_ problem: BalanceProblem, start: [Int], work: Int) {
        self.problem = problem
        points = problem.points
        order = problem.sizes.indices.sorted { problem.sizes[$0] != problem.sizes[$1] ? problem.sizes[$0] > problem.sizes[$1] : $0 < $1 }
        for request in order { prefix.append(prefix[prefix.count - 1] + problem.sizes[request]) }
        loads = problem.base
        free = problem.slots
        current = Array(repeating: -1, count: problem.sizes.count)
        limit = max(1, work / max(problem.workers * points, 1))
        choices = start
        cost = problem.cost(of: start)
        branch(at: 0, chosen: 0)
    }

    private mutating func branch(at depth: Int, chosen: Int) {
        nodes += 1
        guard isProved, bound(at: depth, chosen: chosen) < cost else { return }
        guard depth < order.count, chosen < problem.count else {
            // The rest waits, which those that must go may not.
            guard chosen == problem.count, !order[depth...].contains(where: { problem.mustGo[$0] }) else { return }
            let found = problem.cost(of: current)
            if found < cost { (cost, choices) = (found, current) }
            return
        }
        let request = order[depth]
        for worker in 0..<problem.workers where free[worker] > 0 && !isTwin(worker) {
            change(worker, by: 1, request)
            current[request] = worker
            branch(at: depth + 1, chosen: chosen + 1)
            current[request] = -1
            change(worker, by: -1, request)
        }
        if problem.count - chosen < order.count - depth, !problem.mustGo[request] { branch(at: depth + 1, chosen: chosen) }
    }

    private mutating func change(_ worker: Int, by sign: Int64, _ request: Int) {
        free[worker] -= Int(sign)
        for point in 0..<points { loads[worker * points + point] += sign * (problem.sizes[request] + problem.rounds[point]) }
    }

    /// Whether an earlier worker is in the same state.
    private func isTwin(_ worker: Int) -> Bool {
        (0..<worker).contains { other in
            free[other] == free[worker] && (0..<points).allSatisfy { loads[other * points + $0] == loads[worker * points + $0] }
        }
    }

    private func bound(at depth: Int, chosen: Int) -> Int64 {
        let left = problem.count - chosen
        let tokens = prefix[min(depth + left, order.count)] - prefix[min(depth, order.count)]
        return (0..<points).reduce(0) { total, point in
            var (most, sum): (Int64, Int64) = (0, 0)
            for worker in 0..<problem.workers {
                let load = loads[worker * points + point]
                most = max(most, load)
                sum += load
            }
            let rest = Int64(problem.workers) * most - sum - tokens - Int64(left) * problem.rounds[point]
            return total + problem.weights[point] * max(rest, 0)
        }
    }
}
