import Nodes
import Records
import TestKit
import Testing

@Suite("Windows and the earliest-event clock")
struct ClockEqualityTests {
    @Test("give the same records to the byte, whoever goes first", arguments: UInt64(0)..<120)
    func sameRecords(number: UInt64) {
        let plan = generatedPlan(number)
        let exact = runInProcess(plan)
        let windowed = runInWindows(plan, order: number &* 31)
        #expect(exact.records.requests == windowed.run.records.requests)
        #expect(exact.records == windowed.run.records)
        #expect(exact.client.offered > 0)
    }

    @Test("repeat themselves")
    func repeatable() {
        let plan = generatedPlan(7)
        #expect(runInProcess(plan).records == runInProcess(plan).records)
    }

    @Test("no request is lost and no block is kept", arguments: UInt64(0)..<120)
    func conservation(number: UInt64) {
        let run = runInProcess(generatedPlan(number))
        let client = run.client
        #expect(client.offered == client.done + client.rejected + client.failed)
        #expect(client.duplicatedTokens == 0)
        #expect(client.missingTokens == 0)
        #expect(run.hosts[0].progress.isFinished)
        for worker in run.workers {
            #expect(worker.blocksAtEnd == 0)
            #expect(worker.kvPeakBlocks <= worker.kvTotalBlocks)
        }
    }

    @Test("the generated plans are hard enough: preemptions, layers pushed, rejections and closed loops occur")
    func coverage() {
        let runs = (UInt64(0)..<120).map { (generatedPlan($0), runInProcess(generatedPlan($0))) }
        #expect(runs.contains { $0.1.workers.contains { $0.preemptions > 0 } })
        #expect(runs.contains { $0.0.pools[0].engine.transfer == .layerwise && $0.1.client.done > 0 })
        #expect(runs.contains { $0.1.client.rejected > 0 })
        #expect(runs.contains { $0.0.workload.closedLoop != nil })
    }
}
