import Policies
import Quantities
import Testing

@Suite("The forecast of memory")
struct MemoryForecastTests {
    /// A request of the plain model: what it holds in each iteration from the next one on.
    private struct Life {
        var tokens: Int64
        var delay: Int64
        var rest: Int64

        /// Blocks in every iteration in which it is there.
        func blocks(_ size: Int64) -> [Int64] {
            (1...(delay + rest - 1)).map { (tokens + max(0, $0 - delay) + size - 1) / size }
        }
    }

    private static func fits(_ lives: [Life], blockSize: Int64, limit: Int64) -> Bool {
        let profiles = lives.map { $0.blocks(blockSize) }
        let last = profiles.map(\.count).max() ?? 0
        return (0..<last).allSatisfy { round in profiles.reduce(0) { $0 + ($1.count > round ? $1[round] : 0) } <= limit }
    }

    @Test("admits exactly those with whom memory suffices in every iteration to come, one by one", arguments: UInt64(0)..<60)
    func exhaustive(number: UInt64) {
        var random = stream(number)
        let blockSize = Int64([1, 3, 8][random.below(3)])
        var view = EngineView(
            now: 0, blockSize: blockSize, freeBlocks: 0, totalBlocks: 0, tokenBudget: 40, maxBatch: 100, cutsPrompts: random.below(3) > 0)
        var lives: [Life] = []
        for number in 0..<random.below(7) {
            let (prompt, generated, rest) = (Int32(1 + random.below(60)), Int32(random.below(20)), Int32(1 + random.below(40)))
            let tokens = prompt + generated
            // Some are in the midst of their prompts.
            let computed = generated == 0 ? Int32(random.below(Int(prompt))) : tokens - 1
            let blocks = view.blocks(for: generated == 0 ? tokens : computed)
            view.running.append(
                RunningRequest(
                    slot: Int32(number), id: Int64(number), priority: 0, arrival: 0, tokens: tokens, computed: computed, generated: generated,
                    blocks: Int32(blocks), prediction: Prediction(exactly: generated + rest), firstExpected: 1, isEvictable: true))
            let rounds = (Int64(tokens - computed) + 39) / 40
            lives.append(Life(tokens: Int64(tokens), delay: rounds + (view.cutsPrompts ? 0 : 1), rest: Int64(rest)))
        }
        let used = view.running.reduce(0) { $0 + Int64($1.blocks) }
        // What runs fits by itself: that is what admissions before have seen to.
        var limit = used + Int64(random.below(300)) / blockSize
        while !Self.fits(lives, blockSize: blockSize, limit: limit) { limit += 1 }
        let others = Int64(random.below(10))
        view.freeBlocks = limit - used
        view.totalBlocks = limit + others
        var forecast = MemoryForecast(basis: .expected)
        forecast.begin(view)
        var admissions = 0
        for id in 0..<20 {
            let (tokens, rest) = (Int32(1 + random.below(100)), Int32(1 + random.below(60)))
            let life = Life(tokens: Int64(tokens), delay: (Int64(tokens) + 39) / 40, rest: Int64(rest))
            let fits = Self.fits(lives + [life], blockSize: blockSize, limit: limit)
            let request = QueuedRequest(slot: 100, id: Int64(id), priority: 0, arrival: 0, tokens: tokens, prediction: Prediction(exactly: rest))
            #expect(forecast.admit(request) == fits)
            if fits {
                lives.append(life)
                admissions += 1
            }
        }
        if limit > used + 200 / blockSize { #expect(admissions > 0) }
    }
}

@Suite("Scheduling policies")
struct SchedulingTests {
    private func view(_ running: [RunningRequest] = [], free: Int64, total: Int64, places: Int = 100) -> EngineView {
        var view = EngineView(now: 0, blockSize: 1, freeBlocks: free, totalBlocks: total, tokenBudget: 10_000, maxBatch: places)
        view.running = running
        return view
    }

