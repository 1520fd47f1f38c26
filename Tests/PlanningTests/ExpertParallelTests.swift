import Cluster
import Models
import Policies
import Quantities
import TestKit
import Testing
import Workload

@testable import Planning

/// Ranks whose times are the largest of straight lines, in whole numbers.
private struct StraightRanks: ExpertParallelModel {
    var attention: Int64 = 100
    var attentionFixed: Int64 = 500
    var expert: Int64 = 300
    var weights: Int64 = 200
    var way: Int64 = 2_000
    var perToken: Int64 = 10
    var held = 60
    var prices = [1.0, 1.0, 1.0]

    func batchLimit(_ shape: ExpertParallelShape) -> Int { max(0, held - 3 * shape.slots) }

    func iterationTime(_ shape: ExpertParallelShape, batch: Int) -> Nanoseconds {
        let (parts, tokens) = (Int64(shape.microBatches), Int64((batch + shape.microBatches - 1) / shape.microBatches))
        // More slots than needed take load from the heaviest rank, and have more weights.
        let spare = Int64(shape.slots * shape.ranks - 8)
        let busy = attention * tokens + attentionFixed + expert * tokens * 8 / (4 + min(4, spare)) + weights * Int64(shape.slots)
        return 10 * max(parts * busy, busy + 2 * (way + perToken * tokens)) + 1_000
    }

    func cost(_ shape: ExpertParallelShape) -> Double { Double(shape.ranks) * prices[shape.ranks % 3] }
}

/// DeepSeek-V3 of few layers on ranks.
private func ranks(_ policy: String, gate: GatePlan, fabric: AllToAllModel? = nil) throws -> ClusterPlan {
    var model = try #require(ModelCatalog.named("deepseek-v3"))
    model.layers = 7
    let device = try #require(DeviceCatalog.named("h800"))
    let mixture = MixturePlan(gate: gate, balance: BalancePlan(policy: PolicyChoice(policy)), granularity: .iteration, fabric: fabric)
    return ClusterPlan(
        name: "ranks", pools: [PoolPlan(name: "rank", role: .ep, count: 16, model: model, device: device, mixture: mixture)],
        workload: WorkloadPlan(arrivals: .poisson(rate: 20), promptTokens: .fixed(400), outputTokens: .fixed(200), requestLimit: 100),
        objective: ServiceObjective(ttft: nil, tbt: 20_000_000))
}

@Suite("The search of ranks that share experts")
struct ExpertParallelTests {
    @Test("finds what trying every shape and every batch finds", arguments: UInt64(0)..<60)
    func exhaustive(number: UInt64) {
        var random = RandomStream(seed: number, stream: 7)
        var model = StraightRanks()
        model.attention = Int64(20 + random.below(300))
        model.attentionFixed = Int64(random.below(2_000))
        // A multiple of what is divided by, so that lines are straight to the last digit.
        model.expert = Int64(105 * (1 + random.below(4)))
        model.weights = Int64(random.below(600))
        model.way = Int64(random.below(6_000))
        model.perToken = Int64(random.below(200))
        model.held = 1 + random.below(60)
        model.prices = (0..<3).map { _ in Double(1 + random.below(4)) }
        let tbt = Nanoseconds(20_000 + random.below(600_000))
        var shapes: [ExpertParallelShape] = []
        var most = 0.0
        for ranks in 1...8 {
            for slots in (8 + ranks - 1) / ranks...8 {
                for parts in 1...4 {
                    let shape = ExpertParallelShape(ranks: ranks, slots: slots, microBatches: parts)
                    shapes.append(shape)
                    for batch in stride(from: parts, through: model.batchLimit(shape), by: 1) {
                        let time = model.iterationTime(shape, batch: batch)
                        if time <= tbt { most = max(most, Double(batch * ranks) / seconds(time) / model.cost(shape)) }
                    }
                }
            }
        }
        let search = ExpertParallelSearch(model: model, shapes: shapes)
        let best = search.best(tbt: tbt)
        #expect(abs((best.map(search.value) ?? 0) - most) <= 1e-12 * most, "\(model) \(tbt)")
        if let best { #expect(best.iteration <= tbt && best.batch <= model.batchLimit(best.shape)) }
    }

    /// With nothing on the way and one micro-batch the parts of a layer follow each other; with many micro-batches the device is never idle.
    @Test("takes the sum of all parts where nothing overlaps, and computing alone where everything does")
    func pipeline() {
        let path = AllToAllModel.Path(latency: 300, bandwidth: 1_000_000_000)
        let phase = AllToAllModel.Phase(scaleUp: path, scaleOut: path)
        let (some, more) = (RankPipeline.Bytes(near: 200, far: nil), RankPipeline.Bytes(near: 500, far: nil))
        func total(shared: Nanoseconds, microBatches: Int) -> Nanoseconds {
            let own = RankPipeline.Own(attention: 1_000, shared: shared, dense: 40, head: 60, dispatched: some, combined: some)
            let routed = RankPipeline.Routed(experts: 700, dispatched: more, combined: more)
            return RankPipeline(
                ranks: [Array(repeating: own, count: microBatches)], routed: Array(repeating: routed, count: microBatches), dispatch: phase,
                combine: phase, layers: 5
            ).total
        }
        // Either way the 500 bytes of the heaviest rank take 500 ns, and a byte 300 ns to get there. The shared experts are hidden behind that.
        #expect(total(shared: 100, microBatches: 1) == 5 * (1_000 + 800 + 700 + 800) + 40 + 60)
        #expect(total(shared: 900, microBatches: 1) == 5 * (1_000 + 900 + 700 + 800) + 40 + 60)
        // The last combine of the last layer alone is waited for: 800, and the heads of three parts are done meanwhile.
        #expect(total(shared: 900, microBatches: 4) == 5 * 4 * 2_600 + 4 * 40 + 800 + 60)
    }

    @Test("takes more time with each request", arguments: ["contiguous", "eplb", "lplb"], [nil, AllToAllModel.deepEPH800])
    func monotone(policy: String, fabric: AllToAllModel?) throws {
        let model = try #require(
            RankModel(
                plan: ranks(policy, gate: GatePlan(popularity: .logNormal(sigma: 0.7)), fabric: fabric),
                demand: Demand(rate: nil, prompt: 400, output: 200)))
        let shape = ExpertParallelShape(ranks: 16, slots: 18, microBatches: 2, chunk: 256)
        var last: Nanoseconds = 0
        for batch in stride(from: 2, through: 90, by: 8) {
            let time = model.iterationTime(shape, batch: batch)
            #expect(time >= last)
            last = time
        }
    }

