/// A key of a topology and the values to compare: `path.to.key=a,b,{name: c, parameter: 1}`.
public struct Variation: Sendable, Equatable {
    /// Names with dots between them.
    public var path: String
    /// As typed, without white space at their ends.
    public var values: [String]

    /// What is wrong with a variation.
    public struct Mistake: Error, Sendable, Equatable, CustomStringConvertible {
        public var description: String
    }

    public init(_ text: String) throws(Mistake) {
        guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
            throw Mistake(description: "found '\(text)', expected path.to.key=a,b,c")
        }
        path = String(text[..<equals])
        values = try Self.split(text[text.index(after: equals)...])
        if let twice = values.indices.first(where: { values[..<$0].contains(values[$0]) }) {
            throw Mistake(description: "\(path): found the value '\(values[twice])' twice, expected each once")
        }
    }

    /// What is wrong with a text, or `nil`.
    @Sendable public static func problem(in text: String) -> String? {
        do throws(Mistake) {
            _ = try Variation(text)
            return nil
        } catch {
            return error.description
        }
    }

    /// The values of a list, split at the commas that no brackets or quotes enclose.
    public static func split(_ text: some StringProtocol) throws(Mistake) -> [String] {
        var values: [String] = []
        var value = ""
        var closers: [Character] = []
        var quote: Character?
        func add() throws(Mistake) {
            let trimmed = trim(value)
            guard !trimmed.isEmpty else { throw Mistake(description: "found an empty value in '\(text)', expected values with commas between them") }
            values.append(trimmed)
            value = ""
        }
        for character in text {
            if let open = quote {
                if character == open { quote = nil }
            } else {
                switch character {
                case "," where closers.isEmpty:
                    try add()
                    continue
                // Within a word they are letters, as in YAML.
                case "'" where trim(value).isEmpty || !closers.isEmpty, "\"" where trim(value).isEmpty || !closers.isEmpty: quote = character
                case "{": closers.append("}")
                case "[": closers.append("]")
                case "}", "]":
                    guard closers.popLast() == character else {
                        throw Mistake(description: "found '\(character)' in '\(text)' where nothing is open that it closes")
                    }
                default: break
                }
            }
            value.append(character)
        }
        if let open = quote.map(String.init) ?? closers.last.map(String.init) {
            throw Mistake(description: "found no '\(open)' at the end of '\(text)', expected brackets and quotes to be closed")
        }
        try add()
        return values
    }

    /// Every combination of the variations' values, the last one changing fastest; one without values where there are no variations.
    public static func cross(_ variations: [Variation]) -> [[String]] {
        variations.reduce([[]]) { crossed, variation in crossed.flatMap { earlier in variation.values.map { earlier + [$0] } } }
    }

    /// How many combinations there are, at most `Int.max`.
    public static func count(_ variations: [Variation]) -> Int {
        variations.reduce(1) { product, variation in
            let (result, overflow) = product.multipliedReportingOverflow(by: variation.values.count)
            return overflow ? .max : result
        }
    }

    /// Names for columns: the last part of each path, or the whole of it where two would be the same.
    public static func headings(_ variations: [Variation]) -> [String] {
        let last = variations.map { $0.path.split(separator: ".").last.map(String.init) ?? $0.path }
        return zip(variations, last).map { variation, name in last.count { $0 == name } > 1 ? variation.path : name }
    }

    private static func trim(_ text: String) -> String {
        var rest = text.drop(while: \.isWhitespace)
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }
}
