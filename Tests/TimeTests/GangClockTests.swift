import Cluster
import Policies
import Records
import TestKit
import Testing

@Suite("Gangs of ranks")
struct GangClockTests {
    /// A run whose layers were worked out in one place, for several tests.
    fileprivate struct Exact: Sendable {
        var plan: ClusterPlan
        var records: RunRecords
        var client: ClientStatistics
        var barriers: [BarrierStatistics]
        var preemptions: Int64
        var imbalances: [String]

        init(_ number: UInt64) {
            plan = generatedGangPlan(number)
            let run = runInProcess(plan)
            records = run.records
            client = run.client
            barriers = run.workers.compactMap(\.barrier)
            preemptions = run.workers.reduce(0) { $0 + $1.preemptions }
            imbalances = run.imbalances
        }
    }

    private static let exact = (0..<generatedGangPlans).map { Exact(UInt64($0)) }

    @Test(
        "give the same records message by message in windows, whoever goes first, as worked out in one place; nothing is lost",
        arguments: 0..<generatedGangPlans)
    func sameRecords(number: Int) {
        let exact = Self.exact[number]
        let windowed = runInWindows(exact.plan, order: UInt64(number) * 31).run
        #expect(exact.client.offered > 0)
        #expect(exact.client.done > 0)
        #expect(exact.imbalances.isEmpty, "\(exact.imbalances)")
        let difference = exact.records.firstDifference(from: windowed.records)
        #expect(difference == nil, "\(difference ?? "")")
        #expect(windowed.imbalances.isEmpty, "\(windowed.imbalances)")
    }

    @Test("the plans are hard enough: every way of transfer, policy, gate and granularity, replans, drops, preemptions, sleep and two gangs occur")
    func coverage() {
        func count(_ condition: (Exact) -> Bool) -> Int { Self.exact.count(where: condition) }
        func mixtures(_ condition: (MixturePlan) -> Bool) -> Int { count { $0.plan.pools.compactMap(\.mixture).contains(where: condition) } }
        #expect(count { $0.plan.pools.contains { $0.role == .ep } } >= 5)
        for transfer in ExpertTransfer.allCases {
            for microBatches in 1...4 {
                #expect(
                    mixtures { $0.expertPool != nil && $0.transfer == transfer && $0.microBatches == microBatches } >= 1,
                    "\(transfer) \(microBatches)")
            }
        }
        for policy in BalanceRegistry.descriptions { #expect(mixtures { policy.answers(to: $0.balance.policy.name) } >= 2, "\(policy.name)") }
        for granularity in [LayerGranularity.exact, .grouped(1), .grouped(2), .iteration] {
            #expect(mixtures { $0.granularity == granularity } >= 2, "\(granularity)")
        }
        #expect(mixtures { $0.fabric != nil } >= 3)
        #expect(mixtures { $0.gate.biasRate > 0 } >= 1)
        #expect(mixtures { $0.gate.drift != nil } >= 1)
        #expect(mixtures { $0.gate.selection != .topK } >= 1)
        #expect(count { $0.plan.pools.count { $0.mixture != nil } == 2 } >= 3)
        #expect(count { $0.plan.pools[0].engine.transfer == .layerwise && $0.plan.pools[0].role == .prefill && $0.plan.pools[0].mixture != nil } >= 1)
        #expect(count { $0.barriers.contains { $0.replans > 0 && $0.fetchedBytes > 0 } } >= 3)
        #expect(count { $0.barriers.contains { $0.droppedTokens > 0 } } >= 1)
        #expect(count { $0.preemptions > 0 } >= 2)
        // The first wake comes with the first request; more of them are of gangs that had fallen asleep.
        #expect(count { Set($0.records.messageRows.filter { $0.channel == "wake" }.map(\.sent)).count >= 3 } >= 5)
    }
}
