import Quantities

/// How one kind of value stands in a topology: read with diagnostics, written so that it reads back equal, and described as JSON schema.
struct Codec<Value> {
    /// Makes the schema, which only editors need: reading must be quick.
    private let makeSchema: () -> JSON
    /// Reads a node. The second argument is the value that it refines: inherited, or the default. `nil` after a report.
    var read: (YAMLNode, Value?, Reading) -> Value?
    /// Writes a value; `nil` leaves its key out.
    var write: (Value) -> YAMLNode?

    init(schema: @autoclosure @escaping () -> JSON, read: @escaping (YAMLNode, Value?, Reading) -> Value?, write: @escaping (Value) -> YAMLNode?) {
        makeSchema = schema
        self.read = read
        self.write = write
    }

    /// JSON schema (draft-07) of the value.
    var schema: JSON { makeSchema() }

    /// The same codec, whose schema stands once under `name` and is referred to elsewhere.
    func defined(as name: String) -> Codec {
        Codec(schema: .definition(JSON.Definition(name, schema)), read: read, write: write)
    }

    /// The same values under another type.
    func map<Other>(_ to: @escaping (Value) -> Other?, _ from: @escaping (Other) -> Value?) -> Codec<Other> {
        Codec<Other>(
            schema: schema,
            read: { node, base, reading in read(node, base.flatMap(from), reading).flatMap(to) },
            write: { from($0).flatMap(write) })
    }

    /// A value or none; none is left out when written, and cannot be written in a file but by leaving the key out.
    var optional: Codec<Value?> {
        Codec<Value?>(
            schema: schema, read: { node, base, reading in read(node, base ?? nil, reading).map(Optional.some) }, write: { $0.flatMap(write) })
    }

    /// A value or none; none is spelled `word`.
    func or(_ word: String) -> Codec<Value?> {
        Codec<Value?>(
            schema: .object([("anyOf", .list([.object([("const", .text(word))]), schema]))]),
            read: { node, base, reading in
                if case .scalar(word, _) = node.content { return .some(nil) }
                return read(node, base ?? nil, reading).map(Optional.some)
            },
            write: { $0.map(write) ?? .plain(word) })
    }
}

extension Codec where Value == Bool {
    /// `true` or `false`, as in YAML 1.2: `no` is text.
    static var flag: Codec {
        Codec(
            schema: .object([("type", .text("boolean"))]),
            read: { node, _, reading in
                if case .scalar(let text, isPlain: true) = node.content {
                    if ["true", "True", "TRUE"].contains(text) { return true }
                    if ["false", "False", "FALSE"].contains(text) { return false }
                }
                reading.report(node.mark, "\(node.found), expected true or false")
                return nil
            },
            write: { .plain($0 ? "true" : "false") })
    }
}

extension Codec where Value: FixedWidthInteger {
    /// A whole number in `range`, counting `what`.
    static func integer(_ range: ClosedRange<Value>, _ what: String = "a whole number") -> Codec {
        let limits = range.lowerBound == range.upperBound ? "\(what) \(range.lowerBound)" : "\(what) from \(range.lowerBound) to \(range.upperBound)"
        return Codec(
            schema: .object([
                ("type", .text("integer")), ("minimum", .number("\(range.lowerBound)")), ("maximum", .number("\(range.upperBound)")),
            ]),
            read: { node, _, reading in
                guard case .scalar(let text, isPlain: true) = node.content, let value = Value(text), range.contains(value) else {
                    reading.report(node.mark, "\(node.found), expected \(limits)")
                    return nil
                }
                return value
            },
            write: { .plain("\($0)") })
    }
}

extension Codec where Value == Double {
    /// A number in `range`; without its lower end when `isOpen`.
    static func number(_ range: ClosedRange<Double>, isOpen: Bool = false) -> Codec {
        let low = plainText(range.lowerBound)
        let limits = "a number \(isOpen ? "above" : "from") \(low)\(isOpen ? ", at most" : " to") \(plainText(range.upperBound))"
        return Codec(
            schema: .object([
                ("type", .text("number")), (isOpen ? "exclusiveMinimum" : "minimum", .number(low)), ("maximum", .number(plainText(range.upperBound))),
            ]),
            read: { node, _, reading in
                guard case .scalar(let text, isPlain: true) = node.content, isDecimal(text), let value = Double(text), range.contains(value),
                    !isOpen || value > range.lowerBound
                else {
                    reading.report(node.mark, "\(node.found), expected \(limits)")
                    return nil
                }
                return value
            },
            write: { .plain(plainText($0)) })
    }

    /// Requests per second: `5.4/s`, `300/min`; a bare number counts per second. Above 0 (or 0 too) and at most a million.
    static func rate(allowsZero: Bool = false) -> Codec {
        let limit = 1e6
        return Codec(
            schema: .object([
                (
                    "anyOf",
                    .list([
                        .object([("type", .text("string")), ("pattern", .text(RateUnit.pattern))]),
                        .object([
                            ("type", .text("number")), (allowsZero ? "minimum" : "exclusiveMinimum", .number("0")), ("maximum", .number("1000000")),
                        ]),
                    ])
                )
            ]),
            read: { node, _, reading in
                readUnit(node, reading, expected: RateUnit.expectation, limits: "a rate above 0, at most 1000000/s") { text throws(UnitError) in
                    if isDecimal(text), let bare = Double(text) { return bare }
                    return try RateUnit.parse(text)
                } accepts: {
                    (allowsZero ? $0 >= 0 : $0 > 0) && $0 <= limit
                }
            },
            write: { .plain(RateUnit.format($0)) })
    }

