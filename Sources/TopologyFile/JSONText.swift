/// A JSON value whose object keys keep their order, so that its text is the same at every run.
enum JSON {
    case text(String)
    /// A number as it is to be written.
    case number(String)
    case flag(Bool)
    case list([JSON])
    case object([(String, JSON)])
    /// A schema that stands under `definitions` by its name and is written as a reference to it.
    case definition(Definition)

    /// A schema with a name.
    final class Definition {
        let name: String
        let schema: JSON

        init(_ name: String, _ schema: JSON) {
            self.name = name
            self.schema = schema
        }
    }

    /// This object with more entries; anything else unchanged.
    func adding(_ more: [(String, JSON)]) -> JSON {
        switch self {
        case .object(let entries): .object(entries + more)
        // Draft-07 ignores what stands beside a reference.
        case .definition: .object([("allOf", .list([self]))] + more)
        default: self
        }
    }

    /// The definitions inside, each once, those that others use first.
    var definitions: [(String, JSON)] {
        switch self {
        case .text, .number, .flag: return []
        case .list(let items): return Self.distinct(items.flatMap(\.definitions))
        case .object(let entries): return Self.distinct(entries.flatMap { $0.1.definitions })
        case .definition(let definition): return Self.distinct(definition.schema.definitions + [(definition.name, definition.schema)])
        }
    }

    private static func distinct(_ definitions: [(String, JSON)]) -> [(String, JSON)] {
        var seen: Set<String> = []
        return definitions.filter { seen.insert($0.0).inserted }
    }

    /// This object with another's entries behind its own; anything else unchanged.
    func merging(_ other: JSON) -> JSON {
        guard case .object(let entries) = other else { return self }
        return adding(entries)
    }

    /// Indented text.
    func render(indent: Int = 0) -> String {
        let inner = String(repeating: "  ", count: indent + 1)
        let outer = String(repeating: "  ", count: indent)
        switch self {
        case .text(let text): return YAMLWriter.escaped(text)
        case .number(let digits): return digits
        case .flag(let flag): return flag ? "true" : "false"
        case .list(let items):
            guard items.contains(where: \.isNested) else { return "[" + items.map { $0.render() }.joined(separator: ", ") + "]" }
            return "[\n" + items.map { inner + $0.render(indent: indent + 1) }.joined(separator: ",\n") + "\n\(outer)]"
        case .object(let entries):
            guard !entries.isEmpty else { return "{}" }
            return "{\n" + entries.map { inner + YAMLWriter.escaped($0.0) + ": " + $0.1.render(indent: indent + 1) }.joined(separator: ",\n")
                + "\n\(outer)}"
        case .definition(let definition): return JSON.object([("$ref", .text("#/definitions/" + definition.name))]).render(indent: indent)
        }
    }

    private var isNested: Bool {
        switch self {
        case .list, .object, .definition: true
        default: false
        }
    }
}

extension YAMLNode {
    /// The same value as JSON: how the schema shows a default.
    var json: JSON {
        switch content {
        case .mapping(let entries): .object(entries.map { ($0.key, $0.value.json) })
        case .sequence(let items): .list(items.map(\.json))
        case .scalar(let text, let isPlain):
            if isPlain, text == "true" || text == "false" {
                .flag(text == "true")
            } else if isPlain, Double(text) != nil {
                .number(text)
            } else {
                .text(text)
            }
        }
    }
}
