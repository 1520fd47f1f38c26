import Quantities
import Testing

@testable import Policies

@Suite("BF-IO's integer programme")
struct BalanceProblemTests {
    /// The least cost of all assignments that send as many requests as there is room for, by trying every one.
    private func exhaustive(_ problem: BalanceProblem) -> Int64 {
        var best = Int64.max
        var choices = Array(repeating: -1, count: problem.sizes.count)
        var free = problem.slots
        func visit(_ request: Int, _ sent: Int) {
            guard request < choices.count else {
                if sent == problem.count { best = min(best, problem.cost(of: choices)) }
                return
            }
            for worker in 0..<problem.workers where free[worker] > 0 {
                free[worker] -= 1
                choices[request] = worker
                visit(request + 1, sent + 1)
                choices[request] = -1
                free[worker] += 1
            }
            if !problem.mustGo[request] { visit(request + 1, sent) }
        }
        visit(0, 0)
        return best
    }

    private func drawn(_ seed: UInt64, workers: Int, requests: Int, horizon: Int) -> BalanceProblem {
        var random = stream(seed)
        let (rounds, weights) = BalanceProblem.horizonPoints(horizon, decay: 0.86)
        let slots = (0..<workers).map { _ in random.below(4) }
        let room = slots.reduce(0, +)
        // Loads that fall over the horizon as requests end, sizes that tie often.
        let base = (0..<workers).map { _ in
            var load = Int64(random.below(400))
            return rounds.map { _ in
                defer { load -= Int64(random.below(Int(load) / 2 + 1)) }
                return load
            }
        }
        let sizes = (0..<requests).map { _ in Int64(1 + random.below(random.below(2) == 0 ? 10 : 300)) }
        let late = random.below(min(room, requests) + 1) / 2
        return BalanceProblem(
            base: base, rounds: rounds, weights: weights, slots: slots, sizes: sizes, mustGo: sizes.indices.map { $0 < late })
    }

