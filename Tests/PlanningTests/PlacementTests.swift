import Cluster
import Models
import Policies
import Quantities
import TestKit
import Testing
import Workload

@testable import Planning

@Suite("The placement of prefill and decode workers")
struct PlacementTests {
    private func pair(_ rate: Double = 30, prompt: LengthDistribution = .fixed(1_000), requests: Int = 400) -> ClusterPlan {
        var plan = testPlan([testPool(.prefill), testPool(.decode)], arrivals: .poisson(rate: rate), requests: requests, output: 60)
        plan.workload.promptTokens = prompt
        plan.objective = ServiceObjective(ttft: 200_000_000, tbt: 12_000_000)
        return plan
    }

    private func demand(_ plan: ClusterPlan) throws -> Demand {
        try #require(Demand(GeneratedRequests(plan.workload, seed: plan.seed), of: plan.workload))
    }

    @Test("gives a prefill worker the highest rate at which nine of ten first tokens come in time", arguments: [1, 2, 4, 8])
    func prefillGoodput(tensor: Int) throws {
        let plan = pair(prompt: .uniform(from: 100, through: 3_000))
        let placement = PrefillDecodePlacement(plan: plan, demand: try demand(plan), deviceLimit: 64)
        var pool = plan.pools[0]
        pool.tensorParallel = tensor
        let goodput = placement.prefill(pool, ttft: 200_000_000).requestsPerSecond
        let times = placement.prefillTimes(pool)
        #expect(goodput > 0)
        #expect(placement.attainment(of: times, rate: goodput, ttft: 0.2) >= 0.9)
        #expect(placement.attainment(of: times, rate: goodput * 1.001, ttft: 0.2) < 0.9)
    }

    @Test(
        "gives a decode worker the largest batch in time and in its cache: one more is too late or does not fit", arguments: [1, 2, 4, 8], [5, 9, 40])
    func decodeBatch(tensor: Int, milliseconds: Int64) throws {
        let plan = pair()
        let placement = PrefillDecodePlacement(plan: plan, demand: try demand(plan), deviceLimit: 64)
        var pool = plan.pools[1]
        pool.tensorParallel = tensor
        pool.engine.kvMemory = 20_000_000_000
        let cost = CostModel(model: pool.model, device: pool.device, tensorParallel: tensor)
        // Nanoseconds that the way of a cache adds to each token are below a tenth of a millisecond here.
        let tbt = milliseconds * 1_000_000
        let held = Int(pool.memory.cacheBlocks(of: 16)) / 67
        var largest: Int?
        for batch in 1...held where cost.iterationTime(placement.decodeBatch(batch)) <= tbt - 400_000 { largest = batch }
        let found = placement.largestBatch(pool, tbt: tbt)
        guard let largest else { return }
        let batch = try #require(found)
        #expect(batch >= largest && batch <= held)
        #expect(cost.iterationTime(placement.decodeBatch(batch)) <= tbt)
        #expect(batch == held || cost.iterationTime(placement.decodeBatch(batch + 1)) > tbt - 400_000)
    }

    @Test("takes of all parallelisms the one with most requests a device, and no more workers than the rate needs", arguments: [5.0, 40.0, 150.0])
    func exhaustive(rate: Double) throws {
        let plan = pair(rate)
        let demand = try demand(plan)
        let result = try ClusterPlanner(plan: plan, demand: demand, deviceLimit: 64).run()
        let chosen = try #require(result.plan)
        let placement = PrefillDecodePlacement(plan: plan, demand: demand, deviceLimit: 64)
        for (place, part) in result.parts.enumerated() {
            var best = 0.0
            for tensor in [1, 2, 4, 8] {
                for stages in [1, 2, 4, 8] {
                    var pool = plan.pools[place]
                    (pool.tensorParallel, pool.pipelineParallel) = (tensor, stages)
                    guard tensor * stages <= 8 || (tensor * stages).isMultiple(of: 8), tensor * stages < 64 else { continue }
                    let candidate = place == 0 ? placement.prefill(pool, ttft: 200_000_000) : placement.decode(pool, tbt: 12_000_000)
                    best = max(best, candidate?.requestsPerDevice ?? 0)
                }
            }
            let choice = try #require(part.choice)
            #expect(choice.requestsPerDevice == best)
            let pool = chosen.pools[place]
            #expect(Double(pool.count) * choice.requestsPerSecond >= rate)
            #expect(Double(pool.count - 1) * choice.requestsPerSecond < rate)
            #expect(chosen.memory(of: pool).fits)
        }
        #expect(chosen.pools[1].engine.maxBatch == result.parts[1].choice?.workerBatch)
    }

