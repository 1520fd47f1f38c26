import Quantities

/// One request as a trace records it.
public struct TraceRow: Sendable, Equatable {
    /// Nanoseconds on the trace's own clock, whose zero may be anywhere; not negative.
    public var time: Int64
    public var promptTokens: Int32
    public var outputTokens: Int32
    /// Hashes of the prompt's blocks, equal where prompts share a prefix; empty where the format has none.
    public var blockHashes: [Int64]

    public init(time: Int64, promptTokens: Int32, outputTokens: Int32, blockHashes: [Int64] = []) {
        self.time = time
        self.promptTokens = promptTokens
        self.outputTokens = outputTokens
        self.blockHashes = blockHashes
    }
}

/// Requests as a trace recorded them, scaled and limited by a plan.
///
/// The first request arrives at 0, the others as long after it as in the trace, divided by the rate scale. The rows must
/// be in order of time, as readers of trace files see to; one before its predecessor would arrive together with it.
public final class TraceRequests<Rows: IteratorProtocol>: RequestSource where Rows.Element == TraceRow {
    private var rows: Rows
    private let plan: WorkloadPlan
    private let duration: Nanoseconds
    private let limit: Int
    private var offered = 0
    private var start: Int64?
    private var last: Instant = 0

    public init(_ plan: WorkloadPlan, rows: Rows) {
        self.plan = plan
        self.rows = rows
        duration = plan.duration ?? .never
        limit = plan.requestLimit ?? .max
    }

    public func next() -> RequestSpec? {
        guard offered < limit, let row = rows.next() else { return nil }
        let begin = start ?? row.time
        start = begin
        let arrival = max(last, scaled(row.time &- begin))
        guard arrival <= duration, arrival < .never else {
            offered = limit
            return nil
        }
        last = arrival
        defer { offered += 1 }
        return RequestSpec(
            id: Int64(offered), arrival: arrival, promptTokens: scaledLength(Int(row.promptTokens), by: plan.promptScale),
            outputTokens: scaledLength(Int(row.outputTokens), by: plan.outputScale))
    }

    /// Exact without a scale; with one, rounded to nanoseconds.
    private func scaled(_ gap: Nanoseconds) -> Nanoseconds {
        plan.rateScale == 1 ? gap : nanoseconds(fromSeconds: Double(gap) / plan.rateScale / 1e9)
    }
}
