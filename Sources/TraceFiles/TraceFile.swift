import Quantities
import Workload

/// What a trace offers under a plan.
public struct TraceScan: Sendable, Equatable {
    /// Requests.
    public var rows = 0
    /// Broken lines left out by `skipBadLines`.
    public var badLines = 0
    /// Rows of failed requests, without output tokens, left out.
    public var skipped = 0
    /// From the first arrival to the last.
    public var duration: Nanoseconds = 0
    /// Sums and largest lengths of all requests.
    public var promptTokens: Int64 = 0
    public var outputTokens: Int64 = 0
    public var longestPrompt: Int32 = 0
    public var longestOutput: Int32 = 0

    public init() {}
}

/// Requests streamed from a trace file.
public final class TraceFileRequests: RequestSource {
    private let reader: TraceReader
    private let requests: TraceRequests<TraceReader>

    init(_ source: TraceSource, plan: WorkloadPlan, mode: TraceReader.Mode) throws(TraceError) {
        do throws(TraceDiagnostic) {
            reader = try TraceReader(source, mode: mode)
        } catch {
            throw TraceError([error])
        }
        requests = TraceRequests(plan, rows: reader)
    }

    public func next() -> RequestSpec? { requests.next() }

    /// Why the requests ended early; `nil` when they did not. To be asked after `next()` gave `nil`.
    public var failure: TraceError? { reader.failure }

    public var problem: String? { failure?.description }

    /// Broken lines left out so far.
    public var badLines: Int { reader.badLines }

    /// Failed requests left out so far.
    public var skipped: Int { reader.skipped }
}

/// Reading of trace files.
public enum TraceFile {
    /// Reads all that a run would use of a trace and says what it offers, so that nothing starts on a broken file.
    ///
    /// - Parameters:
    ///   - source: the file.
    ///   - plan: scales lengths and times and ends the pass at its limits; without one the whole file counts as recorded.
    /// - Throws: every broken line up to `TraceError.reported`, unless they are to be skipped; always when the file cannot
    ///   be read, lacks its header or holds no request.
    public static func scan(_ source: TraceSource, for plan: WorkloadPlan? = nil) throws(TraceError) -> TraceScan {
        let plan = plan ?? WorkloadPlan(arrivals: .trace(source))
        let requests = try TraceFileRequests(source, plan: plan, mode: source.skipBadLines ? .skip : .collect)
        var scan = TraceScan()
        while let request = requests.next() {
            scan.rows += 1
            scan.duration = request.arrival
            scan.promptTokens += Int64(request.promptTokens)
            scan.outputTokens += Int64(request.outputTokens)
            scan.longestPrompt = max(scan.longestPrompt, request.promptTokens)
            scan.longestOutput = max(scan.longestOutput, request.outputTokens)
        }
        if let failure = requests.failure { throw failure }
        guard scan.rows > 0 else {
            throw TraceError([TraceDiagnostic(path: source.path, line: 1, column: 1, found: "no request", expected: "at least one")])
        }
        scan.badLines = requests.badLines
        scan.skipped = requests.skipped
        return scan
    }

    /// Opens a trace to stream its requests as a plan scales and limits them, in constant memory.
    ///
    /// - Throws: when the file cannot be opened. What is wrong inside ends the requests and is kept in `failure`.
    public static func open(_ source: TraceSource, for plan: WorkloadPlan) throws(TraceError) -> TraceFileRequests {
        try TraceFileRequests(source, plan: plan, mode: source.skipBadLines ? .skip : .stop)
    }

    /// The first line of a file that is not blank, at most 4 KiB of it, for `guessFormat`; empty when there is none.
    ///
    /// - Throws: when the file cannot be read.
    public static func firstLine(of path: String) throws(TraceError) -> String {
        do throws(TraceDiagnostic) {
            let lines = try LineReader(path: path)
            while let item = try lines.next() {
                guard case .line(let line) = item else { return "" }
                if line.contains(where: { $0 != 0x20 && $0 != 0x09 }) { return String(decoding: line.prefix(4096), as: UTF8.self) }
            }
            return ""
        } catch {
            throw TraceError([error])
        }
    }

    /// The format that a file seems to have by its first line or else by its name; `nil` when neither tells.
    public static func guessFormat(path: String, firstLine: String) -> TraceFormat? {
        let line = firstLine.lowercased()
        if line.contains("contexttokens") { return .azure }
        if line.contains("request tokens") { return .burstgpt }
        if line.contains("\"input_length\"") { return .mooncake }
        let name = (path.split(separator: "/").last ?? "").lowercased()
        if let format = TraceFormat.allCases.first(where: { name.contains($0.rawValue) }) { return format }
        return name.hasSuffix(".jsonl") || name.hasSuffix(".jsonl.gz") ? .mooncake : nil
    }
}

/// The requests of a plan, generated from the seed or read from its trace.
///
/// - Throws: when a trace cannot be opened. `TraceFile.scan` first tells whether the whole of it can be read.
public func requestSource(for plan: WorkloadPlan, seed: UInt64) throws(TraceError) -> any RequestSource {
    if case .trace(let source) = plan.arrivals {
        return PrioritizedRequests.wrap(try TraceFile.open(source, for: plan), plan, seed: seed)
    }
    return PrioritizedRequests.wrap(GeneratedRequests(plan, seed: seed), plan, seed: seed)
}
