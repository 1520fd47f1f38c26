import Cluster
import TestKit
import Testing

@testable import Nodes

@Suite("What travels as a message of its own in a gang")
struct GranularityTests {
    /// One of each: ranks that hold both, and the three ways to expert nodes; with one micro-batch and with several, with new plans, with a
    /// policy that decides for all ranks, and with two gangs.
    @Test("changes no request, iteration, layer, message, statistic or byte of traffic", arguments: [0, 1, 2, 3, 4, 9, 14, 19, 20] as [UInt64])
    func sameOutcome(number: UInt64) {
        var plan = generatedGangPlan(number)
        plan.records.layers = true
        plan.workload.requestLimit = 8
        var first: FinishedRun?
        for granularity in [LayerGranularity.exact, .grouped(1), .grouped(2), .iteration] {
            for pool in plan.pools.indices { plan.pools[pool].mixture?.granularity = granularity }
            let run = runInWindows(plan, order: number).run
            guard let before = first else {
                first = run
                #expect(run.records.layers.count > 100)
                continue
            }
            let difference = before.records.firstDifference(from: run.records)
            #expect(difference == nil, "\(granularity): \(difference ?? "")")
            for (mine, theirs) in zip(before.hosts, run.hosts) {
                #expect(
                    String(describing: mine.statistics.worker) == String(describing: theirs.statistics.worker), "\(granularity): \(mine.plan.name)")
                #expect(mine.statistics.messages == theirs.statistics.messages, "\(granularity): \(mine.plan.name)")
                #expect(mine.statistics.bytes == theirs.statistics.bytes, "\(granularity): \(mine.plan.name)")
            }
        }
    }
}