    @Test("splits the devices so that no other split carries more, where nothing says the rate", arguments: [2, 5, 9, 16])
    func split(devices: Int) throws {
        var demand = try demand(pair())
        demand.rate = nil
        let placement = PrefillDecodePlacement(plan: pair(), demand: demand, deviceLimit: devices)
        for (left, right) in [(10.0, 31.0), (40.0, 12.0), (7.0, 7.0)] {
            let prefill = Candidate(pools: [PoolShape(testPool(.prefill))], requestsPerSecond: left, tokensPerSecond: left)
            let decode = Candidate(pools: [PoolShape(testPool(.decode))], requestsPerSecond: right, tokensPerSecond: right)
            let counts = try #require(placement.counts(prefill: prefill, decode: decode))
            let most = (1..<devices).map { min(Double($0) * left, Double(devices - $0) * right) }.max()
            #expect(min(Double(counts.prefill) * left, Double(counts.decode) * right) == most)
            #expect(counts.prefill + counts.decode <= devices)
        }
    }

    /// The estimate leaves out that prompts share iterations, which only helps.
    @Test("chooses a cluster that serves nine of ten requests in time when it is run", arguments: [20.0, 60.0])
    func run(rate: Double) throws {
        let plan = pair(rate, prompt: .uniform(from: 200, through: 1_800), requests: 600)
        let chosen = try #require(try ClusterPlanner(plan: plan, demand: try demand(plan), deviceLimit: 64).run().plan)
        let run = runInProcess(chosen)
        #expect(run.imbalances.isEmpty)
        let rows = run.records.requests.split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) ?? 0 }
        }
        #expect(rows.count == 600)
        let inTime = rows.count { row in
            let (arrival, output, first, finish) = (row[1], row[3], row[7], row[8])
            return first - arrival <= 0.2 && (finish - first) / max(1, output - 1) <= 0.012
        }
        #expect(Double(inTime) >= 0.9 * 600, "\(inTime)")
    }
}

@Suite("The planner")
struct PlannerTests {
    private let demand = Demand(rate: 20, prompt: 400, output: 200)

    private func problem(_ plan: ClusterPlan, _ procedure: ClusterPlanner.Procedure? = nil, rate: Double? = 20) -> String? {
        var demand = demand
        demand.rate = rate
        do throws(ClusterPlanner.Problem) {
            _ = try ClusterPlanner(plan: plan, demand: demand, procedure: procedure, deviceLimit: 64).run()
            return nil
        } catch {
            return error.message
        }
    }

    @Test("says what a plan lacks")
    func problems() throws {
        var plan = try mixtral()
        #expect(problem(plan) == nil)
        #expect(problem(plan, .janus, rate: nil)?.contains("--rate") == true)
        plan.objective = nil
        #expect(problem(plan)?.contains("found no slo") == true)
        plan.objective = ServiceObjective(ttft: 1)
        #expect(problem(plan)?.contains("without tbt") == true)
        plan = testPlan([testPool(.colocated)])
        plan.objective = ServiceObjective(ttft: 1, tbt: 1)
        #expect(problem(plan)?.contains("expected an attention, ep or prefill pool") == true)
        plan = gangPlan(attention: 4, mixture: MixturePlan(kernel: .perHost))
        plan.objective = ServiceObjective(ttft: 1, tbt: 1)
        #expect(problem(plan)?.contains("expected per-expert") == true)
        plan = testPlan([testPool(.prefill), testPool(.decode)])
        plan.objective = ServiceObjective(tbt: 10_000_000)
        #expect(problem(plan)?.contains("without ttft") == true)
        plan.objective?.ttft = 1_000_000_000
        #expect(problem(plan) == nil)
        #expect(problem(plan, .janus)?.contains("expected an attention pool") == true)
        plan.pools.append(plan.pools[1])
        #expect(problem(plan)?.contains("found 2 pools with the role decode") == true)
    }

    @Test("finds nothing where bounds or devices do not allow it, and says so", arguments: [nil, ClusterPlanner.Procedure.janus])
    func failures(procedure: ClusterPlanner.Procedure?) throws {
        var plan = try mixtral()
        for (tbt, devices) in [(Nanoseconds(1_000_000), 16), (150_000_000, 1), (150_000_000, 3), (1, 16)] {
            plan.objective?.tbt = tbt
            let result = try ClusterPlanner(plan: plan, demand: demand, procedure: procedure, deviceLimit: devices).run()
            #expect(result.plan == nil)
            #expect(result.failure != nil)
        }
    }

