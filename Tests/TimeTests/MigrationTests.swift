import Cluster
import Policies
import Quantities
import TestKit
import Testing

@Suite("Requests that move")
struct MigrationTests {
    /// 131,072 bytes a token: a block of 16 tokens takes 2,097,152 ns at 1 GB/s.
    private static let block: Nanoseconds = 2_097_152

    /// Three requests on two workers, of which the one with two always gives one away.
    private func plan(prompt: Int, stages: Double) -> ClusterPlan {
        var engine = EnginePlan()
        engine.reportInterval = 1_000_000
        var plan = testPlan(
            [testPool(.colocated, count: 2, engine: engine)], arrivals: .constant(rate: 1000), requests: 3, prompt: prompt, output: 400)
        plan.hosts = HostPlan(devicesPerHost: 1)
        plan.links.interNode.bandwidth = 1_000_000_000
        plan.controller = ControllerPlan(
            routing: PolicyChoice("round-robin"),
            migration: PolicyChoice("llumnix", parameters: ["low": 1e6, "high": -1e6, "headroom": 0, "stages": stages]))
        return plan
    }

    /// The last stages of a run's migrations: tokens, stages and downtimes.
    private func moves(_ plan: ClusterPlan) -> [(tokens: Int64, stages: Int64, downtime: Nanoseconds)] {
        let run = runInProcess(plan)
        #expect(run.imbalances.isEmpty, "\(run.imbalances)")
        #expect(run.client.outputTokens == 1200)
        #expect(run.workers.reduce(0) { $0 + $1.migrations } == Int64(run.records.migrations.count))
        return run.records.migrations.map { row in
            let fields = row.split(separator: ",")
            func number(_ place: Int) -> Int64 { Int64(fields[place].filter { $0 != "." }) ?? -1 }
            return (number(7), number(8), number(6))
        }
    }

    @Test("stand still for the last stage alone, however long they are", arguments: [500, 2000, 6000])
    func staged(prompt: Int) {
        let moves = moves(plan(prompt: prompt, stages: 3))
        #expect(!moves.isEmpty)
        for move in moves {
            #expect(move.stages >= 2 && move.stages <= 4)
            // At most 16 blocks, and what an iteration added; then an iteration of the target that may have begun, and one of the request.
            #expect(move.downtime <= 18 * Self.block + 60_000_000, "\(move)")
        }
    }

    @Test("stand still for the whole cache when they stop at once", arguments: [500, 2000, 6000])
    func stopAndCopy(prompt: Int) {
        let moves = moves(plan(prompt: prompt, stages: 0))
        #expect(!moves.isEmpty)
        for move in moves {
            let copy = (move.tokens + 15) / 16 * Self.block
            #expect(move.stages == 1)
            #expect(move.downtime >= copy && move.downtime <= copy + 60_000_000, "\(move)")
        }
    }

    @Test("move in many random plans, both among colocated and among decode workers")
    func coverage() {
        var moved: [Role: Int] = [:]
        for number in UInt64(0)..<48 {
            let plan = generatedPlan(number)
            let run = runInProcess(plan)
            if run.workers.contains(where: { $0.migrations > 0 }) { moved[plan.pools[0].role, default: 0] += 1 }
        }
        #expect(moved[.colocated, default: 0] >= 2, "\(moved)")
        #expect(moved[.prefill, default: 0] >= 3, "\(moved)")
    }
}

@Suite("Recovery policies")
struct RecoveryTests {
    /// One of three decode workers dies while each decodes: prompt tokens computed in all, and caches sent from prefill workers.
    private func recompute(_ policy: PolicyChoice) -> (prefilled: Int64, atDecode: Int64, caches: Int) {
        var plan = testPlan(
            [testPool(.prefill), testPool(.decode, count: 3)], arrivals: .constant(rate: 50), requests: 12, prompt: 1000, output: 600,
            records: RecordPlan(iterations: true, messages: true))
        plan.controller.decodeRouting = PolicyChoice("round-robin")
        plan.recovery.policy = policy
        plan.recovery.heartbeat = 10_000_000
        plan.recovery.timeout = 50_000_000
        plan.faults.events = [FaultSpec(at: 2_000_000_000, kind: .kill(restart: nil), targets: [.node("decode-1")])]
        let run = runInProcess(plan)
        #expect(run.imbalances.isEmpty, "\(run.imbalances)")
        #expect(run.client.done == 12)
        #expect(run.client.restarts == 4)
        let rows = run.records.iterationRows
        return (
            rows.reduce(0) { $0 + $1.prefillTokens }, rows.filter { $0.node.hasPrefix("decode") }.reduce(0) { $0 + $1.prefillTokens },
            run.records.messageRows.count { $0.channel == "cache" }
        )
    }

    @Test("recompute goes over prefill workers, tokens go straight to decode workers, and a buddy computes what it has no copy of")
    func policies() {
        let anew = recompute(PolicyChoice("recompute"))
        let tokens = recompute(PolicyChoice("token-migration"))
        let copies = recompute(PolicyChoice("kv-replica", parameters: ["interval": 50]))
        #expect(anew.atDecode == 0 && anew.caches == 16)
        #expect(tokens.caches == 12 && copies.caches == 12)
        #expect(tokens.prefilled == anew.prefilled && tokens.atDecode == anew.prefilled - 12 * 1000)
        // At most an interval of each of four requests, and the token that was not computed yet.
        #expect(copies.atDecode > 0 && copies.atDecode <= 4 * 51)
    }
}
