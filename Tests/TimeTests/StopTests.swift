import Cluster
import Quantities
import TestKit
import Testing
import Workload

@Suite("A clock that is stopped on its way")
struct StopTests {
    /// When the clock is stopped: before, at and after arrivals, several times at one time, and after the end.
    private func stops(_ plan: ClusterPlan, _ number: UInt64) -> [Instant] {
        var random = RandomStream(seed: number, stream: 9)
        let source = GeneratedRequests(plan.workload, seed: plan.seed)
        var times: [Instant] = [0, 3_600_000_000_000]
        while let request = source.next() {
            if random.below(6) == 0 { times.append(max(0, request.arrival + Int64(random.below(3)) - 1)) }
            if random.below(6) == 0 { times.append(request.arrival + Int64(random.below(300_000_000))) }
        }
        times.append(times[times.count / 2])
        return times.sorted()
    }

    @Test("gives the records of one that is not, to the byte", arguments: 0..<24)
    func sameRecords(number: Int) {
        let plan = generatedPlan(UInt64(number))
        let exact = runInProcess(plan)
        let stopped = runInWindows(plan, order: UInt64(number), stops: stops(plan, UInt64(number)).map { ($0, []) }).run
        #expect(exact.records == stopped.records, "\(exact.records.firstDifference(from: stopped.records) ?? "")")
        #expect(stopped.imbalances.isEmpty)
    }

    @Test("gives the records of a workload that was known from the start when its requests are added on the way", arguments: 0..<24)
    func addedRequests(number: Int) {
        let plan = generatedPlan(UInt64(number))
        guard plan.workload.closedLoop == nil else { return }
        let times = stops(plan, UInt64(number))
        var pieces = times.map { (time: $0, requests: [RequestSpec]()) }
        let source = GeneratedRequests(plan.workload, seed: plan.seed)
        while let request = source.next() {
            // At the latest stop that is not after it.
            let place = times.lastIndex { $0 <= request.arrival } ?? 0
            pieces[place].requests.append(request)
        }
        var idle = plan
        idle.workload = WorkloadPlan(arrivals: .nothing)
        let exact = runInProcess(plan)
        let stopped = runInWindows(idle, order: UInt64(number), stops: pieces).run
        #expect(exact.client.offered == stopped.client.offered)
        #expect(exact.records == stopped.records, "\(exact.records.firstDifference(from: stopped.records) ?? "")")
    }
}