    @Test(
        "chooses attention and expert nodes that fit, carry the rate in time and keep to the devices",
        arguments: [nil, ClusterPlanner.Procedure.janus])
    func experts(procedure: ClusterPlanner.Procedure?) throws {
        let plan = try mixtral(gate: GatePlan(popularity: .logNormal(sigma: 0.4)))
        let demand = Demand(rate: 8, prompt: 400, output: 200)
        let result = try ClusterPlanner(plan: plan, demand: demand, procedure: procedure, deviceLimit: 24).run()
        let chosen = try #require(result.plan)
        let choice = try #require(result.parts[0].choice)
        #expect(choice.devices <= 24)
        #expect(try #require(choice.tbt) <= 150_000_000)
        #expect(choice.tokensPerSecond >= 8 * 200)
        for pool in chosen.pools { #expect(chosen.memory(of: pool).fits) }
        let mixture = try #require(chosen.pools[0].mixture)
        #expect((8 + mixture.balance.redundantExperts).isMultiple(of: chosen.pools[1].count))
        #expect(chosen.pools[0].engine.maxBatch == choice.workerBatch)
        #expect(mixture.balance.policy.name == (procedure == .janus ? "aebs" : "contiguous"))
        let model = try #require(ClusterModel(plan: chosen, demand: demand))
        #expect(
            choice.workerBatch
                <= model.batchLimit(
                    DisaggregatedShape(
                        attentionNodes: chosen.pools[0].count, attentionParallel: chosen.pools[0].tensorParallel, expertNodes: chosen.pools[1].count,
                        expertParallel: chosen.pools[1].tensorParallel, slots: chosen.slotsPerRank(of: chosen.pools[0]))))
        // Nothing on the frontier is beaten in both.
        for (place, one) in result.parts[0].frontier.enumerated() where procedure == nil && place != result.parts[0].chosen {
            #expect(!result.parts[0].frontier.contains { ($0.tbt ?? 0) < (one.tbt ?? 0) && $0.value > one.value })
        }
    }

    @Test("plans a prefill pool beside attention nodes by its own procedure, and both within the devices")
    func both() throws {
        var plan = try mixtral()
        var prefill = PoolPlan(name: "prefill", role: .prefill, count: 1, model: plan.pools[0].model, device: plan.pools[0].device, tensorParallel: 4)
        plan.pools.append(prefill)
        let result = try ClusterPlanner(plan: plan, demand: demand, deviceLimit: 24).run()
        #expect(result.parts.map(\.phase) == ["prefill", "decode"])
        #expect(result.parts.map(\.procedure) == ["distserve", "megascale"])
        let chosen = try #require(result.plan)
        #expect(chosen.pools.reduce(0) { $0 + $1.devices * $1.count } <= 24)
        #expect(Double(chosen.pools[2].count) * (result.parts[0].choice?.requestsPerSecond ?? 0) >= 20)
        // One whose workers hold experts in common stays as it is.
        prefill.mixture = MixturePlan()
        (prefill.count, prefill.tensorParallel) = (8, 1)
        plan.pools[2] = prefill
        let kept = try ClusterPlanner(plan: plan, demand: demand, deviceLimit: 24).run()
        #expect(kept.plan?.pools[2] == prefill)
        #expect(kept.notes.contains { $0.contains("'prefill' stays") })
    }

    @Test("prefers cheaper devices for the side that needs what they have: prices decide, not numbers")
    func prices() throws {
        var plan = try mixtral("h20")
        plan.pools[1].device = try #require(DeviceCatalog.named("l40s"))
        let result = try ClusterPlanner(plan: plan, demand: demand, deviceLimit: 32).run()
        let choice = try #require(result.parts[0].choice)
        let expected = 1.85 * Double(choice.pools[0].devices) + 1.08 * Double(choice.pools[1].devices)
        #expect(abs(try #require(choice.price) - expected) < 1e-9)
        #expect(result.parts[0].frontier.allSatisfy { $0.value <= choice.value * (1 + 1e-9) || $0.tokensPerSecond < 20 * 200 })
    }
}

@Suite("The demand of a workload")
struct DemandTests {
    @Test("weighs contexts by how long they are met")
    func contexts() throws {
        final class Two: RequestSource {
            var specs = [
                RequestSpec(id: 0, arrival: 0, promptTokens: 100, outputTokens: 10),
                RequestSpec(id: 1, arrival: 2_000_000_000, promptTokens: 300, outputTokens: 30),
            ]
            func next() -> RequestSpec? { specs.isEmpty ? nil : specs.removeFirst() }
        }
        let source = TraceSource(path: "x", format: .azure)
        let demand = try #require(Demand(Two(), of: WorkloadPlan(arrivals: .trace(source))))
        #expect(demand.rate == 0.5)
        #expect((demand.meanPrompt, demand.meanOutput) == (200, 20))
        #expect(demand.decodeContext == 262.5)
        #expect(demand.finalContext == 275)
        #expect(demand.prompts == [100, 300])
        let empty = Two()
        empty.specs = []
        #expect(Demand(empty, of: WorkloadPlan(arrivals: .trace(source))) == nil)
    }
}
