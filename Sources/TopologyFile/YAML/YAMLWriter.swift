import Quantities

/// Writes a tree as YAML: block style at the top, flow style for mappings that fit on a line and for items of lists of mappings.
struct YAMLWriter {
    /// Longest line that a flow mapping may make.
    private static let width = 120

    private var buffer = TextBuffer(capacity: 4_096)

    /// The text of `node`, with a line break at its end.
    static func text(_ node: YAMLNode) -> [UInt8] {
        var writer = YAMLWriter()
        writer.block(node, indent: 0)
        return writer.buffer.bytes
    }

    private mutating func block(_ node: YAMLNode, indent: Int) {
        guard case .mapping(let entries) = node.content, !entries.isEmpty else {
            buffer.append(Self.flow(node) + "\n")
            return
        }
        for entry in entries {
            buffer.append(String(repeating: " ", count: indent) + Self.key(entry.key) + ":")
            let line = Self.flow(entry.value)
            let isLong = indent + entry.key.utf8.count + 2 + line.utf8.count > Self.width
            if isLong, case .mapping(let inner) = entry.value.content, !inner.isEmpty {
                buffer.append("\n")
                block(entry.value, indent: indent + 2)
            } else if isLong, case .sequence(let items) = entry.value.content, items.allSatisfy(\.isMapping) {
                buffer.append("\n")
                for item in items { buffer.append(String(repeating: " ", count: indent + 2) + "- " + Self.flow(item) + "\n") }
            } else {
                buffer.append(" " + line + "\n")
            }
        }
    }

    /// One line.
    static func flow(_ node: YAMLNode) -> String {
        switch node.content {
        case .scalar(let text, let isPlain): return isPlain ? text : escaped(text)
        case .sequence(let items): return "[" + items.map(flow).joined(separator: ", ") + "]"
        case .mapping(let entries): return "{" + entries.map { key($0.key) + ": " + flow($0.value) }.joined(separator: ", ") + "}"
        }
    }

    private static func key(_ name: String) -> String { flow(.text(name)) }

    /// Text in double quotes, with escapes that YAML and JSON have in common.
    static func escaped(_ text: String) -> String {
        doubleQuoted(text) { scalar in
            let value = scalar.value
            return value < 0x20 || (0x7F..<0xA0).contains(value) || (0x2028...0x2029).contains(value) || value == 0xFEFF
        }
    }
}
