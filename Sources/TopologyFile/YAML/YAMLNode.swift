/// Where a node stands: a source (the file, or one of the settings) and a line and column in it, both from 1.
struct Mark: Hashable {
    /// Index into the sources of the reading.
    var source: Int32 = 0
    var line: Int32 = 1
    var column: Int32 = 1
}

/// A YAML value with its place. Aliases and merge keys are expanded already.
struct YAMLNode {
    enum Content {
        /// A scalar's text; a quoted one is always text, a plain one may be a number, a boolean or null.
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        case mapping([YAMLEntry])
    }

    var mark: Mark
    var content: Content
    /// Nodes in this subtree: what a copy of it costs to walk.
    var size = 1
    /// Levels of this subtree.
    var height = 1

    /// A plain scalar, for writing.
    static func plain(_ text: String) -> YAMLNode { YAMLNode(mark: Mark(), content: .scalar(text, isPlain: true)) }

    /// Text, for writing: quoted where its plain form would read as something else.
    static func text(_ text: String) -> YAMLNode { YAMLNode(mark: Mark(), content: .scalar(text, isPlain: isSafelyPlain(text))) }

    /// A mapping, for writing.
    static func mapping(_ entries: [(String, YAMLNode)]) -> YAMLNode {
        YAMLNode(mark: Mark(), content: .mapping(entries.map { YAMLEntry(key: $0.0, keyMark: Mark(), value: $0.1) }))
    }

    /// A sequence, for writing.
    static func sequence(_ items: [YAMLNode]) -> YAMLNode { YAMLNode(mark: Mark(), content: .sequence(items)) }

    /// Whether this is null: `~`, `null` or nothing at all.
    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }

    /// Whether this is a mapping.
    var isMapping: Bool { if case .mapping = content { true } else { false } }

    /// What this is, for the first half of an error.
    var found: String {
        switch content {
        case .mapping: return "found a mapping"
        case .sequence: return "found a list"
        case .scalar(let text, let isPlain):
            if isNull { return "found nothing" }
            return isPlain ? "found \(quoted(text))" : "found the text \(quoted(text))"
        }
    }

    private static func isSafelyPlain(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.allSatisfy(isPlainByte) else { return false }
        guard (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first | 0x20) || first == UInt8(ascii: "/") else { return false }
        // Words that some YAML version takes for something else.
        return !["null", "true", "false", "yes", "no", "on", "off", "y", "n", "inf", "nan"].contains(text.lowercased())
    }

    private static func isPlainByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
        case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "/"): true
        default: false
        }
    }
}

/// A key of a mapping and its value.
struct YAMLEntry {
    var key: String
    var keyMark: Mark
    var value: YAMLNode
}
