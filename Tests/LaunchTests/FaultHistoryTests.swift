import Cluster
import Quantities
import Reports
import TestKit
import Testing

@testable import Launch

@Suite("Faults on a timeline")
struct FaultHistoryTests {
    private let second: Nanoseconds = 1_000_000_000

    private func history(_ events: [FaultSpec], end: Instant, standby: Bool = false) -> (spans: [[FaultSpan]], names: [String]) {
        var plan = testPlan([testPool(.prefill), testPool(.decode, count: 2)])
        plan.faults.events = events
        plan.recovery.hasStandby = standby
        let layout = ClusterLayout(plan)
        let history = FaultHistory(plan: plan, layout: layout, table: FaultTable(plan, layout), end: end)
        return (history.spans(), layout.nodes.map(\.name))
    }

    @Test("show when a node was given notice, ended, was missed, began to load its weights and was back")
    func preemption() throws {
        let (spans, names) = history(
            [FaultSpec(at: second, kind: .preempt(grace: 2 * second, restart: 5 * second), targets: [.node("decode-0")])], end: 60 * second)
        let place = try #require(names.firstIndex(of: "decode-0"))
        #expect(spans[place].map(\.kind) == [.notice, .killed, .detected, .startUp, .back])
        #expect(spans[place].map(\.start).prefix(2) == [second, 3 * second])
        #expect(spans[place][1].end == 8 * second && spans[place][3].start == 8 * second)
        #expect(spans[place][4].start == spans[place][3].end && spans[place][4].start > 9 * second)
        #expect(spans[place][2].start > 3 * second && spans[place][2].start < 5 * second)
        #expect(spans.enumerated().allSatisfy { $0.offset == place || $0.element.isEmpty })
    }

    @Test("show what stops, slows and cuts off nodes, in the order of their starts and cut at the run's end")
    func others() {
        let (spans, names) = history(
            [
                FaultSpec(at: 5 * second, kind: .slow(factor: 2.5, duration: 100 * second), targets: [.node("decode-1")]),
                FaultSpec(at: 2 * second, kind: .hang(second / 2), targets: [.node("decode-1")]),
                FaultSpec(at: 3 * second, kind: .partition(peers: [.node("client")], duration: second), targets: [.node("decode-1")]),
                FaultSpec(at: 30 * second, kind: .kill(restart: nil), targets: [.node("decode-1")]),
                FaultSpec(at: 4 * second, kind: .kill(restart: nil), targets: [.node("controller")]),
            ], end: 20 * second, standby: true)
        let shown = Dictionary(uniqueKeysWithValues: zip(names, spans))
        #expect(
            shown["decode-1"] == [
                FaultSpan(.hung, start: 2 * second, end: 5 * second / 2), FaultSpan(.partition, start: 3 * second, end: 4 * second),
                FaultSpan(.slow, start: 5 * second, end: 20 * second, slowdown: 2500),
            ])
        #expect(shown["controller"]?.map(\.kind) == [.killed, .back])
        #expect(history([], end: second).spans.flatMap { $0 }.isEmpty)
    }
}
