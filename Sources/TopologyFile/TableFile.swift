import Quantities

/// A CSV file that a topology names: a header, then rows of as many fields. Blank lines and lines that begin with `#` are skipped.
struct TableFile {
    /// Largest file, in bytes.
    static let sizeLimit = 8 << 20
    /// Broken lines that are reported; the rest are counted.
    static let reported = 20

    /// A row as its fields.
    struct Row {
        typealias Field = Slice<UnsafeBufferPointer<UInt8>>

        let line: Int
        let start: Int
        let fields: [Field]

        /// Where a field begins in its line, from 1.
        func column(_ field: Int) -> Int { fields[field].startIndex - start + 1 }
    }

    private let header: String
    private let rowLimit: Int
    private var rows = 0
    private var mistakes: [(line: Int, column: Int, message: String)] = []

    /// Hands every row of a file to `take`.
    ///
    /// - Returns: the number of the file among the reading's sources, for mistakes that are found later; `nil` after a report.
    static func read(
        _ path: String, header: String, what: String, rowLimit: Int, _ reading: Reading, take: (Row, inout TableFile) -> Void
    ) -> Int32? {
        let source = reading.addSource(path)
        let bytes: [UInt8]
        do throws(Diagnostic) {
            bytes = try SourceFile.read(path, as: path, what: what, limit: sizeLimit)
        } catch {
            reading.report(Mark(source: source, line: Int32(error.place.line), column: Int32(error.place.column)), error.message)
            return nil
        }
        var table = TableFile(header: header, rowLimit: rowLimit)
        bytes.withUnsafeBufferPointer { table.parse($0, take) }
        for (line, column, message) in table.mistakes.prefix(reported) {
            reading.report(Mark(source: source, line: Int32(clamping: line), column: Int32(clamping: column)), message)
        }
        if table.mistakes.count > reported, let last = table.mistakes.last {
            let rest = table.mistakes.count - reported
            reading.report(Mark(source: source, line: Int32(clamping: last.line), column: 1), "found \(rest) more broken lines, expected none")
        }
        return table.mistakes.isEmpty ? source : nil
    }

    private init(header: String, rowLimit: Int) {
        self.header = header
        self.rowLimit = rowLimit
    }

    /// Notes that a field of a row is not what it should be.
    mutating func fail(_ row: Row, _ field: Int, _ expected: String) {
        mistakes.append(
            (row.line, row.column(field), "found \(quoted(String(decoding: row.fields[field], as: UTF8.self))), expected \(expected)"))
    }

    /// Notes what is wrong with a whole row.
    mutating func fail(_ row: Row, _ message: String) { mistakes.append((row.line, 1, message)) }

    private mutating func parse(_ bytes: UnsafeBufferPointer<UInt8>, _ take: (Row, inout TableFile) -> Void) {
        let columns = header.split(separator: ",").count
        var line = 0
        var hasHeader = false
        for text in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            line += 1
            let text = text.last == UInt8(ascii: "\r") ? text.dropLast() : text
            if text.allSatisfy({ $0 == UInt8(ascii: " ") }) || text.first == UInt8(ascii: "#") { continue }
            guard hasHeader else {
                hasHeader = true
                guard text.elementsEqual(header.utf8) else {
                    mistakes.append((line, 1, "found \(quoted(String(decoding: text, as: UTF8.self))), expected the header '\(header)'"))
                    return
                }
                continue
            }
            guard rows < rowLimit else {
                mistakes.append((line, 1, "found more than \(rowLimit) rows, expected fewer"))
                return
            }
            rows += 1
            let fields = text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            guard fields.count == columns else {
                mistakes.append((line, 1, "found \(fields.count) fields, expected \(columns): \(header)"))
                continue
            }
            take(Row(line: line, start: text.startIndex, fields: fields), &self)
        }
        if rows == 0, mistakes.isEmpty { mistakes.append((1, 1, "found no row, expected '\(header)' and at least one row")) }
    }

    /// A number without sign or exponent, times a power of ten, rounded half up; `nil` for anything else.
    static func decimal(_ text: Row.Field, decimals: Int = 0) -> Int64? {
        var value: Int64 = 0
        var places: Int?
        var count = 0
        for byte in text {
            if byte == UInt8(ascii: "."), places == nil, decimals > 0, count > 0 {
                places = 0
                continue
            }
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            let digit = Int64(byte - UInt8(ascii: "0"))
            count += 1
            if let behind = places {
                places = behind + 1
                if behind == decimals, digit >= 5 { value += 1 }
                if behind >= decimals { continue }
            }
            guard value < 100_000_000_000_000 else { return nil }
            value = value * 10 + digit
        }
        guard count > 0, places != 0 else { return nil }
        for _ in 0..<max(0, decimals - (places ?? 0)) { value *= 10 }
        return value
    }
}
