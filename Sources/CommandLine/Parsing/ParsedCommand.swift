/// What a command line asks for.
public enum Invocation: Sendable, Equatable {
    /// Do this.
    case run(ParsedCommand)
    /// Print help: of a verb, or of all.
    case help(verb: String?)
}

/// A command line that the table allows. The parser has checked every value against its kind.
public struct ParsedCommand: Sendable, Equatable {
    public var verb: String
    /// Positional arguments in order.
    public var arguments: [String]
    /// Options in the order given, by their long name; a flag has no value.
    var options: [GivenOption]

    struct GivenOption: Sendable, Equatable {
        var name: String
        var value: String?
    }

    /// Whether the option was given.
    public func has(_ option: String) -> Bool { options.contains { $0.name == option } }

    /// The option's value as typed.
    public func text(_ option: String) -> String? { texts(option).last }

    /// The values of a repeatable option in the order given.
    public func texts(_ option: String) -> [String] { options.filter { $0.name == option }.compactMap(\.value) }

    /// The value of an option of kind `.integer`.
    public func integer(_ option: String) -> UInt64? { text(option).flatMap { UInt64($0) } }

    /// The value of an option of kind `.positiveNumber`.
    public func number(_ option: String) -> Double? { text(option).flatMap(plainNumber) }

    /// The words of an option of kind `.list`; `nil` when it was not given.
    public func list(_ option: String) -> [String]? {
        has(option) ? texts(option).flatMap { $0.split(separator: ",").map(String.init) } : nil
    }

    /// The values of an option of kind `.assignment`, cut at the first `=`.
    public func assignments(_ option: String) -> [(key: String, value: String)] {
        texts(option).compactMap { text in
            guard let sign = text.firstIndex(of: "=") else { return nil }
            return (String(text[..<sign]), String(text[text.index(after: sign)...]))
        }
    }
}

/// A finite decimal number without a unit, such as `0.5`, `-2` or `1e-3`; `nil` for anything else, hexadecimal and `nan` included.
func plainNumber(_ text: some StringProtocol) -> Double? {
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) }), let number = Double(text), number.isFinite else {
        return nil
    }
    return number
}
