import Cluster
import Nodes
import Policies
import Records
import TestKit
import Testing

@Suite("Windows and the earliest-event clock")
struct ClockEqualityTests {
    /// A run under the earliest-event clock, for several tests.
    fileprivate struct Exact: Sendable {
        var plan: ClusterPlan
        var records: RunRecords
        var client: ClientStatistics
        var workers: [WorkerStatistics]
        var imbalances: [String]

        init(_ number: UInt64) {
            plan = generatedPlan(number)
            let run = runInProcess(plan)
            records = run.records
            client = run.client
            workers = run.workers
            imbalances = run.imbalances
        }
    }

    /// Plans that between them have everything that can make windows go wrong: see `coverage`.
    private static let exact = (UInt64(0)..<48).map(Exact.init)

    @Test("give the same records to the byte, whoever goes first; nothing is lost and nothing kept", arguments: 0..<48)
    func sameRecords(number: Int) {
        let exact = Self.exact[number]
        let windowed = runInWindows(exact.plan, order: UInt64(number) * 31).run
        #expect(exact.client.offered > 0)
        #expect(exact.imbalances.isEmpty, "\(exact.imbalances)")
        let difference = exact.records.firstDifference(from: windowed.records)
        #expect(difference == nil, "\(difference ?? "")")
        #expect(windowed.imbalances.isEmpty, "\(windowed.imbalances)")
    }

    @Test("repeat themselves")
    func repeatable() { #expect(Exact(7).records == Self.exact[7].records) }

    @Test("the plans are hard enough: preemptions, layers pushed, rejections, closed loops, stages and whole prompts occur")
    func coverage() {
        func count(_ condition: (Exact) -> Bool) -> Int { Self.exact.count(where: condition) }
        #expect(count { $0.workers.contains { $0.preemptions > 0 } } >= 3)
        #expect(count { $0.pushesLayers } >= 5)
        #expect(count { $0.client.rejected > 0 } >= 1)
        #expect(count { $0.plan.workload.closedLoop != nil } >= 5)
        #expect(count { run in run.plan.pools.contains { $0.pipelineParallel > 1 } } >= 10)
        #expect(count { run in run.plan.pools.contains { !$0.engine.chunkedPrefill } } >= 5)
        #expect(count { $0.plan.pools[0].role == .colocated } >= 5)
        #expect(count { $0.plan.holdsRequests } >= 10)
        #expect(count { $0.plan.decisionCost != .free } >= 20)
        #expect(count { $0.plan.controller.admission.name != "none" && $0.client.rejected > 0 } >= 3)
        for policy in Set(Self.exact.map(\.plan.controller.routing.name)) {
            #expect(count { $0.plan.controller.routing.name == policy } >= 3, "\(policy)")
        }
        for policy in SchedulingRegistry.descriptions.map(\.name) {
            #expect(count { run in run.plan.pools.contains { $0.engine.scheduling.name == policy } } >= 3, "\(policy)")
        }
    }
}

extension ClockEqualityTests.Exact {
    /// Whether a cache left its worker before the prompt was done.
    fileprivate var pushesLayers: Bool {
        plan.pools[0].engine.transfer == .layerwise && records.messageRows.contains { $0.channel == "cache" }
    }
}
