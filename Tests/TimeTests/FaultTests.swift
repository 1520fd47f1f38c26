import Cluster
import Nodes
import Quantities
import TestKit
import Testing

@testable import Time

@Suite("Runs in which things go wrong")
struct FaultTests {
    @Test("balance their account whatever fails: every request has one end, no token is missing and none comes twice", .serialized, arguments: 0..<25)
    func accounts(_ block: UInt64) {
        for number in block * 20..<(block + 1) * 20 {
            let plan = generatedFaults(number, for: generatedPlan(number))
            let run = runInProcess(plan)
            if number % 5 == 0, let difference = run.records.firstDifference(from: runInWindows(plan, order: number).run.records) {
                Issue.record("plan \(number): \(difference)")
            }
            if !run.imbalances.isEmpty { Issue.record("plan \(number): \(run.imbalances)") }
        }
    }
}