    /// FLOP/s: `989TFLOP/s`, from 1 GFLOP/s (or 0) to 1,000 PFLOP/s.
    static func compute(allowsZero: Bool = false) -> Codec {
        Codec(
            schema: .object([("type", .text("string")), ("pattern", .text(ComputeUnit.pattern))]),
            read: { node, _, reading in
                readUnit(node, reading, expected: ComputeUnit.expectation, limits: "1GFLOP/s to 1000PFLOP/s") { text throws(UnitError) in
                    try ComputeUnit.parse(text)
                } accepts: {
                    (1e9...1e18).contains($0) || (allowsZero && $0 == 0)
                }
            },
            write: { .plain(ComputeUnit.format($0)) })
    }
}

extension Codec where Value == Int64 {
    /// A value with a unit, in `range` of base units.
    static func quantity(_ scale: UnitScale, _ range: ClosedRange<Int64>) -> Codec {
        let limits = "\(scale.quantity) from \(scale.format(range.lowerBound)) to \(scale.format(range.upperBound))"
        return Codec(
            schema: .object([("type", .text("string")), ("pattern", .text(scale.pattern))]),
            read: { node, _, reading in
                readUnit(node, reading, expected: scale.expectation, limits: limits) { text throws(UnitError) in
                    try scale.parse(text)
                } accepts: {
                    range.contains($0)
                }
            },
            write: { .plain(scale.format($0)) })
    }
}

extension Codec where Value == String {
    /// Text that `accepts` takes; `what` says what that is and `pattern` says it to the schema.
    static func text(_ what: String, pattern: String? = nil, accepts: @escaping (String) -> Bool) -> Codec {
        Codec(
            schema: .object([("type", .text("string"))] + (pattern.map { [("pattern", .text($0))] } ?? [])),
            read: { node, _, reading in
                guard case .scalar(let text, _) = node.content, !node.isNull, accepts(text) else {
                    reading.report(node.mark, "\(node.found), expected \(what)")
                    return nil
                }
                return text
            },
            write: { .text($0) })
    }

    /// One of `names`; an alias stands for its name.
    static func name(_ what: String, _ names: [String], aliases: [String: String] = [:]) -> Codec {
        let all = names + aliases.keys.sorted()
        return Codec(
            schema: .object([("enum", .list(all.map { .text($0) }))]),
            read: { node, _, reading in
                guard case .scalar(let text, _) = node.content, !node.isNull else {
                    reading.report(node.mark, "\(node.found), expected a \(what) (\(listed(names)))")
                    return nil
                }
                if let name = names.contains(text) ? text : aliases[text] { return name }
                reading.report(node.mark, "unknown \(what) \(quoted(text)), expected one of \(listed(names))" + suggestion(nearest(text, among: all)))
                return nil
            },
            write: { .text($0) })
    }
}

extension Codec where Value: RawRepresentable<String> {
    /// One of the given cases by its raw value.
    static func choice(_ what: String, _ cases: [Value]) -> Codec {
        Codec<String>.name(what, cases.map(\.rawValue)).map({ Value(rawValue: $0) }, { $0.rawValue })
    }
}

/// Whether a plain scalar is a decimal number: digits, at most one point and exponent, no `inf`, `nan` or hexadecimal.
func isDecimal(_ text: String) -> Bool {
    guard let first = text.utf8.first, text.utf8.last != UInt8(ascii: ".") else { return false }
    return first != UInt8(ascii: ".") && text.utf8.allSatisfy { "+-.eE".utf8.contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
}

/// Reads a scalar with a unit.
private func readUnit<Number>(
    _ node: YAMLNode, _ reading: Reading, expected: String, limits: String, parse: (String) throws(UnitError) -> Number, accepts: (Number) -> Bool
) -> Number? {
    guard case .scalar(let text, _) = node.content, !node.isNull else {
        reading.report(node.mark, "\(node.found), expected \(expected)")
        return nil
    }
    do throws(UnitError) {
        let value = try parse(text)
        if accepts(value) { return value }
        reading.report(node.mark, "\(node.found), expected \(limits)")
    } catch {
        switch error {
        case .noNumber: reading.report(node.mark, "\(node.found), expected \(expected)")
        case .noUnit: reading.report(node.mark, "\(node.found) without a unit, expected \(expected)")
        case .unknownUnit(let unit, let near):
            reading.report(node.mark, "\(node.found) with the unknown unit \(quoted(unit)), expected \(expected)" + suggestion(near))
        case .outOfRange: reading.report(node.mark, "\(node.found), expected \(limits)")
        }
    }
    return nil
}
