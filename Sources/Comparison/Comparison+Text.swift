import Quantities
import Records
import Terminal

extension Comparison {
    private var variations: [Variation] { design.variations }
    private var metric: Metric { design.metric }
    private var seeds: [UInt64] { design.seeds }

    /// For people: one table, the best first, and what to know when reading it.
    public func text(_ style: Style) -> String {
        let direction = metric.lowerIsBetter ? "lower" : "higher"
        let count = seeds.count == 1 ? "seed" : "\(seeds.count) seeds from"
        var lines = ["\(design.name)  \(metric.path), \(direction) is better; \(count) \(seeds[0]), \(design.clock) clock", ""]
        lines += table.lines(style: style)
        let notes = notes
        if !notes.isEmpty { lines += [""] + notes }
        return lines.map { $0 + "\n" }.joined()
    }

    private var hasBounds: Bool { rows.contains { $0.ratio != nil } }
    private var lacksRuns: Bool { rows.contains { $0.count < seeds.count } }

    private var table: TextTable {
        let headings = variations.isEmpty ? ["variant"] : Variation.headings(variations)
        var columns = headings.map { TextTable.Column($0) }
        if lacksRuns { columns.append(.init("runs", .right)) }
        columns += [.init(metric.path, .right), .init("difference", .right), .init("±", .right), .init("verdict")]
        if hasBounds { columns.append(.init("to bound", .right)) }
        for kind in shownKinds { columns += [.init("\(kind) p50", .right), .init("p99", .right)] }
        var table = TextTable(columns)
        for row in rows { table.add(cells(row)) }
        return table
    }

    private func cells(_ row: Row) -> [String] {
        var cells = variations.isEmpty ? ["as written"] : values[row.variant]
        if lacksRuns { cells.append("\(row.count)/\(seeds.count)") }
        cells.append(row.mean.map(metric.text) ?? "-")
        cells.append(row.difference.map { relative($0.mean, signed: true) } ?? "-")
        cells.append(row.difference?.halfWidth.map { relative($0, signed: false) } ?? "-")
        let verdict = verdict(row)
        cells.append(verdict == .unknown ? "-" : verdict == .baseline && row.variant == rows[0].variant ? "best" : verdict.rawValue)
        if hasBounds { cells.append(row.ratio.map { Figures.fixed($0, decimals: 3) } ?? "-") }
        for kind in shownKinds {
            let decisions = row.decisions.first { $0.kind == kind }
            cells += [decisions?.p50, decisions?.p99].map { $0.map(Figures.time) ?? "-" }
        }
        return cells
    }

    /// A difference as a share of the baseline's mean, or as it is where that is 0.
    private func relative(_ difference: Double, signed: Bool) -> String {
        let sign = signed && difference > 0 ? "+" : ""
        guard let mean = rows.first(where: { $0.variant == baseline })?.mean, mean != 0 else { return sign + metric.text(difference) }
        let share = difference / mean.magnitude * 100
        return sign + Figures.number(share) + "%"
    }

    /// The kinds of decisions whose policy differs between variants; routing where none does.
    private var shownKinds: [String] {
        let kinds = rows.first { !$0.decisions.isEmpty }?.decisions.map(\.kind) ?? []
        let varied = kinds.filter { kind in
            let policies = rows.compactMap { row in row.decisions.first { $0.kind == kind }?.policy }
            return policies.contains { $0 != policies[0] }
        }
        return varied.isEmpty ? kinds.filter { $0 == "routing" } : varied
    }

