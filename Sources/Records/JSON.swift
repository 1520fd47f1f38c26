import Quantities

/// A JSON value. Objects keep the order of their members, so the same value is always the same text.
public indirect enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    /// A whole number, written exactly.
    case integer(Int64)
    /// A whole number beyond the range of `Int64`, such as a seed, written exactly.
    case unsigned(UInt64)
    /// A number, written as the shortest text that reads back as the same one; not a number or infinite: `null`.
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([Member])

    /// A key and its value.
    public struct Member: Sendable, Equatable {
        public var key: String
        public var value: JSONValue

        public init(_ key: String, _ value: JSONValue) {
            self.key = key
            self.value = value
        }
    }

    /// How a value is laid out.
    public enum Layout: Sendable {
        /// No white space: one value fits a line.
        case compact
        /// One member a line, two spaces of indentation.
        case pretty
    }

    /// A number where there is one, else `null`.
    public static func number(orNull number: Double?) -> JSONValue {
        number.map(JSONValue.number) ?? .null
    }

    /// The value as text, without a newline at its end.
    public func text(_ layout: Layout = .compact) -> String {
        var buffer = TextBuffer()
        buffer.append(self, layout)
        return String(decoding: buffer.bytes, as: UTF8.self)
    }
}

extension JSONValue: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(elements.map { Member($0.0, $0.1) })
    }
}

extension JSONValue: ExpressibleByStringLiteral {
    public init(stringLiteral value: String) { self = .string(value) }
}

extension TextBuffer {
    /// Appends a JSON value, without a newline at its end.
    public mutating func append(_ value: JSONValue, _ layout: JSONValue.Layout = .compact) {
        append(value, layout, depth: 0)
    }

    private mutating func append(_ value: JSONValue, _ layout: JSONValue.Layout, depth: Int) {
        switch value {
        case .null: append("null")
        case .bool(let flag): append(flag ? "true" : "false")
        case .integer(let number): append(number)
        case .unsigned(let number): append(String(number))
        case .number(let number): append(number.isFinite ? number.description : "null")
        case .string(let text): append(quoted: text)
        case .array(let elements):
            enclose(elements, "[", "]", layout, depth) { buffer, element in buffer.append(element, layout, depth: depth + 1) }
        case .object(let members):
            enclose(members, "{", "}", layout, depth) { buffer, member in
                buffer.append(quoted: member.key)
                buffer.append(layout == .pretty ? ": " : ":")
                buffer.append(member.value, layout, depth: depth + 1)
            }
        }
    }

    private mutating func enclose<Item>(
        _ items: [Item], _ open: String, _ close: String, _ layout: JSONValue.Layout, _ depth: Int, _ write: (inout TextBuffer, Item) -> Void
    ) {
        append(open)
        var first = true
        for item in items {
            if !first { append(ascii: UInt8(ascii: ",")) }
            first = false
            startLine(layout, depth + 1)
            write(&self, item)
        }
        if !first { startLine(layout, depth) }
        append(close)
    }

    private mutating func startLine(_ layout: JSONValue.Layout, _ depth: Int) {
        guard layout == .pretty else { return }
        append(ascii: UInt8(ascii: "\n"))
        for _ in 0..<depth { append("  ") }
    }

    /// Appends text between quotes, escaped as RFC 8259 asks: quote, backslash and control characters.
    private mutating func append(quoted text: String) {
        append(ascii: UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): append("\\\"")
            case UInt8(ascii: "\\"): append("\\\\")
            case UInt8(ascii: "\n"): append("\\n")
            case UInt8(ascii: "\r"): append("\\r")
            case UInt8(ascii: "\t"): append("\\t")
            case 0..<0x20: append(byte < 0x10 ? "\\u000" : "\\u00", hex: byte)
            default: append(ascii: byte)
            }
        }
        append(ascii: UInt8(ascii: "\""))
    }

    private mutating func append(_ prefix: String, hex byte: UInt8) {
        append(prefix)
        append(String(byte, radix: 16))
    }
}
