import Testing
import Transport

@testable import Launch

@Suite("Clocks of two hosts")
struct ClockComparisonTests {
    @Test("are compared by the shortest round trip, whose half is how sure that is")
    func shortest() {
        var clock = ClockComparison()
        #expect(clock.best == nil)
        // Ahead by 1000; the way there takes longer than the way back, or both take as long.
        clock.take(sent: 5000, received: 4090, back: 5100)
        clock.take(sent: 7000, received: 6010, back: 7020)
        #expect(clock.best == ClockOffset(offset: 1000, uncertainty: 10))
        clock.take(sent: 9000, received: 1, back: 8999)
        #expect(clock.best == ClockOffset(offset: 1000, uncertainty: 10))
    }

    @Test("drift apart: what a start was converted by may be off by as much more")
    func drift() {
        var clock = ClockComparison()
        #expect(clock.best(since: 5) == nil)
        clock.take(sent: 7000, received: 6010, back: 7020)
        #expect(clock.best(since: nil) == ClockOffset(offset: 1000, uncertainty: 10))
        #expect(clock.best(since: 1000) == ClockOffset(offset: 1000, uncertainty: 10))
        #expect(clock.best(since: 900)?.uncertainty == 110)
        #expect(clock.best(since: 1250)?.uncertainty == 260)
        #expect(clock.best(since: .min)?.uncertainty == .max)
    }
}
