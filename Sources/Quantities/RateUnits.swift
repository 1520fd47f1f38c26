/// Rates of events, such as requests: `5.4/s`, `300/min`, `18000/h`.
public enum RateUnit {
    static let units: [(name: String, seconds: Double)] = [("/s", 1), ("/min", 60), ("/h", 3_600)]

    /// A regular expression that every rate matches (ECMA 262).
    public static let pattern = "^[0-9]+(\\.[0-9]+)?(\\/s|\\/min|\\/h)$"

    /// What is expected, for an error.
    public static let expectation = "a rate such as 5.4/s (/s, /min, /h)"

    /// The rate per second that `text` names.
    /// - Throws: `UnitError` when there is no number, no unit or an unknown one.
    public static func parse(_ text: String) throws(UnitError) -> Double {
        guard let (_, rest) = Decimal.scan(text[...]) else { throw .noNumber }
        guard !rest.isEmpty else { throw .noUnit }
        guard let unit = units.first(where: { $0.name == rest }) else {
            throw .unknownUnit(String(rest), nearest: nearest(String(rest), among: units.map(\.name)))
        }
        guard let number = Double(text[..<rest.startIndex]), number.isFinite else { throw .outOfRange }
        return number / unit.seconds
    }

    /// `rate` per second, such that it reads back as itself.
    public static func format(_ rate: Double) -> String { plainText(rate) + "/s" }
}

/// Rates of computation: `989TFLOP/s`.
public enum ComputeUnit {
    static let units: [(name: String, exponent: Int)] = [("PFLOP/s", 15), ("TFLOP/s", 12), ("GFLOP/s", 9), ("MFLOP/s", 6), ("FLOP/s", 0)]

    /// A regular expression that every rate of computation matches (ECMA 262).
    public static let pattern = "^[0-9]+(\\.[0-9]+)? ?[PTGM]?FLOP\\/s$"

    /// What is expected, for an error.
    public static let expectation = "a rate of computation such as 989TFLOP/s (GFLOP/s, TFLOP/s, PFLOP/s)"

    /// The FLOP/s that `text` names.
    /// - Throws: `UnitError` when there is no number, no unit or an unknown one.
    public static func parse(_ text: String) throws(UnitError) -> Double {
        guard let (_, rest) = Decimal.scan(text[...]) else { throw .noNumber }
        let name = rest.first == " " ? rest.dropFirst() : rest
        guard !name.isEmpty else { throw .noUnit }
        guard let unit = units.first(where: { $0.name == name }) else {
            throw .unknownUnit(String(name), nearest: nearest(String(name), among: units.map(\.name)))
        }
        // Scaling the decimal text, not the number, keeps the nearest double: what is printed reads back as itself.
        guard let number = Double("\(text[..<rest.startIndex])e\(unit.exponent)"), number.isFinite else { throw .outOfRange }
        return number
    }

    /// `rate` in FLOP/s, such that it reads back as itself.
    public static func format(_ rate: Double) -> String {
        for unit in units where unit.exponent > 0 {
            let scale = Double("1e\(unit.exponent)") ?? 1
            guard rate >= scale else { continue }
            let text = plainText(rate / scale) + unit.name
            if (try? parse(text)) == rate { return text }
        }
        return plainText(rate) + "FLOP/s"
    }
}

/// The shortest decimal without an exponent that reads back as `number`; `nan` and infinities keep their names.
public func plainText(_ number: Double) -> String {
    var text = "\(number)"
    if text.hasSuffix(".0") { text.removeLast(2) }
    guard let mark = text.firstIndex(of: "e"), let exponent = Int(text[text.index(after: mark)...]) else { return text }
    let sign = text.hasPrefix("-") ? "-" : ""
    let mantissa = text[..<mark].drop { $0 == "-" }
    let whole = mantissa.prefix { $0 != "." }
    let fraction = mantissa.dropFirst(whole.count + 1)
    let digits = String(whole + fraction)
    let point = whole.count + exponent
    if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + digits }
    if point >= digits.count { return sign + digits + String(repeating: "0", count: point - digits.count) }
    return sign + digits.prefix(point) + "." + digits.dropFirst(point)
}
