import Cluster
import Glibc
import Nodes
import TestKit
import Testing

@testable import Time

@Suite("Scratch")
struct ScratchTests {
    @Test func look() {
        guard let text = getenv("PLAN"), let number = UInt64(String(cString: text)) else { return }
        let plan = generatedFaults(number, for: generatedPlan(number))
        print(plan.faults, plan.recovery)
        print(plan.pools.map { "\($0.name) \($0.count) \($0.engine.transfer)" })
        let run = runInProcess(plan)
        print(run.imbalances)
        print(run.records.requests)
        print(run.records.restarts)
        for row in run.records.messages where getenv("ID") == nil || row.contains(String(cString: getenv("ID"))) { print(row) }
    }
}
