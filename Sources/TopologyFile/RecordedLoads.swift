import Models
import Quantities

/// Loads of experts as a recorder leaves them: a CSV file with the header `layer,expert,tokens`, a row for each expert of each layer.
///
/// Layers count from 0 among those with experts. Whether they are those of the pool's model is checked once that is known.
struct RecordedLoads {
    static let header = "layer,expert,tokens"
    /// Most loads of all pools of a topology: a resolved topology holds them.
    static let limit = 64_000
    /// Largest load: more tokens than a year of any cluster has.
    static let largest: Int64 = 1_000_000_000_000

    /// One row, with its place.
    struct Row {
        var layer: Int
        var expert: Int
        var tokens: Double
        var line: Int32
        /// Where the number of the expert begins.
        var column: Int32
    }

    /// The file among the reading's sources.
    private let source: Int32
    private let rows: [Row]

    private static var path: Codec<String> {
        .text("the path of recorded loads (CSV: \(header)) or a list with a text of numbers for each layer") {
            !$0.isEmpty && $0.utf8.count <= 4_096 && !$0.utf8.contains(0)
        }
    }

    private static var numbers: Codec<String> {
        .text("a text with a load for each expert: numbers from 0 to \(largest) with spaces between them", pattern: "^[-0-9.eE+ ]+$") {
            loads($0) != nil
        }
    }

    /// A file by its path, relative to the topology; or its contents, as resolved topologies hold them: a text of numbers for each layer.
    static var codec: Codec<PopularityDraft> {
        Codec<PopularityDraft>(
            schema: .object([
                ("anyOf", .list([path.schema, .object([("type", .text("array")), ("items", numbers.schema), ("minItems", .number("1"))])]))
            ]),
            read: { node, _, reading in
                guard case .sequence(let items) = node.content else { return readFile(node, reading).map(PopularityDraft.file) }
                var all: [[Double]] = []
                for (index, item) in items.enumerated() {
                    reading.within("\(index)", at: item.mark) {
                        guard let row = numbers.read(item, nil, reading).flatMap(loads) else { return false }
                        all.append(row)
                        return true
                    }
                }
                return all.count == items.count ? .given(.recorded(all)) : nil
            },
            write: { draft in
                guard case .given(.recorded(let loads)) = draft else { return nil }
                return .sequence(loads.map { .text($0.map(plainText).joined(separator: " ")) })
            })
    }

    private static func loads(_ text: String) -> [Double]? {
        let parts = text.split(separator: " ")
        guard !parts.isEmpty else { return nil }
        var loads: [Double] = []
        for part in parts {
            guard isDecimal(String(part)), let load = Double(part), load >= 0, load <= Double(largest) else { return nil }
            loads.append(load)
        }
        return loads
    }

    /// Reads a file; `nil` after a report.
    private static func readFile(_ node: YAMLNode, _ reading: Reading) -> RecordedLoads? {
        guard let file = path.read(node, nil, reading) else { return nil }
        let full = FilePath.resolve(file, in: reading.directory)
        if let problem = SourceFile.problem(full) {
            reading.report(node.mark, "\(problem) at \(quoted(file)), expected recorded loads" + SourceFile.neighbour(of: full))
            return nil
        }
        var rows: [Row] = []
        var seen: Set<Int> = []
        let source = TableFile.read(full, header: header, what: "recorded loads", rowLimit: limit, reading) { row, file in
            guard let layer = TableFile.decimal(row.fields[0]), layer < 2_000 else { return file.fail(row, 0, "a layer from 0 to 1999") }
            guard let expert = TableFile.decimal(row.fields[1]), expert < GatePlan.expertLimit else {
                return file.fail(row, 1, "an expert from 0 to \(GatePlan.expertLimit - 1)")
            }
            guard let tokens = TableFile.decimal(row.fields[2]), tokens <= largest else {
                return file.fail(row, 2, "a whole number of tokens from 0 to \(largest)")
            }
            guard seen.insert(Int(layer) * GatePlan.expertLimit + Int(expert)).inserted else {
                return file.fail(row, "found a second row for expert \(expert) of layer \(layer), expected one")
            }
            rows.append(
                Row(
                    layer: Int(layer), expert: Int(expert), tokens: Double(tokens), line: Int32(clamping: row.line),
                    column: Int32(clamping: row.column(1))))
        }
        return source.map { RecordedLoads(source: $0, rows: rows) }
    }

    /// The loads by layer and expert; 0 where there is no row. None for a model with more than `limit` of them.
    func loads(layers: Int, experts: Int) -> [[Double]] {
        guard layers * experts <= Self.limit else { return [] }
        var loads = [[Double]](repeating: [Double](repeating: 0, count: experts), count: layers)
        for row in rows where row.layer < layers && row.expert < experts { loads[row.layer][row.expert] = row.tokens }
        return loads
    }

    /// Whatever keeps these from being the loads of `model`'s experts, at its place in the file.
    func report(against model: ModelShape, to reading: Reading) {
        let layers = model.expertLayers
        let experts = model.experts?.count ?? 0
        guard layers * experts <= Self.limit else {
            let text = "found loads for \(experts) experts in each of the \(layers) layers of \(model.name), expected at most \(Self.limit) in all"
            return reading.report(Mark(source: source), text)
        }
        var found = [Int](repeating: 0, count: layers * experts)
        var firsts = [Int32?](repeating: nil, count: layers)
        var sums = [Double](repeating: 0, count: layers)
        var mistakes: [(Mark, String)] = []
        for row in rows {
            if row.layer >= layers {
                let text = "found layer \(row.layer), expected 0 to \(layers - 1): \(model.name) has \(layers) layers with experts"
                mistakes.append((Mark(source: source, line: row.line), text))
            } else if row.expert >= experts {
                let text = "found expert \(row.expert), expected 0 to \(experts - 1): \(model.name) has \(experts) experts in a layer"
                mistakes.append((Mark(source: source, line: row.line, column: row.column), text))
            } else {
                found[row.layer * experts + row.expert] += 1
                firsts[row.layer] = firsts[row.layer] ?? row.line
                sums[row.layer] += row.tokens
            }
        }
        let end = rows.last?.line ?? 1
        for layer in 0..<layers {
            guard let first = firsts[layer] else {
                mistakes.append((Mark(source: source, line: end), "found no row for layer \(layer), expected one for each of its \(experts) experts"))
                continue
            }
            for expert in 0..<experts where found[layer * experts + expert] == 0 {
                let text = "found no row for expert \(expert) of layer \(layer), expected one for each of its \(experts) experts"
                mistakes.append((Mark(source: source, line: first), text))
            }
            if sums[layer] == 0 {
                mistakes.append((Mark(source: source, line: first), "found 0 tokens for every expert of layer \(layer), expected more for one"))
            }
        }
        for (mark, text) in mistakes.prefix(TableFile.reported) { reading.report(mark, text) }
        if mistakes.count > TableFile.reported {
            let rest = mistakes.count - TableFile.reported
            reading.report(Mark(source: source, line: end), "found \(rest) more mistakes in these loads, expected none")
        }
    }
}
