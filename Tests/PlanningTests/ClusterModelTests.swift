import Cluster
import Models
import Policies
import Quantities
import TestKit
import Testing
import Workload

@testable import Planning

/// Mixtral-8x22B on attention and expert nodes.
func mixtral(_ device: String = "h800", transfer: ExpertTransfer = .pointToPoint, gate: GatePlan = GatePlan()) throws -> ClusterPlan {
    let model = try #require(ModelCatalog.named("mixtral-8x22b"))
    let device = try #require(DeviceCatalog.named(device))
    let mixture = MixturePlan(gate: gate, microBatches: 3, dispatchFormat: .bf16, expertPool: "expert", transfer: transfer)
    return ClusterPlan(
        name: "mixtral",
        pools: [
            PoolPlan(name: "attention", role: .attention, count: 4, model: model, device: device, tensorParallel: 2, mixture: mixture),
            PoolPlan(name: "expert", role: .expert, count: 8, model: model, device: device),
        ],
        workload: WorkloadPlan(arrivals: .poisson(rate: 20), promptTokens: .fixed(400), outputTokens: .fixed(200), requestLimit: 100),
        objective: ServiceObjective(ttft: 2_000_000_000, tbt: 150_000_000))
}

@Suite("Attention and expert nodes at the cost model")
struct ClusterModelTests {
    @Test("never hold more caches than their memory, nor more weights", arguments: ["h800", "a100-80g", "h20"])
    func memory(device: String) throws {
        let plan = try mixtral(device)
        let demand = Demand(rate: nil, prompt: 4_000, output: 2_000)
        let model = try #require(ClusterModel(plan: plan, demand: demand))
        for tensor in [1, 2, 4] {
            for (nodes, slots) in [(1, 8), (2, 4), (4, 2), (8, 1)] {
                for parallel in [1, 2, 4, 8] {
                    let shape = DisaggregatedShape(
                        attentionNodes: 3, attentionParallel: tensor, expertNodes: nodes, expertParallel: parallel, slots: slots, microBatches: 2)
                    let planned = model.plan(shape)
                    let limit = model.batchLimit(shape)
                    // The weights of an expert node: 301,989,888 parameters of two bytes, in 56 layers.
                    let weights = Double(slots) * 56 * 301_989_888 * 2 / Double(parallel)
                    let device = planned.pools[1].device
                    let reserve = 3.5e9 + (parallel > 1 ? 0.4e9 : 0)
                    if weights + reserve > Double(device.memory) * 0.9 { #expect(limit == 0) }
                    guard limit > 0 else { continue }
                    let budget = planned.memory(of: planned.pools[0])
                    let taken = Int64(limit) * 6_000 * budget.cacheBytesPerToken
                    #expect(taken <= budget.cachePerWorker)
                    #expect(taken + 2 * 6_016 * budget.cacheBytesPerToken > budget.cachePerWorker)
                }
            }
        }
    }

    /// Step-3 (2507.19427): the peak is where both sides take equally long, and longer contexts move it to more attention nodes.
    @Test("give most tokens a device where both sides take equally long, with more attention nodes for longer contexts")
    func ratio() throws {
        var plan = try mixtral()
        // So that attention nodes only decode.
        plan.pools.append(PoolPlan(name: "prefill", role: .prefill, count: 1, model: plan.pools[0].model, device: plan.pools[0].device))
        var peaks: [Int] = []
        for prompt in [500, 2_000, 6_000] {
            let model = try #require(ClusterModel(plan: plan, demand: Demand(rate: nil, prompt: prompt, output: 100)))
            var values: [Double] = []
            var leans: [Double] = []
            for nodes in 1...24 {
                let shape = DisaggregatedShape(
                    attentionNodes: nodes, attentionParallel: 1, expertNodes: 8, expertParallel: 1, slots: 1, microBatches: 3)
                let batch = try #require(model.largestBatch(shape, tbt: 40_000_000))
                values.append(Double(batch * nodes) / seconds(model.iterationTime(shape, batch: batch)) / Double(shape.devices))
                let pipeline = model.pipeline(shape, batch: batch)
                leans.append(Double(pipeline.attention) / Double(pipeline.experts))
            }
            let peak = try #require(values.indices.max { values[$0] < values[$1] })
            // Attention is the slower side up to the peak, and no longer soon after.
            #expect(leans[max(0, peak - 1)] > 0.85, "\(leans)")
            #expect(leans[min(23, peak + 2)] < 1.15 || peak > 21, "\(leans)")
            peaks.append(peak + 1)
        }
        #expect(peaks == peaks.sorted() && peaks[0] < peaks[2], "\(peaks)")
    }

    @Test("take more time with each request, whatever the transfer and the policy", arguments: ExpertTransfer.allCases, ["contiguous", "aebs"])
    func monotone(transfer: ExpertTransfer, policy: String) throws {
        var plan = try mixtral(transfer: transfer, gate: GatePlan(popularity: .logNormal(sigma: 0.7)))
        plan.pools[0].mixture?.balance.policy = PolicyChoice(policy)
        let model = try #require(ClusterModel(plan: plan, demand: Demand(rate: nil, prompt: 400, output: 200)))
        let shape = DisaggregatedShape(attentionNodes: 4, attentionParallel: 2, expertNodes: 8, slots: 2, microBatches: 2)
        var last: Nanoseconds = 0
        for batch in 2...200 {
            let time = model.iterationTime(shape, batch: batch)
            #expect(time >= last)
            last = time
        }
    }

    /// Balls in bins: `a_max <= min(C, abar + sqrt(2 abar ln n_e)) + 1` (Janus, appendix), with uniform picks.
    @Test("activate no more experts on a node than Janus's bound", arguments: [4, 16, 64, 256])
    func activated(tokens: Int) throws {
        var model = try #require(ModelCatalog.named("mixtral-8x22b"))
        model.experts = ModelShape.Experts(count: 64, topK: 4, shared: 0, width: 1024, denseLayers: 0)
        var plan = try mixtral()
        for place in plan.pools.indices { plan.pools[place].model = model }
        plan.pools[0].mixture?.balance.policy = PolicyChoice("aebs")
        let cluster = try #require(ClusterModel(plan: plan, demand: Demand(rate: nil, prompt: 400, output: 200)))
        let (nodes, slots) = (8, 12)
        let shape = DisaggregatedShape(attentionNodes: 4, expertNodes: nodes, slots: slots)
        let most = try #require(cluster.largestDistinct(shape, tokens: tokens))
        var missed = 1.0
        for _ in 0..<tokens { missed *= 1 - 4.0 / 64 }
        let mean = 64 * (1 - missed) / Double(nodes)
        #expect(most >= mean - 1e-9)
        #expect(most <= min(Double(slots), mean + (2 * mean * naturalLog(Double(nodes))).squareRoot()) + 1)
    }

    /// Runs the shape with every node full and short prompts, so that iterations only decode.
    @Test("take as long as the iterations of a run", arguments: ExpertTransfer.allCases)
    func run(transfer: ExpertTransfer) throws {
        var plan = try mixtral(transfer: transfer)
        let (batch, output) = (24, 6)
        // Fewer layers, so that it does not take long.
        for place in plan.pools.indices { plan.pools[place].model.layers = 6 }
        plan.controller.routing = PolicyChoice("round-robin")
        plan.workload = WorkloadPlan(
            arrivals: .closedLoop(concurrency: 4 * batch, think: 0), promptTokens: .fixed(1), outputTokens: .fixed(output), requestLimit: 4 * batch)
        plan.records = RecordPlan(iterations: true)
        var demand = Demand(rate: nil, prompt: 1, output: output)
        // The iterations that are compared compute none.
        demand.meanPrompt = 0
        let model = try #require(ClusterModel(plan: plan, demand: demand))
        let shape = DisaggregatedShape(attentionNodes: 4, attentionParallel: 2, expertNodes: 8, slots: 1, microBatches: 3)
        let run = runInProcess(model.plan(shape))
        #expect(run.imbalances.isEmpty)
        let times = run.records.iterations.compactMap { row -> Double? in
            let fields = row.split(separator: ",", omittingEmptySubsequences: false)
            guard fields[0] == "attention-0", fields[5] == "\(batch)", let start = Double(fields[2]), let end = Double(fields[3]) else { return nil }
            return end - start
        }.sorted()
        try #require(times.count >= output / 2)
        let measured = times[times.count / 2]
        let predicted = seconds(model.iterationTime(shape, batch: batch))
        #expect(abs(predicted / measured - 1) < 0.1, "\(predicted) \(measured)")
    }
}
