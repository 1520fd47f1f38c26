import Cluster
import Nodes
import Policies
import Quantities
import TestKit
import Testing

@testable import Time

@Suite("Runs in which things go wrong", .serialized)
struct FaultTests {
    @Test(
        "balance their account whatever fails, the same under both clocks: every request has one end, no token is missing and none comes twice",
        arguments: 0..<30)
    func accounts(_ block: UInt64) {
        for number in block * 10..<(block + 1) * 10 { check(generatedFaults(number, for: generatedPlan(number)), number, inWindows: number % 4 == 0) }
    }

    @Test("balance their account when ranks of gangs fail, the same under both clocks", arguments: 0..<18)
    func gangs(_ block: UInt64) {
        for number in block * 10..<(block + 1) * 10 {
            check(generatedFaults(number, for: generatedGangPlan(number)), number, inWindows: number % 2 == 0)
        }
    }

    @Test("balance their account when workers leave, rest and come back, the same under both clocks", arguments: 0..<6)
    func departures(_ block: UInt64) {
        for number in block * 4..<(block + 1) * 4 {
            check(withDepartures(number, generatedFaults(number, for: generatedPlan(number))), number, inWindows: true)
        }
    }

    @Test("balance their account when ranks that have notice leave their gang, the same under both clocks", arguments: 0..<12)
    func leavingRanks(_ block: UInt64) {
        for number in block * 5..<(block + 1) * 5 {
            check(withDepartures(number, generatedFaults(number, for: generatedGangPlan(number))), number, inWindows: true)
        }
    }

    @Test("a controller that takes over goes on with the workers that the one before had serve")
    func successor() {
        var pool = testPool(.colocated)
        pool.most = 2
        var plan = testPlan([pool], arrivals: .constant(rate: 20), requests: 300, prompt: 500, output: 100)
        plan.controller.scaling = PolicyChoice("threshold", parameters: ["up": 4, "down": 0, "hold": 0])
        plan.recovery.hasStandby = true
        plan.recovery.startUp = StartUpPlan(base: 100_000_000, tier: .memory)
        plan.faults.events = [FaultSpec(at: 5_000_000_000, kind: .kill(restart: nil), targets: [.node("controller")])]
        let run = runInProcess(plan)
        #expect(run.imbalances.isEmpty)
        let rows = run.records.requests.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
        func served(after: Double, before: Double) -> Int {
            rows.count { $0[5] == "colocated-1" && (Double($0[1]) ?? 0) > after && (Double($0[1]) ?? 0) < before }
        }
        #expect(served(after: 3, before: 5) > 10)
        #expect(served(after: 8, before: 15) > 40)
    }

    private func check(_ plan: ClusterPlan, _ number: UInt64, inWindows: Bool) {
        let run = runInProcess(plan)
        if !run.imbalances.isEmpty { Issue.record("plan \(number): \(run.imbalances)") }
        guard inWindows, let difference = run.records.firstDifference(from: runInWindows(plan, order: number).run.records) else { return }
        Issue.record("plan \(number): \(difference)")
    }
}
