import Models
import Quantities

/// Measured iteration times: a CSV file with the header `phase,size,context,time_us`.
///
/// A row is `prefill,TOKENS,0,MICROSECONDS` or `decode,REQUESTS,MEAN CONTEXT,MICROSECONDS`.
struct CostTable {
    static let header = "phase,size,context,time_us"
    /// Most rows of a table.
    static let rowLimit = 100_000

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
        var table = CostTable()
        let source = TableFile.read(path, header: header, what: "a table of measured times", rowLimit: rowLimit, reading) { row, file in
            table.take(row, &file)
        }
        guard source != nil else { return nil }
        // Repeated measurements stay; by time too, so that their order in the file means nothing.
        table.prefill.sort { ($0.size, $0.context, $0.time) < ($1.size, $1.context, $1.time) }
        table.decode.sort { ($0.size, $0.context, $0.time) < ($1.size, $1.context, $1.time) }
        return MeasuredTable(path: path, prefill: table.prefill, decode: table.decode)
    }

    private var prefill: [MeasuredTable.Row] = []
    private var decode: [MeasuredTable.Row] = []

    private mutating func take(_ row: TableFile.Row, _ file: inout TableFile) {
        let fields = row.fields
        let isPrefill = fields[0].elementsEqual("prefill".utf8)
        guard isPrefill || fields[0].elementsEqual("decode".utf8) else { return file.fail(row, 0, "prefill or decode") }
        guard let size = TableFile.decimal(fields[1]), (1...10_000_000).contains(size) else {
            return file.fail(row, 1, isPrefill ? "a number of tokens from 1 to 10000000" : "a number of requests from 1 to 10000000")
        }
        guard let context = TableFile.decimal(fields[2]), context <= (isPrefill ? 0 : 1_000_000_000) else {
            return file.fail(row, 2, isPrefill ? "0: a prefill has no context" : "a mean context from 0 to 1000000000 tokens")
        }
        guard let time = TableFile.decimal(fields[3], decimals: 3), (1...3_600_000_000_000).contains(time) else {
            return file.fail(row, 3, "a time in microseconds from 0.001 to 3600000000")
        }
        let measured = MeasuredTable.Row(size: size, context: context, time: time)
        if isPrefill { prefill.append(measured) } else { decode.append(measured) }
    }
}
