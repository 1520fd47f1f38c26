import Cluster
import Records
import TestKit
import Testing

@Suite("Gangs of ranks")
struct GangClockTests {
    @Test(
        "give the same records message by message in windows, whoever goes first, as worked out in one place; nothing is lost",
        arguments: UInt64(0)..<48)
    func sameRecords(number: UInt64) {
        let plan = generatedGangPlan(number)
        let exact = runInProcess(plan)
        let windowed = runInWindows(plan, order: number * 31).run
        #expect(exact.client.offered > 0)
        #expect(exact.client.done > 0)
        #expect(exact.imbalances.isEmpty, "\(exact.imbalances)")
        let difference = exact.records.firstDifference(from: windowed.records)
        #expect(difference == nil, "\(difference ?? "")")
        #expect(windowed.imbalances.isEmpty, "\(windowed.imbalances)")
    }
}