    @Test("is solved to the optimum of exhaustive search on small instances, and never costs less than the lower bound", arguments: UInt64(0)..<250)
    func optimum(seed: UInt64) {
        var random = stream(seed + 1000)
        let problem = drawn(seed, workers: 1 + random.below(4), requests: 1 + random.below(6), horizon: [0, 1, 5, 40][random.below(4)])
        let choices = BalanceFuture.solve(problem)
        let best = exhaustive(problem)
        #expect(problem.cost(of: choices) == best)
        #expect(problem.lowerBound <= best)
        #expect(choices.count { $0 >= 0 } == problem.count)
        for worker in 0..<problem.workers { #expect(choices.count { $0 == worker } <= problem.slots[worker]) }
        for request in choices.indices where problem.mustGo[request] { #expect(choices[request] >= 0) }
    }

    @Test("is searched to within 2% of a worker's load on large instances, by the bound that needs no search", arguments: UInt64(0)..<12)
    func gap(seed: UInt64) {
        var random = stream(seed)
        let (rounds, weights) = BalanceProblem.horizonPoints(seed.isMultiple(of: 2) ? 0 : 40, decay: 0.86)
        let base = (0..<16).map { _ in
            let load = Int64(20_000 + random.below(8_000))
            return rounds.map { load - $0 * Int64(random.below(100)) }
        }
        let problem = BalanceProblem(
            base: base, rounds: rounds, weights: weights, slots: (0..<16).map { _ in 1 + random.below(5) },
            sizes: (0..<128).map { _ in Int64(10 + random.below(6_000)) }, mustGo: Array(repeating: false, count: 128))
        let search = BalanceSearch(problem)
        let gap = problem.cost(of: search.choices) - problem.lowerBound
        #expect(gap >= 0)
        #expect(Double(gap) / BalanceProblem.weightScale / 16 < 0.02 * 28_000)
    }

    @Test("looks at rounds 0, 1, 3, 7 and so on, with weights that sum to those of all rounds", arguments: [0, 1, 2, 3, 40, 2000])
    func points(horizon: Int) {
        let (rounds, weights) = BalanceProblem.horizonPoints(horizon, decay: 1)
        #expect(rounds == (0..<WorkerView.endingClasses).map { Int64(1) << Int64($0) - 1 }.filter { $0 <= horizon })
        let ends = rounds.dropFirst() + [Int64(horizon + 1)]
        for (place, end) in ends.enumerated() {
            let share = Double(end - rounds[place]) / Double(horizon + 1)
            #expect(abs(Double(weights[place]) - max(1, share * BalanceProblem.weightScale)) <= 1)
        }
    }
}

/// What every policy that decides on several requests must do.
@Suite("Every batch routing policy")
struct BatchConformanceTests {
    static let names = RoutingRegistry.descriptions.map(\.name).filter { RoutingRegistry.isBatched(PolicyChoice($0)) }

    @Test("sends as many requests as there is room for, and no worker more than it has room for", arguments: names)
    func fills(name: String) throws {
        var random = stream(21)
        var policy = try #require(try router(name) as? any BatchRoutingPolicy)
        for _ in 0..<60 {
            let workers = randomWorkers(1 + random.below(12), &random)
            var slots = workers.map { _ in random.below(12) }
            slots[random.below(slots.count)] = 1 + random.below(3)
            let waiting = (0..<(1 + random.below(50))).map { id in
                var view = randomRequest(Int64(id), &random)
                view.now = Instant(random.below(100)) * 1_000_000_000
                return view
            }
            let choices = policy.assign(waiting, to: workers, slots: slots)
            #expect(choices.count == waiting.count)
            #expect(choices.count { $0 >= 0 } == min(waiting.count, slots.reduce(0, +)))
            for worker in workers.indices { #expect(choices.count { $0 == worker } <= slots[worker]) }
        }
    }

    @Test("sends what has waited longer than the age limit before anything else", arguments: names)
    func ages(name: String) throws {
        var random = stream(22)
        var policy = try #require(try router(name, ["age-limit": 10]) as? any BatchRoutingPolicy)
        for _ in 0..<60 {
            let workers = randomWorkers(4, &random)
            let slots = (0..<4).map { _ in 1 + random.below(4) }
            let waiting = (0..<30).map { id in
                var view = randomRequest(Int64(id), &random)
                view.now = 20_000_000_000
                view.arrival = random.below(4) == 0 ? 0 : 19_000_000_000
                return view
            }
            let late = waiting.indices.filter { waiting[$0].arrival == 0 }
            let choices = policy.assign(waiting, to: workers, slots: slots)
            let sent = late.count { choices[$0] >= 0 }
            #expect(sent == min(late.count, slots.reduce(0, +)))
        }
    }

    @Test("with one slot each picks what fits under the largest load, and keeps loads even over many decisions", arguments: names)
    func evens(name: String) throws {
        var random = stream(23)
        var policy = try #require(try router(name) as? any BatchRoutingPolicy)
        var workers = idleWorkers(8)
        for index in workers.indices { workers[index].contextTokens = Int64(10_000 + random.below(5_000)) }
        var pool = (0..<32).map { randomRequest(Int64($0), &random) }
        for step in 0..<40 {
            let choices = policy.assign(pool, to: workers, slots: Array(repeating: 1, count: 8))
            for (place, worker) in choices.enumerated() where worker >= 0 { workers[worker].contextTokens += Int64(pool[place].promptTokens) }
            pool = zip(pool, choices).filter { $0.1 < 0 }.map(\.0) + (0..<8).map { randomRequest(Int64(1000 + 8 * step + $0), &random) }
        }
        let loads = workers.map(\.contextTokens)
        let most = loads.max() ?? 0
        // Prompts are up to 8,000 tokens: sent blindly, 40 of them leave each load some 8,000 x sqrt(40 / 12) = 14,600 off the mean.
        #expect(most - (loads.min() ?? 0) < (name == "bf-io" ? 1_000 : 10_000), "\(loads)")
    }
}
