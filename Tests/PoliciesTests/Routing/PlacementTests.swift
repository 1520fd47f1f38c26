import Policies
import Quantities
import Testing

/// Workers of these prompt rates, all idle.
private func workers(rates: [Int64], first: Int = 0) -> [WorkerView] {
    rates.enumerated().map { place, rate in
        WorkerView(totalBlocks: 1_000, blockSize: 16, traits: WorkerTraits(node: Int32(first + place), prefillRate: rate))
    }
}

private func session(_ number: Int64) -> RequestView {
    var view = RequestView(id: number, promptTokens: 100, priority: 0)
    view.session = number
    return view
}

@Suite("Routing by weights and sessions")
struct WeightAndSessionTests {
    private let request = RequestView(id: 0, promptTokens: 100, priority: 0)

    @Test(
        "weighted gives each worker exactly its weight in every period",
        arguments: [[1, 1, 1], [5, 1, 1], [7, 3], [1], [9, 8, 7, 6, 5], [40, 1, 20]])
    func exactShares(weights: [Int64]) throws {
        var policy = try router("weighted")
        let group = workers(rates: weights)
        for _ in 0..<3 {
            var counts = weights.map { _ in Int64(0) }
            for _ in 0..<weights.reduce(0, +) { counts[policy.choose(for: request, among: group)] += 1 }
            #expect(counts == weights)
        }
    }

    @Test("weighted spreads a worker's turns: nginx's example of 5, 1, 1")
    func smooth() throws {
        var policy = try router("weighted")
        let group = workers(rates: [5, 1, 1])
        let turns = (0..<7).map { _ in policy.choose(for: request, among: group) }
        #expect(turns == [0, 0, 1, 0, 2, 0, 0])
    }

    @Test("a worker that joins takes its share of sessions from all others, and no session moves between two old ones", arguments: [2, 5, 16])
    func joining(count: Int) throws {
        var policy = try router("consistent-hash", ["load": 0])
        let before = workers(rates: Array(repeating: 1, count: count))
        let after = workers(rates: Array(repeating: 1, count: count + 1))
        let sessions: Int64 = 20_000
        let old = (0..<sessions).map { policy.choose(for: session($0), among: before) }
        let new = (0..<sessions).map { policy.choose(for: session($0), among: after) }
        let moved = zip(old, new).filter { $0.0 != $0.1 }
        #expect(moved.allSatisfy { $0.1 == count })
        // A share of 1 / (count + 1), whose standard deviation with 160 places a worker is about 1 / sqrt(160) of it; five of these.
        let share = Double(moved.count) / Double(sessions) * Double(count + 1)
        #expect(abs(share - 1) < 5 / 160.0.squareRoot())
    }

    @Test("a worker that leaves moves its own sessions only", arguments: [0, 3])
    func leaving(gone: Int) throws {
        var policy = try router("consistent-hash", ["load": 0])
        let before = workers(rates: Array(repeating: 1, count: 6))
        var after = before
        after.remove(at: gone)
        for number in 0..<Int64(5_000) {
            let old = before[policy.choose(for: session(number), among: before)].traits.node
            if old != Int32(gone) {
                var twin = policy
                let new = twin.choose(for: session(number), among: after)
                #expect(after[new].traits.node == old)
            }
        }
    }

    @Test("bounded loads keep every worker within the bound, even when all requests are of one session", arguments: [1, 1.25, 2])
    func boundedLoads(bound: Double) throws {
        var policy = try router("consistent-hash", ["load": bound])
        var group = workers(rates: Array(repeating: 1, count: 7))
        for number in 1...700 {
            let choice = policy.choose(for: session(42), among: group)
            group[choice].unseenRequests += 1
            let limit = (bound * Double(number) / 7).rounded(.up)
            #expect(Double(group[choice].unseenRequests) <= limit)
        }
    }

    @Test("sessions stay with their worker, until queues are too uneven; then they move for good")
    func affinity() throws {
        var policy = try router("session-affinity", ["gap": 4, "ratio": 1])
        var group = workers(rates: [1, 1, 1])
        let home = policy.choose(for: session(1), among: group)
        group[home].runningRequests = 4
        #expect(policy.choose(for: session(1), among: group) == home)
        #expect(policy.choose(for: session(2), among: group) != home)
        group[home].runningRequests = 5
        let other = policy.choose(for: session(1), among: group)
        #expect(other != home)
        group[home].runningRequests = 0
        #expect(policy.choose(for: session(1), among: group) == other)
    }

    @Test("sessions seen last are remembered when there are more than can be")
    func memory() throws {
        var policy = try router("session-affinity", ["sessions": 10])
        var group = workers(rates: [1, 1])
        var homes: [Int64: Int] = [:]
        for number in Int64(0)..<100 {
            homes[number] = policy.choose(for: session(number), among: group)
            group[homes[number] ?? 0].runningRequests += 1
        }
        group[0].runningRequests = 0
        group[1].runningRequests = 20
        for number in Int64(90)..<100 { #expect(policy.choose(for: session(number), among: group) == homes[number]) }
    }
}

@Suite("Routing by expected work and prices")
struct WorkTests {
    private func request(_ output: Int32, prompt: Int32 = 1000, at now: Instant = 0) -> RequestView {
        var view = RequestView(id: 0, promptTokens: prompt, priority: 0, prediction: Prediction(exactly: output))
        view.now = now
        return view
    }

