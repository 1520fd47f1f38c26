import Cluster
import Quantities
import Records
import TestKit
import Testing

@Suite("The slip of a run")
struct SlipTests {
    private func slip(clock: ClockMode, lateness: [Nanoseconds], clocks: Nanoseconds?) -> Summary.Slip {
        var plan = testPlan([testPool(.colocated)])
        (plan.clock, plan.dilation) = (clock, 2)
        var counted = NodeStatistics()
        for late in lateness { counted.slip.add(late) }
        let statistics: [NodeStatistics?] = [counted, nil, nil]
        return SummaryBuilder(plan, ClusterLayout(plan)).build(
            statistics, wall: 1, incomplete: false, digest: "", clockUncertainty: clocks, energy: { _, _, _ in 0 }
        ).slip
    }

    @Test("holds what the clocks of hosts may differ by, on the emulated clock")
    func clocks() {
        let alone = slip(clock: .wall, lateness: [1_000_000, 1_000_000], clocks: nil)
        let apart = slip(clock: .wall, lateness: [1_000_000, 1_000_000], clocks: 6_000_000)
        #expect(alone.clockUncertainty == nil && apart.clockUncertainty == 0.003)
        for (one, other) in [(alone.p50, apart.p50), (alone.p99, apart.p99), (alone.max, apart.max)] { #expect(abs(other - one - 0.003) < 1e-9) }
    }

    @Test("is that of the clocks where nothing was late, and none under the virtual clock")
    func nothingLate() {
        #expect(slip(clock: .wall, lateness: [], clocks: 6_000_000).p50 == 0.003)
        #expect(slip(clock: .virtual, lateness: [], clocks: 6_000_000) == Summary.Slip())
    }
}
