import Glibc
import TestKit
import Testing

@Suite("DebugGang", .serialized)
struct DebugGang {
    @Test func one() {
        let number = UInt64(String(cString: getenv("GANG") ?? strdup("0")!)) ?? 0
        let plan = generatedGangPlan(number)
        print(plan.pools.map { "\($0.name) \($0.role) x\($0.count) \($0.mixture.map { "\($0.granularity) m\($0.microBatches) \($0.transfer) \($0.balance.policy.name) \($0.balance.redundantExperts) \(String(describing: $0.balance.replanInterval)) fabric \($0.fabric?.name ?? "-") gate \($0.gate.popularity) \($0.gate.biasRate)" } ?? "-")" }, plan.workload.arrivals, plan.hosts)
        fflush(stdout)
        let exact = runInProcess(plan)
        print("inproc done", exact.client.done, exact.imbalances); fflush(stdout)
        let windowed = runInWindows(plan, order: number * 31).run
        print("windows done", windowed.imbalances, exact.records.firstDifference(from: windowed.records) ?? "same")
    }
}