    /// Runs the shape with every rank full and short prompts, so that iterations only decode.
    @Test(
        "estimates the iterations of a run: within 0.5% where experts are even, within 2% where they are drawn",
        arguments: ["contiguous", "eplb", "lplb"],
        [1, 2])
    func run(policy: String, parts: Int) throws {
        for (gate, limit) in [(GatePlan(selection: .expertChoice), 0.005), (GatePlan(popularity: .logNormal(sigma: 0.5)), 0.02)] {
            for fabric in [nil, AllToAllModel.deepEPH800] {
                var plan = try ranks(policy, gate: gate, fabric: fabric)
                // Two tokens of a rank and part for each expert: an even number, for ranks divide among copies what they have alone.
                let (batch, output) = (64 * parts, 6)
                plan.controller.routing = PolicyChoice("round-robin")
                plan.workload = WorkloadPlan(
                    arrivals: .closedLoop(concurrency: 16 * batch, think: 0), promptTokens: .fixed(1), outputTokens: .fixed(output),
                    requestLimit: 16 * batch)
                plan.records = RecordPlan(iterations: true)
                var demand = Demand(rate: nil, prompt: 1, output: output)
                // The iterations that are compared compute none.
                demand.meanPrompt = 0
                // Without pieces of prompts, ranks are all alike.
                plan.pools[0].engine.chunkedPrefill = false
                let model = try #require(RankModel(plan: plan, demand: demand))
                let shape = ExpertParallelShape(ranks: 16, slots: 18, microBatches: parts)
                var shaped = model.plan(shape)
                shaped.pools[0].engine.chunkedPrefill = true
                let run = runInProcess(shaped)
                #expect(run.imbalances.isEmpty)
                let times = run.records.iterations.compactMap { row -> Double? in
                    let fields = row.split(separator: ",", omittingEmptySubsequences: false)
                    guard fields[0] == "rank-0", fields[5] == "\(batch)", let start = Double(fields[2]), let end = Double(fields[3]) else {
                        return nil
                    }
                    return end - start
                }.sorted()
                try #require(times.count >= output / 2)
                let measured = times[times.count / 2]
                let predicted = seconds(model.iterationTime(shape, batch: batch))
                #expect(
                    abs(predicted / measured - 1) < limit, "\(policy) \(parts) \(fabric?.name ?? "links") \(gate.selection): \(predicted) \(measured)"
                )
            }
        }
    }

    @Test("chooses redundant experts where popularity is uneven, and only those that fill the last slots where the policy has no use for them")
    func redundant() throws {
        let demand = Demand(rate: nil, prompt: 400, output: 200)
        for policy in ["eplb", "contiguous"] {
            var plan = try ranks(policy, gate: GatePlan(popularity: .logNormal(sigma: 1)))
            // Without pieces of prompts, of which every shape would be tried with several lengths.
            plan.pools[0].engine.chunkedPrefill = false
            let result = try ClusterPlanner(plan: plan, demand: demand, deviceLimit: 32).run()
            let part = try #require(result.parts.first)
            let choice = try #require(part.choice)
            let slots = (256 + choice.redundantExperts) / choice.devices
            #expect((slots > (255 + choice.devices) / choice.devices) == (policy == "eplb"), "\(policy) \(choice)")
            #expect(try #require(choice.tbt) <= 20_000_000)
            #expect(choice.batch == choice.workerBatch * choice.devices)
            // Sooner tokens cost throughput.
            let times = part.frontier.compactMap(\.tbt)
            #expect(times == times.sorted() && part.frontier.map(\.value) == part.frontier.map(\.value).sorted())
            let planned = try #require(result.plan?.pools.first)
            #expect(planned.count == choice.devices && planned.mixture?.balance.redundantExperts == choice.redundantExperts)
            #expect(planned.engine.maxBatch == choice.workerBatch && planned.mixture?.microBatches == choice.microBatches)
        }
    }
}
