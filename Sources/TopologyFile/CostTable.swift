import Models
import Quantities

/// Measured iteration times: a CSV file with the header `phase,size,context,time_us`.
///
/// A row is `prefill,TOKENS,0,MICROSECONDS` or `decode,REQUESTS,MEAN CONTEXT,MICROSECONDS`. Blank lines and lines that begin with `#` are skipped.
struct CostTable {
    static let header = "phase,size,context,time_us"
    /// Most rows of a table.
    static let rowLimit = 100_000
    /// Largest file, in bytes.
    static let sizeLimit = 8 << 20
    /// Broken lines that are reported; the rest are counted.
    static let reported = 20

    /// A table by its path, relative to the topology; `none` for the roofline.
    static var codec: Codec<MeasuredTable?> {
        let path = Codec<String>.text("the path of a table (CSV: \(header)) or none") {
            !$0.isEmpty && $0.utf8.count <= 4_096 && !$0.utf8.contains(0)
        }
        return Codec<MeasuredTable?>(
            schema: path.schema,
            read: { node, _, reading in
                guard let file = path.read(node, nil, reading) else { return nil }
                if file == "none" { return .some(nil) }
                let full = FilePath.resolve(file, in: reading.directory)
                if let problem = SourceFile.problem(full) {
                    reading.report(node.mark, "\(problem) at \(quoted(file)), expected a table of measured times" + SourceFile.neighbour(of: full))
                    return nil
                }
                return read(full, reading).map(Optional.some)
            },
            write: { $0.map { .text($0.path) } })
    }

    /// Reads a table; `nil` after a report.
    private static func read(_ path: String, _ reading: Reading) -> MeasuredTable? {
        let bytes: [UInt8]
        do throws(Diagnostic) {
            bytes = try SourceFile.read(path, as: path, what: "a table of measured times", limit: sizeLimit)
        } catch {
            let source = reading.addSource(path)
            reading.report(Mark(source: source, line: Int32(error.place.line), column: Int32(error.place.column)), error.message)
            return nil
        }
        var table = CostTable()
        bytes.withUnsafeBufferPointer { table.parse($0) }
        guard table.mistakes.isEmpty else {
            let source = reading.addSource(path)
            for (line, column, message) in table.mistakes.prefix(reported) {
                reading.report(Mark(source: source, line: Int32(clamping: line), column: Int32(clamping: column)), message)
            }
            if table.mistakes.count > reported, let last = table.mistakes.last {
                let rest = table.mistakes.count - reported
                reading.report(Mark(source: source, line: Int32(clamping: last.line), column: 1), "found \(rest) more broken lines, expected none")
            }
            return nil
        }
        return MeasuredTable(path: path, prefill: table.prefill, decode: table.decode)
    }

    private var prefill: [MeasuredTable.Row] = []
    private var decode: [MeasuredTable.Row] = []
    private var mistakes: [(line: Int, column: Int, message: String)] = []

    private mutating func parse(_ bytes: UnsafeBufferPointer<UInt8>) {
        var line = 0
        var hasHeader = false
        for text in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            line += 1
            let text = text.last == UInt8(ascii: "\r") ? text.dropLast() : text
            if text.allSatisfy({ $0 == UInt8(ascii: " ") }) || text.first == UInt8(ascii: "#") { continue }
            guard hasHeader else {
                hasHeader = true
                guard text.elementsEqual(Self.header.utf8) else {
                    mistakes.append((line, 1, "found \(quoted(String(decoding: text, as: UTF8.self))), expected the header '\(Self.header)'"))
                    return
                }
                continue
            }
            guard prefill.count + decode.count < Self.rowLimit else {
                mistakes.append((line, 1, "found more than \(Self.rowLimit) rows, expected fewer"))
                return
            }
            parseRow(text, line)
        }
        if prefill.isEmpty, decode.isEmpty, mistakes.isEmpty {
            mistakes.append((1, 1, "found no row, expected '\(Self.header)' and at least one row"))
        }
        // Repeated measurements stay; by time too, so that their order in the file means nothing.
        prefill.sort { ($0.size, $0.context, $0.time) < ($1.size, $1.context, $1.time) }
        decode.sort { ($0.size, $0.context, $0.time) < ($1.size, $1.context, $1.time) }
    }

    private mutating func parseRow(_ text: Slice<UnsafeBufferPointer<UInt8>>, _ line: Int) {
        let fields = text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        func fail(_ field: Int, _ expected: String) {
            let column = fields[field].startIndex - text.startIndex + 1
            mistakes.append((line, column, "found \(quoted(String(decoding: fields[field], as: UTF8.self))), expected \(expected)"))
        }
        guard fields.count == 4 else {
            mistakes.append((line, 1, "found \(fields.count) fields, expected 4: \(Self.header)"))
            return
        }
        let isPrefill = fields[0].elementsEqual("prefill".utf8)
        guard isPrefill || fields[0].elementsEqual("decode".utf8) else { return fail(0, "prefill or decode") }
        guard let size = Self.decimal(fields[1], decimals: 0), (1...10_000_000).contains(size) else {
            return fail(1, isPrefill ? "a number of tokens from 1 to 10000000" : "a number of requests from 1 to 10000000")
        }
        guard let context = Self.decimal(fields[2], decimals: 0), context <= (isPrefill ? 0 : 1_000_000_000) else {
            return fail(2, isPrefill ? "0: a prefill has no context" : "a mean context from 0 to 1000000000 tokens")
        }
        guard let time = Self.decimal(fields[3], decimals: 3), (1...3_600_000_000_000).contains(time) else {
            return fail(3, "a time in microseconds from 0.001 to 3600000000")
        }
        let row = MeasuredTable.Row(size: size, context: context, time: time)
        if isPrefill { prefill.append(row) } else { decode.append(row) }
    }

    /// A number without sign or exponent, times a power of ten, rounded half up; `nil` for anything else.
    private static func decimal(_ text: Slice<UnsafeBufferPointer<UInt8>>, decimals: Int) -> Int64? {
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
