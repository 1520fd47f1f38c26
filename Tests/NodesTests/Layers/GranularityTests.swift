import Cluster
import TestKit
import Testing

@testable import Nodes

/// Two runs have the same records, and their nodes the same statistics and traffic.
func expectSame(_ one: FinishedRun, _ other: FinishedRun, _ granularity: LayerGranularity, sourceLocation: SourceLocation = #_sourceLocation) {
    let difference = one.records.firstDifference(from: other.records)
    #expect(difference == nil, "\(granularity): \(difference ?? "")", sourceLocation: sourceLocation)
    for (mine, theirs) in zip(one.hosts, other.hosts) {
        let (mineCounted, theirsCounted) = (mine.statistics, theirs.statistics)
        let label: Comment = "\(granularity): \(mine.plan.name)"
        #expect(String(describing: mineCounted.worker) == String(describing: theirsCounted.worker), label, sourceLocation: sourceLocation)
        #expect(mineCounted.messages == theirsCounted.messages, label, sourceLocation: sourceLocation)
        #expect(mineCounted.bytes == theirsCounted.bytes, label, sourceLocation: sourceLocation)
    }
}

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
            expectSame(before, run, granularity)
        }
    }
}
