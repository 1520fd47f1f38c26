import Quantities
import Workload

/// BurstGPT (HPMLL/BurstGPT): CSV with the columns `Timestamp`, `Request tokens` and `Response tokens` among others
/// (`Model`, `Total tokens`, `Log Type`; in newer releases also `Session ID` and `Elapsed time`), in any order.
///
/// Timestamps are seconds, such as `5` or `19440110.0`. Failed requests have 0 response tokens.
struct BurstGPTFormat: TraceFormatReader {
    private var columns = Columns(["Timestamp", "Request tokens", "Response tokens"])

    var hasHeader: Bool { true }

    mutating func readHeader(_ line: LineBytes) throws(LineProblem) { try columns.readHeader(line) }

    mutating func readRow(_ line: LineBytes) throws(LineProblem) -> TraceRow {
        try columns.readRow(line)
        let timestamp = columns.field(0, of: line)
        guard let time = nanoseconds(fromDecimalSeconds: timestamp.bytes) else {
            throw timestamp.problem("seconds such as 5 or 19440110.0, at most \(longestTraceSeconds)")
        }
        return TraceRow(time: time, promptTokens: try columns.field(1, of: line).tokens(), outputTokens: try columns.field(2, of: line).tokens())
    }
}

/// The latest time in a trace that counts in seconds or milliseconds: 31 years.
let longestTraceSeconds: Int64 = 1_000_000_000

/// The nanoseconds of a number of seconds in decimals, exact up to nine of them and rounded half up beyond.
///
/// `nil` when the bytes are anything else or more than `longestTraceSeconds`.
func nanoseconds(fromDecimalSeconds bytes: LineBytes) -> Nanoseconds? {
    var whole: Int64 = 0
    var index = 0
    while index < bytes.count, let digit = digit(bytes[index]) {
        whole = whole * 10 + Int64(digit)
        guard whole <= longestTraceSeconds else { return nil }
        index += 1
    }
    guard index > 0 else { return nil }
    var time = whole * nanosecondsPerSecond
    guard index < bytes.count else { return time }
    guard bytes[index] == UInt8(ascii: "."), index + 1 < bytes.count else { return nil }
    var unit = nanosecondsPerSecond / 10
    for (place, byte) in bytes[(index + 1)...].enumerated() {
        guard let digit = digit(byte) else { return nil }
        time += unit * Int64(digit)
        unit /= 10
        if place == 9, digit >= 5 { time += 1 }
    }
    return time
}