    @Test("least-work weighs prompts and predicted outputs by the workers' rates")
    func leastWork() throws {
        var policy = try router("least-work")
        var group = workers(rates: [10_000, 1_000])
        // 0.1 s + 0.1 s against 1 s + 0.1 s; then the first has 2 s of outputs before it.
        #expect(policy.choose(for: request(160), among: group) == 0)
        group[0].predictedTokens = 3_200
        #expect(policy.choose(for: request(160), among: group) == 1)
        group[1].unseenPredicted = 3_200
        #expect(policy.choose(for: request(160), among: group) == 0)
    }

    @Test("dual prices rise with what a worker takes, fall with time, and send work to the faster worker in proportion")
    func prices() throws {
        var policy = try router("online-lp", ["step": 1])
        let group = workers(rates: [30_000, 10_000]).map { view in
            var view = view
            view.traits.decodes = false
            return view
        }
        // Offered: 40 prompts of 1,000 tokens a second, what both can do together. Backlogs stay even, so each gets what it can do.
        var counts = [0, 0]
        for number in 0..<4_000 { counts[policy.choose(for: request(1, at: Instant(number) * 25_000_000), among: group)] += 1 }
        #expect(abs(counts[0] - 3_000) < 30, "\(counts)")
    }

    @Test("with a reward, dual prices refuse what exceeds the rate, and nothing below it")
    func refusals() throws {
        for (gap, share) in [(Instant(200_000_000), 0.0), (50_000_000, 0.5)] {
            var policy = try router("online-lp", ["step": 1, "reward": 1])
            var group = workers(rates: [10_000])
            group[0].traits.decodes = false
            var refused = 0
            for number in 0..<4_000 {
                // 0.1 s of the worker.
                let view = request(1, at: Instant(number) * gap)
                if policy.refuses(view, among: group) { refused += 1 } else { _ = policy.choose(for: view, among: group) }
            }
            // The backlog that a price of reward / seconds stands for is taken once: 10 s, 100 requests.
            #expect(abs(Double(refused) / 4_000 - share) < 0.03, "\(refused)")
        }
    }
}

@Suite("Admission")
struct AdmissionTests {
    private func policy(_ name: String, _ parameters: [String: Double] = [:], ttft: Nanoseconds? = nil) throws -> any AdmissionPolicy {
        try #require(AdmissionRegistry.make(PolicyChoice(name, parameters: parameters), firstTokenBound: ttft))
    }

    private func request(_ prompt: Int32, output: Int32 = 100, priority: Int32 = 0) -> RequestView {
        RequestView(id: 0, promptTokens: prompt, priority: priority, prediction: Prediction(exactly: output))
    }

    @Test("none takes everything, queue-limit what fits into bounded queues, wherever requests wait")
    func queueLimit() throws {
        var all = try policy("none")
        var limit = try policy("queue-limit", ["requests": 5])
        var group = workers(rates: [1, 1])
        for (waiting, unseen, held, admits) in [(4, 5, 0, true), (4, 5, 1, false), (0, 0, 10, false), (10, 0, 0, false), (0, 0, 9, true)] {
            group[0].waitingRequests = Int64(waiting)
            group[0].runningRequests = 100
            group[1].unseenRequests = Int64(unseen)
            let cluster = ClusterView(now: 0, entry: group, heldRequests: Int64(held))
            let (bounded, unbounded) = (limit.admits(request(10), to: cluster), all.admits(request(10), to: cluster))
            #expect(bounded == admits)
            #expect(unbounded)
        }
    }

    @Test("slo-early-reject refuses exactly those whose expected first token is late")
    func earlyReject() throws {
        var early = try policy("slo-early-reject", ttft: 1_000_000_000)
        var group = workers(rates: [10_000, 20_000])
        group[0].waitingTokens = 4_000
        group[1].waitingTokens = 12_000
        // 10,000 tokens a second and 4,000 before it: 6,000 fit; 20,000 and 12,000: 8,000 fit.
        let case1 = early.admits(request(8_000), to: ClusterView(now: 0, entry: group))
        #expect(case1)
        let case2 = early.admits(request(8_001), to: ClusterView(now: 0, entry: group))
        #expect(!case2)
        // What the controller holds comes before it: 3,000 tokens over 30,000 a second are 0.1 s.
        let case3 = early.admits(request(6_000), to: ClusterView(now: 0, entry: group, heldRequests: 1, heldTokens: 3_000))
        #expect(case3)
        let case4 = early.admits(request(6_001), to: ClusterView(now: 0, entry: group, heldRequests: 1, heldTokens: 3_000))
        #expect(!case4)
        var decode = workers(rates: [1], first: 2)
        decode[0].usedBlocks = 1_000
        let case5 = early.admits(request(1), to: ClusterView(now: 0, entry: group, decode: decode))
        #expect(!case5)
    }

    /// With the same requests one after the other at one worker of 16,000 tokens, each of f = 1%: taken while mu^l - 1 <= 100, so up to l = log 101 / log mu.
    @Test("bid-price takes requests up to the load at which a full cache's price says so, small ones and urgent ones longer")
    func bidPrice() throws {
        var bid = try policy("bid-price", ["mu": 1000])
        var group = workers(rates: [1])
        func taken(_ view: RequestView) -> Int {
            group[0].contextTokens = 0
            group[0].predictedTokens = 0
            var count = 0
            while count < 2000, bid.admits(view, to: ClusterView(now: 0, entry: group)) {
                count += 1
                group[0].contextTokens += Int64(view.promptTokens)
                group[0].predictedTokens += Int64(view.prediction.expected)
            }
            return count
        }
        #expect(taken(request(60, output: 100)) == 67)
        #expect(taken(request(600, output: 1000)) < 7)
        #expect(taken(request(60, output: 100, priority: 9)) < 40)
        #expect(taken(request(12, output: 20)) * 32 < 16_000)
    }
}
