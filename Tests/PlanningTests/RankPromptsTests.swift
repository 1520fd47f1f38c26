import Cluster
import Models
import Policies
import Quantities
import TestKit
import Testing
import Workload

@testable import Planning

/// Prompts of a rank, iteration by iteration, with the same arrivals at the same moments: no probability is worked out.
private struct SimulatedPrompts {
    var chunkMean = 0.0
    var none = 0.0
    var timeMean = 0.0
    var ninth = 0.0

    init(prompts: [Int], perIteration: Double, capacity: Int, iterations: Int, seed: UInt64) {
        var random = RandomStream(seed: seed, stream: 1)
        var queue: [(came: Double, left: Int)] = []
        var next = -naturalLog(1 - random.unit()) / perIteration
        var times: [Double] = []
        var idle = 0
        var done = 0
        for iteration in 0..<iterations {
            let start = Double(iteration)
            while next < start {
                queue.append((next, prompts[random.below(prompts.count)]))
                next += -naturalLog(1 - random.unit()) / perIteration
            }
            if queue.isEmpty { idle += 1 }
            var room = capacity
            while room > 0, !queue.isEmpty {
                let tokens = min(room, queue[0].left)
                queue[0].left -= tokens
                room -= tokens
                done += tokens
                if queue[0].left == 0 { times.append(start + 1 - queue.removeFirst().came) }
            }
        }
        chunkMean = Double(done) / Double(iterations)
        none = Double(idle) / Double(iterations)
        timeMean = times.reduce(0, +) / Double(max(1, times.count))
        times.sort()
        ninth = times.isEmpty ? 0 : times[times.count * 9 / 10]
    }
}

extension PromptQueue {
    /// Times to the first token where every iteration takes 1.
    fileprivate var even: [(time: Double, probability: Double)] { times(mean: 1) { _, _ in [(1, 1)] } }
}

private func mean(_ times: [(time: Double, probability: Double)]) -> Double {
    times.reduce(0) { $0 + $1.time * $1.probability } / times.reduce(0) { $0 + $1.probability }
}

@Suite("Prompts in pieces, beside what decodes")
struct RankPromptsTests {
    /// As many full pieces come as are computed: an iteration has one with the probability of the load, whatever waits.
    @Test("has a piece in as many iterations as prompts come, where each is one full piece", arguments: [0.1, 0.5, 0.8])
    func full(load: Double) {
        let queue = PromptQueue(prompts: [100], perIteration: load, capacity: 100, depth: 60)
        #expect(abs(queue.anyChunks[0] - (1 - load)) < 1e-4 && abs(queue.anyChunks[queue.cells] - load) < 1e-4)
    }

    @Test("takes half an iteration and those of its own pieces where nothing else waits, and never less")
    func unloaded() {
        for (prompt, pieces) in [(64, 1), (100, 1), (250, 3), (1_000, 10)] {
            func times(_ rate: Double) -> Double { mean(PromptQueue(prompts: [prompt], perIteration: rate, capacity: 100, depth: 64).even) }
            let least = times(1e-9)
            #expect(abs(least - (0.5 + Double(pieces))) < 1e-6, "\(prompt)")
            var last = least
            for load in [0.1, 0.3, 0.5, 0.7, 0.8] {
                let time = times(load * 100 / Double(prompt))
                #expect(time > last, "\(prompt) \(load)")
                last = time
            }
        }
        #expect(!PromptQueue(prompts: [100], perIteration: 1, capacity: 100, depth: 8).isStable)
    }

    @Test("is as simulated, iteration by iteration", arguments: UInt64(0)..<6)
    func simulated(number: UInt64) {
        var random = RandomStream(seed: number, stream: 3)
        let prompts = (0..<8).map { _ in 20 + random.below(600) }.sorted()
        let capacity = 60 + random.below(400)
        let tokens = Double(prompts.reduce(0, +)) / 8
        let load = 0.2 + 0.1 * Double(number)
        let rate = load * Double(capacity) / tokens
        let queue = PromptQueue(prompts: prompts, perIteration: rate, capacity: capacity, depth: 60)
        let run = SimulatedPrompts(prompts: prompts, perIteration: rate, capacity: capacity, iterations: 30_000, seed: number)
        let chunk = queue.anyChunks.enumerated().reduce(0) { $0 + Double($1.offset) * $1.element } * queue.cell
        #expect(abs(chunk / run.chunkMean - 1) < 0.03, "\(chunk) \(run.chunkMean)")
        #expect(abs(queue.anyChunks[0] - run.none) < 0.03, "\(queue.anyChunks[0]) \(run.none)")
        let times = queue.even
        #expect(abs(mean(times) / run.timeMean - 1) < 0.05, "\(mean(times)) \(run.timeMean)")
        let within = times.reduce(0) { $0 + ($1.time <= run.ninth ? $1.probability : 0) }
        #expect(abs(within - 0.9) < 0.03, "\(within)")
    }