    @Test("order those that wait: by arrival, by predicted length, by bounds, by deadline, by urgency with age")
    func orders() throws {
        func request(_ id: Int64, _ arrival: Instant, tokens: Int32, _ lower: Int32, _ expected: Int32, _ upper: Int32, priority: Int32 = 0)
            -> QueuedRequest
        {
            QueuedRequest(
                slot: Int32(id), id: id, priority: priority, arrival: arrival, tokens: tokens,
                prediction: Prediction(expected: expected, lower: lower, upper: upper))
        }
        let second: Instant = 1_000_000_000
        let requests = [
            request(1, 0, tokens: 5_000, 10, 30, 40), request(2, second, tokens: 10, 20, 20, 90),
            request(3, 2 * second, tokens: 10, 5, 60, 60, priority: 0),
        ]
        let expected: [(String, [String: Double], [Int64])] = [
            ("fcfs", [:], [1, 2, 3]), ("fcfs-protected", [:], [1, 2, 3]), ("sjf", [:], [2, 1, 3]), ("srpt", [:], [2, 1, 3]),
            ("trail", [:], [2, 1, 3]),
            ("mc-sf", [:], [2, 1, 3]), ("mc-benchmark", [:], [1, 2, 3]), ("a-max", [:], [1, 3, 2]), ("a-min", [:], [3, 1, 2]),
            // 5.5 s for the long prompt, 1.51 and 2.51 s for the others.
            ("edf", [:], [2, 3, 1]), ("priority", [:], [1, 2, 3]),
        ]
        for (name, parameters, order) in expected {
            var policy = try scheduler(name, parameters)
            #expect(policy.decide(requests, view(free: 100_000, total: 100_000)).admitted == order, "\(name)")
        }
        var late = requests
        late[2].priority = -1
        var strict = try scheduler("priority")
        #expect(strict.decide(late, view(free: 100_000, total: 100_000)).admitted == [3, 1, 2])
        // A step of priority is worth 1.5 s: the last, which is 2 and 1 s younger, passes one of the others.
        var aging = try scheduler("priority", ["aging": 1.5])
        #expect(aging.decide(late, view(free: 100_000, total: 100_000)).admitted == [1, 3, 2])
    }

    @Test("fcfs-protected keeps its share of memory back, but not from one that is alone")
    func protection() throws {
        let requests = (0..<10).map { QueuedRequest(slot: Int32($0), id: Int64($0), priority: 0, arrival: Instant($0), tokens: 15) }
        var policy = try scheduler("fcfs-protected", ["protection": 0.25])
        #expect(policy.decide(requests, view(free: 100, total: 100)).admitted == [0, 1, 2, 3, 4])
        #expect(policy.decide(requests, view(free: 100, total: 120)).admitted == [0, 1, 2, 3])
        policy = try scheduler("fcfs-protected", ["protection": 0.9])
        #expect(policy.decide(requests, view(free: 100, total: 100)).admitted == [0])
    }

    @Test("sorted-f's batches have a total over squared number near the least of all sets that fit")
    func batches() throws {
        var (exact, worst) = (0, 1.0)
        for number in UInt64(0)..<40 {
            var random = stream(number + 500)
            let requests = (0..<10).map { id in
                QueuedRequest(
                    slot: Int32(id), id: Int64(id), priority: 0, arrival: Instant(id), tokens: Int32(1 + random.below(40)),
                    prediction: Prediction(exactly: Int32(1 + random.below(30))))
            }
            var policy = try scheduler("sorted-f")
            let order = policy.decide(requests, view(free: 100_000, total: 120)).admitted
            func value(_ set: [Int]) -> Double {
                let sum = set.reduce(0) { $0 + Int(requests[$1].remaining) }
                return Double(sum) / Double(set.count * set.count)
            }
            func fits(_ set: [Int]) -> Bool { set.reduce(0) { $0 + Int(requests[$1].tokens + requests[$1].remaining) } <= 120 }
            let sets = (1..<1024).map { bits in (0..<10).filter { bits & (1 << $0) != 0 } }
            let least = sets.filter(fits).map(value).min() ?? 0
            // The first batch is some prefix of the order.
            let found = (1...order.count).map { order.prefix($0).map(Int.init) }.filter(fits).map(value).min() ?? 0
            worst = max(worst, found / least)
            if found <= least * 1.000_001 { exact += 1 }
        }
        #expect(exact >= 30)
        #expect(worst < 1.15)
    }
}
