import Quantities

/// A tree that is written as YAML, with every text quoted that would read as anything else.
enum Manifest {
    case text(String)
    /// A whole number or a truth value, which stand as they are.
    case number(Int)
    case flag(Bool)
    case list([Manifest])
    /// In this order.
    case map([(String, Manifest)])

    /// A list of texts.
    static func texts(_ texts: [String]) -> Manifest { .list(texts.map { .text($0) }) }

    /// A mapping of texts.
    static func labels(_ labels: [(String, String)]) -> Manifest { .map(labels.map { ($0.0, .text($0.1)) }) }

    /// Documents one after the other.
    static func stream(_ documents: [Manifest]) -> String { documents.map { "---\n" + $0.document }.joined() }

    /// The text of one document, with a line break at its end.
    var document: String {
        var lines: [String] = []
        write(to: &lines, indent: 0, head: "")
        return lines.joined(separator: "\n") + "\n"
    }

    /// - Parameter head: what stands before it in its first line, such as `key:` or `-`.
    private func write(to lines: inout [String], indent: Int, head: String) {
        let margin = String(repeating: " ", count: indent)
        if let line = flow {
            lines.append(head.isEmpty ? margin + line : head + " " + line)
            return
        }
        switch self {
        case .text(let text):
            lines.append(head + " |")
            lines += text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map { $0.isEmpty ? "" : margin + $0 }
        case .map(let entries):
            var isFirst = true
            if !head.isEmpty, !head.hasSuffix("-") { lines.append(head) }
            for (key, value) in entries {
                let start = isFirst && head.hasSuffix("-") ? head + " " : margin
                value.write(to: &lines, indent: indent + 2, head: start + Self.scalar(key) + ":")
                isFirst = false
            }
        case .list(let items):
            if !head.isEmpty { lines.append(head) }
            for item in items { item.write(to: &lines, indent: indent + 2, head: margin + "-") }
        case .number, .flag: break
        }
    }

    /// What goes on one line: scalars, what is empty, and lists of nothing but scalars. `nil` for the rest.
    private var flow: String? {
        switch self {
        case .text(let text): return Self.isBlock(text) ? nil : Self.scalar(text)
        case .number(let number): return "\(number)"
        case .flag(let flag): return flag ? "true" : "false"
        case .map(let entries): return entries.isEmpty ? "{}" : nil
        case .list(let items):
            var words: [String] = []
            for item in items {
                switch item {
                case .list, .map: return nil
                default: break
                }
                guard let word = item.flow else { return nil }
                words.append(word)
            }
            return "[" + words.joined(separator: ", ") + "]"
        }
    }

    /// Whether a text can stand as a block of lines: several, printable, with a break after the last, and not beginning with a space.
    private static func isBlock(_ text: String) -> Bool {
        let bytes = text.utf8
        guard let first = bytes.first, first > 0x20, bytes.last == 0x0A, !text.hasSuffix("\n\n") else { return false }
        return bytes.allSatisfy { (0x20..<0x7F).contains($0) || $0 == 0x0A }
    }

    /// One word, in quotes unless it is safe without.
    private static func scalar(_ text: String) -> String {
        let isPlain =
            text.utf8.first.map { isLetter($0) } == true
            && text.utf8.allSatisfy { isLetter($0) || (0x30...0x39).contains($0) || [0x2D, 0x2E, 0x2F, 0x5F].contains($0) }
        let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "inf", "nan"]
        return isPlain && !words.contains(text.lowercased()) ? text : quoted(text)
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }

    /// Text in double quotes, in ASCII alone, with the escapes of YAML.
    static func quoted(_ text: String) -> String {
        doubleQuoted(text) { !(0x20..<0x7F).contains($0.value) }
    }
}

/// Bytes as text of 64 letters (RFC 4648), for what is no text.
enum Base64 {
    private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func text(_ bytes: [UInt8]) -> String {
        var out: [UInt8] = []
        out.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let count = min(3, bytes.count - start)
            var word: UInt32 = 0
            for place in 0..<3 { word = word << 8 | (place < count ? UInt32(bytes[start + place]) : 0) }
            for place in 0..<4 { out.append(place <= count ? letters[Int(word >> UInt32(18 - 6 * place) & 63)] : UInt8(ascii: "=")) }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
