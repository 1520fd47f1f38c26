import Quantities
import Terminal
import Testing

@Suite("Progress")
struct ProgressTests {
    /// A run at 50 requests and 100 emulated seconds a second.
    private func state(seconds count: Int, expecting requests: Int? = 1000, time: Nanoseconds? = nil) -> ProgressState {
        var state = ProgressState(expectedRequests: requests, expectedTime: time)
        for second in 0...count { state.take(sample(second)) }
        return state
    }

    private func sample(_ second: Int) -> ProgressState.Sample {
        .init(
            hostTime: Int64(second) * nanosecondsPerSecond, virtualTime: Int64(second) * 100 * nanosecondsPerSecond, done: 50 * second,
            offered: 50 * second + 7)
    }

    @Test("rate and time left follow from the reports")
    func rates() {
        let running = state(seconds: 8)
        #expect(running.speed == 100)
        #expect(running.requestRate == 50)
        #expect(running.share == 0.4)
        #expect(running.timeLeft == 12)
        #expect(running.elapsed == 8)
        #expect(state(seconds: 4, expecting: nil, time: 1000 * nanosecondsPerSecond).timeLeft == 6)
        #expect(state(seconds: 4, expecting: nil).timeLeft == nil)
        #expect(state(seconds: 0).speed == nil)
        #expect(ProgressState().latest == nil)
    }

    @Test("rates forget what was more than ten seconds ago")
    func change() {
        var running = state(seconds: 20)
        for second in 21...40 {
            var slow = sample(20)
            slow.hostTime = Int64(second) * nanosecondsPerSecond
            running.take(slow)
        }
        #expect(running.requestRate == 0)
        #expect(running.timeLeft == nil)
    }

    @Test("a terminal gets one line that is redrawn ten times a second, never wider than it, and cleared at the end")
    func live() {
        var display = ProgressDisplay(.live(columns: 40, style: .plain))
        let running = state(seconds: 8)
        #expect(display.draw(running, now: 0) == "\r13:20 emulated  400/1,000 requests\u{1b}[K")
        #expect(display.draw(running, now: 99_999_999) == nil)
        #expect(display.draw(running, now: 100_000_000) != nil)
        #expect(display.clear() == "\r\u{1b}[K")
        #expect(display.clear() == nil)
    }

    @Test("a log gets a plain line each ten seconds")
    func lines() {
        var display = ProgressDisplay(.lines)
        let running = state(seconds: 8)
        let drawn = (0...25).compactMap { display.draw(running, now: Int64($0) * nanosecondsPerSecond) }
        #expect(drawn == Array(repeating: "13:20 emulated, 400/1,000 requests, 40.0%, 100x real time, ETA 0:12\n", count: 2))
        #expect(display.clear() == nil)
    }

    @Test("quiet is quiet")
    func quiet() {
        var display = ProgressDisplay(ProgressDisplay.Mode(Capabilities(isTerminal: true, columns: 80) { _ in nil }, quiet: true))
        #expect(display.draw(state(seconds: 8), now: 0) == nil)
        #expect(display.clear() == nil)
    }
}