    @Test("has more in an iteration that comes after a longer one, and as much as comes in all of them")
    func lengths() {
        let queue = PromptQueue(prompts: [100], perIteration: 0.4, capacity: 200, depth: 60, lengths: [(1, 0.75), (5, 0.25)])
        func chunk(_ chunks: [Double]) -> Double { chunks.enumerated().reduce(0) { $0 + Double($1.offset) * $1.element } * queue.cell }
        #expect(chunk(queue.chunks[0].cells) < chunk(queue.chunks[1].cells))
        #expect(abs(chunk(queue.anyChunks) - 40) < 0.1)
    }

    /// Every combination of three ranks' pieces and of the micro-batches that they are in.
    @Test("finds the largest piece and the sum of all that trying every combination finds", arguments: [1, 2, 3])
    func exhaustive(parts: Int) {
        let (tokens, shares, ranks) = ([0.0, 30, 100], [0.5, 0.3, 0.2], 3)
        let levels = PieceLevels(tokens: tokens, probabilities: shares, ranks: ranks, microBatches: parts)
        // Of the first micro-batch.
        var (largest, sums) = ([0.0, 0, 0], [0.0, 0, 0])
        for number in 0..<(3 * parts * 3 * parts * 3 * parts) {
            var (left, probability, most, sum) = (number, 1.0, 0, 0.0)
            for _ in 0..<ranks {
                let (level, part) = (left % 3, left / 3 % parts)
                left /= 3 * parts
                probability *= shares[level] / Double(parts)
                if part == 0 { (most, sum) = (max(most, level), sum + tokens[level]) }
            }
            largest[most] += probability
            sums[most] += probability * sum
        }
        for level in 0..<3 {
            #expect(abs(levels.largest(of: ranks)[level] - largest[level]) < 1e-12)
            #expect(abs(levels.total(level) - sums[level] / largest[level]) < 1e-9)
        }
        let all = levels.combinations()
        #expect(abs(all.reduce(0) { $0 + $1.probability } - 1) < 1e-12)
        #expect(levels.combinations(given: 2).allSatisfy { $0.levels[0] == 2 })
        // One rank has no other to wait for.
        let one = PieceLevels(tokens: tokens, probabilities: shares, ranks: 1, microBatches: 1)
        for (place, combination) in one.combinations().enumerated() { #expect(abs(combination.probability - shares[place]) < 1e-12) }
        #expect((0..<3).allSatisfy { abs(one.total($0) - tokens[$0]) < 1e-9 })
    }

    @Test("waits for the rank that has most, and for none where all are alike")
    func barrier() {
        let path = AllToAllModel.Path(latency: 300, bandwidth: 1_000_000_000)
        let phase = AllToAllModel.Phase(scaleUp: path, scaleOut: path)
        func own(_ attention: Nanoseconds, _ bytes: ByteCount) -> RankPipeline.Own {
            .init(
                attention: attention, shared: 0, dense: 0, head: 10, dispatched: .init(near: bytes, far: nil), combined: .init(near: bytes, far: nil))
        }
        let routed = RankPipeline.Routed(experts: 700, dispatched: .init(near: 400, far: nil), combined: .init(near: 400, far: nil))
        func total(_ ranks: [[RankPipeline.Own]]) -> Nanoseconds {
            RankPipeline(ranks: ranks, routed: Array(repeating: routed, count: ranks[0].count), dispatch: phase, combine: phase, layers: 6).total
        }
        let (light, heavy) = (own(200, 100), own(900, 800))
        #expect(total([[light]]) == total([[light], [light], [light]]))
        #expect(total([[heavy], [light]]) == total([[heavy]]) && total([[heavy]]) > total([[light]]))
        // Each micro-batch waits for another rank: more than for one of them, less than for a rank that has both.
        let apart = total([[heavy, light], [light, heavy]])
        #expect(apart > total([[heavy, light]]) && apart < total([[heavy, heavy]]))
    }

    private func ranks(_ count: Int, routing: String = "random") throws -> ClusterPlan {
        var model = try #require(ModelCatalog.named("deepseek-v3"))
        model.layers = 5
        let device = try #require(DeviceCatalog.named("h800"))
        let mixture = MixturePlan(
            gate: GatePlan(popularity: .logNormal(sigma: 0.3)), balance: BalancePlan(policy: PolicyChoice("eplb")), granularity: .iteration,
            fabric: .deepEPH800)
        var plan = ClusterPlan(
            name: "ranks", pools: [PoolPlan(name: "rank", role: .ep, count: count, model: model, device: device, mixture: mixture)],
            workload: WorkloadPlan(arrivals: .poisson(rate: 100), promptTokens: .fixed(700), outputTokens: .fixed(60), requestLimit: 1_000),
            objective: ServiceObjective(ttft: 200_000_000, tbt: 20_000_000))
        plan.controller.routing = PolicyChoice(routing)
        plan.records = RecordPlan(iterations: true)
        return plan
    }

    @Test("decodes as ranks without prompts where hardly any come")
    func few() throws {
        let plan = try ranks(8)
        let shape = ExpertParallelShape(ranks: 8, slots: 32, microBatches: 2, chunk: 256)
        let model = try #require(RankModel(plan: plan, demand: Demand(rate: nil, prompt: 16, output: 100_000_000)))
        var demand = Demand(rate: nil, prompt: 0, output: 1)
        demand.decodeContext = model.demand.decodeContext
        let part = demand.part(of: 32, microBatches: 2, promptsPerToken: 0)
        let even = model.iterationTime(shape, kinds: [[part, part]], tokens: [16 * 8, 16 * 8])
        #expect(abs(model.iterationTime(shape, batch: 32) - even) <= even / 100_000)
    }

    @Test("gives an iteration room for its batch and a piece, and a rank places for more requests than the mean")
    func room() throws {
        let model = try #require(RankModel(plan: ranks(8), demand: Demand(rate: nil, prompt: 700, output: 60)))
        let shape = ExpertParallelShape(ranks: 8, slots: 33, microBatches: 2, chunk: 256)
        let engine = model.plan(shape, batch: 16).pools[0].engine
        #expect(engine.tokenBudget == 272 && engine.maxBatch >= 16 + 3 * 4 && engine.maxBatch <= 32)
        // More would bring more tokens of prompts than pieces can take: 700 for every 59 that are decoded.
        #expect(model.batchLimit(shape) == Int(256 * 59 / 700.0))
    }

    @Test("takes more time to the first token and between tokens with each request, and no less than alone")
    func loaded() throws {
        let model = try #require(RankModel(plan: ranks(8), demand: Demand(rate: nil, prompt: 700, output: 60)))
        let shape = ExpertParallelShape(ranks: 8, slots: 32, chunk: 256)
        var (tbt, ttft) = (0.0, 0.0)
        for batch in [1.0, 4, 8, 12, 16] {
            let mixed = model.mixed(shape, batch: batch, chunk: 256, isTimed: true)
            #expect(mixed.mean > tbt && mixed.meanTime > ttft, "\(batch)")
            (tbt, ttft) = (mixed.mean, mixed.meanTime)
            // Three pieces, two of them full.
            let full = model.iterationTime(
                shape, batch: batch, pieces: [.init(tokens: 256, attended: model.demand.pairsPerToken)], totals: [256])
            #expect(ttft > 2 * seconds(full))
        }
        #expect(!model.isInTime(shape, batch: 22, tbt: 1_000_000_000))
    }

    /// Rates from light to near what the ranks can do.
    @Test("plans the times of runs: within 5% between tokens, within 15% to the first", arguments: [110.0, 140.0], [(1, 192), (2, 512)])
    func run(rate: Double, engine: (parts: Int, budget: Int)) throws {
        var plan = try ranks(8)
        plan.workload.arrivals = .poisson(rate: rate)
        plan.pools[0].mixture?.microBatches = engine.parts
        plan.pools[0].engine.tokenBudget = engine.budget
        let model = try #require(RankModel(plan: plan, demand: Demand(rate: rate, prompt: 700, output: 60)))
        let planned = try #require(model.present(rate: rate))
        let run = runInProcess(plan)
        #expect(run.imbalances.isEmpty)
        var (first, between, count) = (0.0, 0.0, 0.0)
        for row in run.records.requests.split(separator: "\n") {
            let fields = row.split(separator: ",", omittingEmptySubsequences: false)
            guard fields.count > 8, let came = Double(fields[1]), let token = Double(fields[7]), let end = Double(fields[8]) else { continue }
            first += token - came
            between += (end - token) / 59
            count += 1
        }
        try #require(count == 1_000)
        #expect(abs(seconds(planned.tbt) / (between / count) - 1) < 0.05, "\(seconds(planned.tbt)) \(between / count)")
        #expect(abs(seconds(planned.meanTTFT) / (first / count) - 1) < 0.15, "\(seconds(planned.meanTTFT)) \(first / count)")
    }
}