    private var notes: [String] {
        var notes: [String] = []
        for row in rows {
            let count = runs[row.variant].count { $0?.fellBack == true }
            guard count > 0 else { continue }
            let label = variations.isEmpty ? "as written" : values[row.variant].joined(separator: ", ")
            notes.append("FELL BACK: in \(count) of \(seeds.count) runs of \(label) a program was given up, and its fallback decided.")
        }
        let percent = design.confidence * 100
        let share = percent == percent.rounded() ? Figures.fixed(percent, decimals: 0) : Figures.number(percent)
        if seeds.count > 1, runs.count > 1 {
            notes.append("±: half of the \(share)% interval of the paired difference, by Student's t; each variant for itself.")
        } else if runs.count > 1 {
            notes.append("One seed says nothing of chance: --seeds N gives intervals.")
        }
        if design.isRecordedWorkload, seeds.count > 1 {
            notes.append("The workload is a recorded trace, the same for every seed: intervals tell of chance in predictions and policies alone.")
        }
        if design.isVariedWorkload { notes.append("Variants differ in the workload: they do not see the same requests.") }
        return notes
    }
}

extension Comparison {
    /// For machines: the rows, and every run.
    public var json: JSONValue {
        [
            "name": .string(design.name), "clock": .string(design.clock), "metric": .string(metric.path),
            "lower_is_better": .bool(metric.lowerIsBetter),
            "seeds": .array(seeds.map(JSONValue.unsigned)), "confidence": .number(design.confidence),
            "recorded_workload": .bool(design.isRecordedWorkload), "varied_workload": .bool(design.isVariedWorkload),
            "baseline": baseline.map { label(of: $0) } ?? .null, "variants": .array(rows.map(json)),
        ]
    }

    private func label(of variant: Int) -> JSONValue {
        .object(zip(variations, values[variant]).map { JSONValue.Member($0.path, .string($1)) })
    }

    private func json(_ row: Row) -> JSONValue {
        var difference = JSONValue.null
        if let paired = row.difference {
            difference = [
                "pairs": .integer(Int64(paired.count)), "mean": .number(paired.mean), "half_width": .number(orNull: paired.halfWidth),
                "low": .number(orNull: paired.halfWidth.map { paired.mean - $0 }),
                "high": .number(orNull: paired.halfWidth.map { paired.mean + $0 }),
            ]
        }
        let decisions = row.decisions.map { kind in
            JSONValue.Member(
                kind.kind, ["policy": .string(kind.policy), "p50_s": .number(orNull: kind.p50), "p99_s": .number(orNull: kind.p99)])
        }
        let all = zip(seeds, runs[row.variant]).map { seed, run -> JSONValue in
            [
                "seed": .unsigned(seed), "failed": .bool(run == nil), "value": .number(orNull: run?.value),
                "bound": .number(orNull: run?.bound), "fell_back": .bool(run?.fellBack ?? false), "folder": run.map { .string($0.folder) } ?? .null,
            ]
        }
        return [
            "values": label(of: row.variant), "mean": .number(orNull: row.mean), "runs_with_value": .integer(Int64(row.count)),
            "difference": difference, "verdict": .string(verdict(row).rawValue), "bound": .number(orNull: row.bound),
            "ratio": .number(orNull: row.ratio), "decisions": .object(decisions), "runs": .array(all),
        ]
    }

    /// As a table for other programs: a row a variant, the best first.
    public var csv: String {
        let kinds = rows.first { !$0.decisions.isEmpty }?.decisions.map(\.kind) ?? []
        var header = variations.map(\.path) + ["runs", metric.path, "difference", "half_width", "verdict", "bound", "ratio"]
        for kind in kinds { header += ["\(kind)_p50_s", "\(kind)_p99_s"] }
        let lines = rows.map { row -> [String] in
            func number(_ value: Double?) -> String { value.map { JSONValue.number($0).text() } ?? "" }
            var fields = values[row.variant] + [String(row.count), number(row.mean), number(row.difference?.mean)]
            fields += [number(row.difference?.halfWidth), verdict(row).rawValue, number(row.bound), number(row.ratio)]
            for kind in kinds {
                let decisions = row.decisions.first { $0.kind == kind }
                fields += [number(decisions?.p50), number(decisions?.p99)]
            }
            return fields
        }
        return ([header] + lines).map { $0.map(Self.field).joined(separator: ",") + "\n" }.joined()
    }

    /// A field of a CSV file (RFC 4180).
    private static func field(_ text: String) -> String {
        guard text.contains(where: { ",\"\n\r".contains($0) }) else { return text }
        return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
}
