import Policies
import Quantities
import Testing

@Suite("Routing")
struct RoutingTests {
    private let request = RequestView(id: 0, promptTokens: 100, priority: 0)

    @Test("round-robin takes workers in turn, whatever their load", arguments: 1...9)
    func roundRobin(count: Int) throws {
        var random = stream(1)
        var policy = try router("round-robin")
        for turn in 0..<100 { #expect(policy.choose(for: request, among: randomWorkers(count, &random)) == turn % count) }
    }

    @Test("round-robin goes on when the number of workers changes")
    func roundRobinResized() throws {
        var policy = try router("round-robin")
        for _ in 0..<5 { _ = policy.choose(for: request, among: idleWorkers(8)) }
        let choice = policy.choose(for: request, among: idleWorkers(3))
        #expect((0..<3).contains(choice))
        #expect(policy.choose(for: request, among: idleWorkers(3)) == (choice + 1) % 3)
    }

    @Test("random takes each worker as often as any other (chi-squared at 0.1%)", arguments: [2, 7, 24])
    func uniform(count: Int) throws {
        var policy = try router("random", seed: 11)
        var counts = Array(repeating: 0, count: count)
        let draws = 20_000
        for _ in 0..<draws { counts[policy.choose(for: request, among: idleWorkers(count))] += 1 }
        let expected = Double(draws) / Double(count)
        let statistic = counts.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
        // Quantiles of the chi-squared distribution with 1, 6 and 23 degrees of freedom.
        let limits: [Int: Double] = [2: 10.83, 7: 22.46, 24: 49.73]
        let limit = limits[count] ?? 0
        #expect(statistic < limit)
    }

    @Test("join-shortest-queue takes the first of the shortest queues")
    func shortestQueue() throws {
        var random = stream(2)
        var policy = try router("join-shortest-queue")
        for _ in 0..<1000 {
            let workers = randomWorkers(1 + random.below(20), &random)
            let lengths = workers.map { $0.waitingRequests + $0.runningRequests + $0.unseenRequests }
            #expect(policy.choose(for: request, among: workers) == lengths.firstIndex(of: lengths.min() ?? 0))
        }
    }

    @Test("least-kv takes the first of the emptiest caches, prompts on their way counted in whole blocks")
    func leastKV() throws {
        var random = stream(3)
        var policy = try router("least-kv")
        for _ in 0..<1000 {
            let workers = randomWorkers(1 + random.below(20), &random)
            let shares = workers.map { view in
                let unseen = (Double(view.unseenTokens) / Double(view.blockSize)).rounded(.up)
                return (Double(view.usedBlocks) + unseen) / Double(view.totalBlocks)
            }
            #expect(policy.choose(for: request, among: workers) == shares.firstIndex(of: shares.min() ?? 0))
        }
    }

    @Test("least-kv bears counts that no product of two 64-bit numbers holds")
    func leastKVExtremes() throws {
        var policy = try router("least-kv")
        var full = WorkerView(totalBlocks: .max / 2, blockSize: 1)
        full.usedBlocks = .max / 4
        var empty = full
        empty.usedBlocks = 1
        #expect(policy.choose(for: request, among: [full, empty, full]) == 1)
    }

    /// Two of n workers are drawn, each pair as often as any other, so the worker of rank r (0: least loaded) is chosen with
    /// probability 2 (n - 1 - r) / (n (n - 1)): the most loaded one never.
    @Test("power-of-two takes the less loaded of two different draws (chi-squared at 0.1%)")
    func powerOfTwo() throws {
        let ranks = [3, 0, 5, 1, 4, 2]
        let workers = ranks.map { rank in
            var view = WorkerView(totalBlocks: 100, blockSize: 16)
            view.waitingRequests = Int64(rank)
            return view
        }
        var policy = try router("power-of-two", seed: 5)
        var counts = Array(repeating: 0, count: 6)
        let draws = 20_000
        for _ in 0..<draws { counts[ranks[policy.choose(for: request, among: workers)]] += 1 }
        #expect(counts[5] == 0)
        let statistic = (0..<5).reduce(0.0) { sum, rank in
            let expected = Double(draws) * 2 * Double(5 - rank) / 30
            return sum + (Double(counts[rank]) - expected) * (Double(counts[rank]) - expected) / expected
        }
        #expect(statistic < 18.47)
    }

    @Test("power-of-two draws as many workers as it is told: one is random, all is the shortest queue")
    func choices() throws {
        var random = stream(6)
        var one = try router("power-of-two", ["choices": 1], seed: 8)
        var all = try router("power-of-two", ["choices": 64], seed: 8)
        var twin = try router("random", seed: 8)
        for _ in 0..<500 {
            let workers = randomWorkers(1 + random.below(20), &random)
            #expect(one.choose(for: request, among: workers) == twin.choose(for: request, among: workers))
            let choice = all.choose(for: request, among: workers)
            #expect(workers[choice].queueLength == workers.map(\.queueLength).min())
        }
    }
}
