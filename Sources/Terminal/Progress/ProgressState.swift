import Quantities

/// How far a run has come, by the figures it reports: no clock, no drawing.
public struct ProgressState: Sendable {
    /// One report of a run.
    public struct Sample: Sendable, Equatable {
        /// Host time in nanoseconds, from any origin.
        public var hostTime: Nanoseconds
        /// Emulated time since the start of the run.
        public var virtualTime: Instant
        /// Requests that ended, however they did.
        public var done: Int
        /// Requests that arrived so far.
        public var offered: Int

        public init(hostTime: Nanoseconds, virtualTime: Instant, done: Int, offered: Int) {
            self.hostTime = hostTime
            self.virtualTime = virtualTime
            self.done = done
            self.offered = offered
        }
    }

    /// Requests that the run will offer, where that is known.
    public var expectedRequests: Int?
    /// Emulated time at which the last request arrives, where that is known.
    public var expectedTime: Nanoseconds?

    private var first: Sample?
    /// What the rates are measured from: the run of some seconds ago, so that they follow a change.
    private var reference: Sample?
    private var nextReference: Sample?
    /// The latest report.
    public private(set) var latest: Sample?

    /// Host time over which rates are measured, at least.
    private static let span: Nanoseconds = 5 * nanosecondsPerSecond

    public init(expectedRequests: Int? = nil, expectedTime: Nanoseconds? = nil) {
        self.expectedRequests = expectedRequests
        self.expectedTime = expectedTime
    }

    /// Takes a report; reports come in the order of host time.
    public mutating func take(_ sample: Sample) {
        latest = sample
        guard first != nil, let newest = nextReference else {
            first = sample
            reference = sample
            nextReference = sample
            return
        }
        if sample.hostTime - newest.hostTime >= Self.span {
            reference = newest
            nextReference = sample
        }
    }

    /// Host time since the first report, seconds.
    public var elapsed: Double {
        guard let first, let latest else { return 0 }
        return seconds(latest.hostTime - first.hostTime)
    }

    /// Emulated seconds in a second of the host; `nil` before time has passed.
    public var speed: Double? { rate { seconds($0.virtualTime) } }

    /// Requests ended in a second of the host; `nil` before time has passed.
    public var requestRate: Double? { rate { Double($0.done) } }

    /// Share of the run that is over, 0 to 1: of the requests where their number is known, else of the time.
    public var share: Double? {
        guard let latest else { return nil }
        if let expectedRequests, expectedRequests > 0 { return min(1, Double(latest.done) / Double(expectedRequests)) }
        if let expectedTime, expectedTime > 0 { return min(1, seconds(latest.virtualTime) / seconds(expectedTime)) }
        return nil
    }

    /// Host seconds until the end at the present rate; `nil` where the end or the rate is not known.
    public var timeLeft: Double? {
        guard let latest else { return nil }
        if let expectedRequests, let requestRate, requestRate > 0 { return Double(max(0, expectedRequests - latest.done)) / requestRate }
        if expectedRequests == nil, let expectedTime, let speed, speed > 0 { return seconds(max(0, expectedTime - latest.virtualTime)) / speed }
        return nil
    }

    private func rate(_ figure: (Sample) -> Double) -> Double? {
        guard let reference, let latest, latest.hostTime > reference.hostTime else { return nil }
        return (figure(latest) - figure(reference)) / seconds(latest.hostTime - reference.hostTime)
    }
}
