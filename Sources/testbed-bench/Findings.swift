import Records
import Terminal

/// Figures by part, in order.
struct Findings {
    private struct Finding {
        var part: String
        var name: String
        var value: Double
        var unit: String
    }

    private var list: [Finding] = []
    /// The machine's load average before the first measurement.
    var load = Double.nan

    mutating func add(_ part: String, _ name: String, _ value: Double, _ unit: String) {
        list.append(Finding(part: part, name: name, value: value, unit: unit))
    }

    private var parts: [String] { list.map(\.part).reduce(into: []) { parts, part in if parts.last != part { parts.append(part) } } }

    /// For people.
    var text: String {
        var lines = ["load average before: \(Figures.number(load))", ""]
        for part in parts {
            var table = TextTable([.init(""), .init("", .right), .init("")])
            for finding in list where finding.part == part { table.add(["  " + finding.name, figure(finding.value), finding.unit]) }
            lines += [part] + table.lines() + [""]
        }
        return lines.joined(separator: "\n")
    }

    private func figure(_ value: Double) -> String {
        value.magnitude >= 10_000 && value.magnitude < 1e15 ? Figures.count(Int64(value.rounded())) : Figures.number(value)
    }

    /// For machines.
    var json: JSONValue {
        let parts = self.parts.map { part in
            JSONValue.Member(
                part,
                .object(
                    list.filter { $0.part == part }.map { finding in
                        JSONValue.Member(finding.name, ["value": .number(finding.value), "unit": .string(finding.unit)])
                    }))
        }
        return .object([JSONValue.Member("load_average_before", .number(load))] + parts)
    }
}
