import Quantities
import Workload

/// The Azure LLM inference traces of 2023 and 2024 (Azure/AzurePublicDataset): CSV with the columns `TIMESTAMP`,
/// `ContextTokens` and `GeneratedTokens`, in any order, among others if there are any.
///
/// Timestamps are `2023-11-16 18:17:03.9799600` in 2023 and `2024-05-10 00:00:00.009930+00:00` in 2024, without decimals
/// where they are zero. One without a zone is taken as UTC.
struct AzureFormat: TraceFormatReader {
    private var columns = Columns(["TIMESTAMP", "ContextTokens", "GeneratedTokens"])

    var hasHeader: Bool { true }

    mutating func readHeader(_ line: LineBytes) throws(LineProblem) { try columns.readHeader(line) }

    mutating func readRow(_ line: LineBytes) throws(LineProblem) -> TraceRow {
        try columns.readRow(line)
        let timestamp = columns.field(0, of: line)
        guard let time = instant(fromTimestamp: timestamp.bytes) else {
            throw timestamp.problem("a time such as 2023-11-16 18:17:03.9799600 or 2024-05-10 00:00:00.009930+00:00, from 1970 to 2261")
        }
        return TraceRow(time: time, promptTokens: try columns.field(1, of: line).tokens(), outputTokens: try columns.field(2, of: line).tokens())
    }
}

/// The nanoseconds since 1970 of `YYYY-MM-DD hh:mm:ss`, with up to nine decimals and `Z` or an offset from UTC if there
/// are any; a `T` may stand for the blank. `nil` for anything else, for a date that does not exist, and outside 1970 to 2261.
func instant(fromTimestamp bytes: LineBytes) -> Int64? {
    var scanner = TimestampScanner(bytes: bytes)
    guard let year = scanner.number(digits: 4), scanner.skip("-"), let month = scanner.number(digits: 2), scanner.skip("-"),
        let day = scanner.number(digits: 2), scanner.skip(" ") || scanner.skip("T"), let hour = scanner.number(digits: 2), scanner.skip(":"),
        let minute = scanner.number(digits: 2), scanner.skip(":"), let second = scanner.number(digits: 2),
        let fraction = scanner.fraction(), let zone = scanner.zoneSeconds(), scanner.isAtEnd
    else { return nil }
    guard (1970...2261).contains(year), (1...12).contains(month), day >= 1, day <= days(in: month, of: year) else { return nil }
    guard hour < 24, minute < 60, second < 60 else { return nil }
    let time = Int64(daysSince1970(year: year, month: month, day: day) * 86_400 + hour * 3_600 + minute * 60 + second - zone)
    guard time >= 0 else { return nil }
    return time * nanosecondsPerSecond + fraction
}

private struct TimestampScanner {
    let bytes: LineBytes
    var index = 0

    init(bytes: LineBytes) { self.bytes = bytes }

    var isAtEnd: Bool { index == bytes.count }

    mutating func number(digits count: Int) -> Int? {
        guard bytes.count - index >= count else { return nil }
        var number = 0
        for byte in bytes[index..<index + count] {
            guard let digit = digit(byte) else { return nil }
            number = number * 10 + digit
        }
        index += count
        return number
    }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard index < bytes.count, bytes[index] == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    /// Decimals of a second in nanoseconds; 0 without a point.
    mutating func fraction() -> Int64? {
        guard skip(".") else { return 0 }
        var number: Int64 = 0
        var count = 0
        while index < bytes.count, let digit = digit(bytes[index]) {
            guard count < 9 else { return nil }
            number = number * 10 + Int64(digit)
            count += 1
            index += 1
        }
        guard count > 0 else { return nil }
        for _ in count..<9 { number *= 10 }
        return number
    }

    /// `Z`, `+hh:mm`, `+hhmm`, `+hh` or nothing, in seconds east of UTC.
    mutating func zoneSeconds() -> Int? {
        if isAtEnd || skip("Z") { return 0 }
        let sign: Int
        if skip("+") { sign = 1 } else if skip("-") { sign = -1 } else { return nil }
        guard let hours = number(digits: 2), hours < 24 else { return nil }
        if isAtEnd { return sign * hours * 3_600 }
        _ = skip(":")
        guard let minutes = number(digits: 2), minutes < 60 else { return nil }
        return sign * (hours * 3_600 + minutes * 60)
    }
}

/// Days of a month in the Gregorian calendar.
private func days(in month: Int, of year: Int) -> Int {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
}

/// Days from 1970-01-01 in the Gregorian calendar, for years from 1970.
///
/// Years are counted from March, so that the leap day comes last and days before a month follow (153 m + 2) / 5.
private func daysSince1970(year: Int, month: Int, day: Int) -> Int {
    let marchYear = month > 2 ? year : year - 1
    let marchMonth = (month + 9) % 12
    let leapDays = marchYear / 4 - marchYear / 100 + marchYear / 400
    return 365 * marchYear + leapDays + (153 * marchMonth + 2) / 5 + day - 719_469
}
