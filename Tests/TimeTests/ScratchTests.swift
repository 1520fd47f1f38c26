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
        let plan = getenv("PLAIN") != nil ? generatedPlan(number) : generatedFaults(number, for: generatedPlan(number))
        print(plan.faults, plan.recovery)
        let one = runInProcess(plan).records
        let two = runInWindows(plan, order: number).run.records
        print(one.firstDifference(from: two) ?? "equal")
        let who = getenv("WHO").map { String(cString: $0) } ?? "0,"
        let a = one.messages.filter { $0.hasPrefix(who) }
        let b = two.messages.filter { $0.hasPrefix(who) }
        let place = zip(a, b).enumerated().first { $1.0 != $1.1 }?.offset ?? 0
        for row in a[max(0, place - 2)..<min(a.count, place + 6)] { print("  one", row) }
        for row in b[max(0, place - 2)..<min(b.count, place + 6)] { print("  two", row) }
    }
}
