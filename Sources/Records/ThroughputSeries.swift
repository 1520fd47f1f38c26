import Quantities

/// What the client received in each second of a run.
public struct ThroughputSeries: Sendable, Equatable {
    /// One second.
    public struct Second: Sendable, Equatable {
        public var tokens: Int64 = 0
        public var done: Int64 = 0
        public var withinObjective: Int64 = 0
    }

    /// From the run's start. Nothing is kept beyond `limit`.
    public private(set) var seconds: [Second] = []
    private var current = 0
    private var currentEnd: Instant = 0
    /// Three months.
    private static let limit = 8_000_000

    public init() {}

    mutating func append(_ second: Second) { seconds.append(second) }

    @inline(__always)
    private mutating func goTo(_ now: Instant) {
        guard now >= currentEnd else { return }
        current = min(Int(now / nanosecondsPerSecond), Self.limit - 1)
        currentEnd = Instant(current + 1) * nanosecondsPerSecond
        while seconds.count <= current { seconds.append(Second()) }
    }

    /// Counts tokens that came at `now`; times never go back.
    @inline(__always)
    public mutating func addTokens(_ count: Int64 = 1, at now: Instant) {
        goTo(now)
        seconds[current].tokens += count
    }

    /// Counts a request that was done at `now`.
    public mutating func addDone(isWithinObjective: Bool, at now: Instant) {
        goTo(now)
        seconds[current].done += 1
        if isWithinObjective { seconds[current].withinObjective += 1 }
    }

    /// Adds another part of the run's.
    public mutating func merge(_ other: ThroughputSeries) {
        while seconds.count < other.seconds.count { seconds.append(Second()) }
        for (place, second) in other.seconds.enumerated() {
            seconds[place].tokens += second.tokens
            seconds[place].done += second.done
            seconds[place].withinObjective += second.withinObjective
        }
    }
}
