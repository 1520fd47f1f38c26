/// A family of units that people write values in, such as `5us`, `80GiB` or `400Gb/s`: parsing and printing.
///
/// Both directions are exact decimal arithmetic on integers, so a value that is printed reads back as itself on every machine.
public struct UnitScale: Sendable {
    /// One unit: a value of 1 is `numerator / denominator` base units (nanoseconds, bytes, bytes per second).
    struct Unit: Sendable {
        let name: String
        let numerator: Int64
        let denominator: Int64
        /// Decimals that printing may use; `nil`: this name is read but never printed.
        let decimals: Int?

        init(_ name: String, _ numerator: Int64, per denominator: Int64 = 1, decimals: Int? = nil) {
            self.name = name
            self.numerator = numerator
            self.denominator = denominator
            self.decimals = decimals
        }
    }

    /// What is measured, with its article: `a time`.
    public let quantity: String
    /// A value as one may write it.
    public let example: String
    /// Largest first; the last one that prints is the base unit.
    let units: [Unit]

    /// Names of the units that are printed, smallest first: what an error lists.
    public var names: [String] { units.filter { $0.decimals != nil }.map(\.name).reversed() }

    /// A regular expression that every non-negative value of the family matches (ECMA 262, for a JSON schema).
    public var pattern: String {
        let names = units.map { $0.name.replacing("/", with: "\\/") }
        return "^[0-9]+(\\.[0-9]+)? ?(" + names.joined(separator: "|") + ")$"
    }

    /// What is expected, for an error.
    public var expectation: String { "\(quantity) such as \(example) (\(names.joined(separator: ", ")))" }

    /// The value of `text` in base units, rounded to a whole one (half away from zero).
    ///
    /// One space may stand before the unit. The unit is never optional: a bare number does not say what it counts.
    /// - Throws: `UnitError` when there is no number, no unit or an unknown one, or when the value leaves 64 bits.
    public func parse(_ text: String) throws(UnitError) -> Int64 {
        guard let (number, rest) = Decimal.scan(text[...]) else { throw .noNumber }
        var name = String(rest)
        if name.first == " " { name.removeFirst() }
        guard !name.isEmpty else { throw .noUnit }
        guard let unit = units.first(where: { $0.name == name }) else {
            throw .unknownUnit(name, nearest: nearest(name, among: units.map(\.name)))
        }
        guard let number else { throw .outOfRange }
        let (product, overflow) = number.digits.multipliedReportingOverflow(by: Int128(unit.numerator))
        let (divisor, tooSmall) = number.scale.multipliedReportingOverflow(by: Int128(unit.denominator))
        guard !overflow, !tooSmall else { throw .outOfRange }
        let (quotient, remainder) = product.quotientAndRemainder(dividingBy: divisor)
        let rounded = remainder.magnitude >= divisor.magnitude - remainder.magnitude ? quotient + (product < 0 ? -1 : 1) : quotient
        guard let value = Int64(exactly: rounded) else { throw .outOfRange }
        return value
    }

    /// `value` in the largest unit that shows it exactly with few decimals: 1,500,000 ns is `1.5ms`.
    public func format(_ value: Int64) -> String {
        let magnitude = Int128(value.magnitude)
        let sign = value < 0 ? "-" : ""
        for unit in units {
            guard let decimals = unit.decimals else { continue }
            let scaled = magnitude * Int128(unit.denominator) * Decimal.power(decimals)
            let (digits, remainder) = scaled.quotientAndRemainder(dividingBy: Int128(unit.numerator))
            if remainder == 0, digits >= Decimal.power(decimals) { return sign + Decimal.text(digits, decimals: decimals) + unit.name }
        }
        return "\(value)\(units.last { $0.decimals != nil }?.name ?? "")"
    }
}

extension UnitScale {
    /// Times, in nanoseconds.
    public static let duration = UnitScale(
        quantity: "a time", example: "50ms",
        units: [
            Unit("d", 86_400_000_000_000), Unit("h", 3_600_000_000_000, decimals: 0), Unit("min", 60_000_000_000, decimals: 0),
            Unit("s", 1_000_000_000, decimals: 3), Unit("ms", 1_000_000, decimals: 3), Unit("us", 1_000, decimals: 3), Unit("µs", 1_000),
            Unit("ns", 1, decimals: 0),
        ])

    /// Sizes, in bytes.
    public static let bytes = UnitScale(
        quantity: "a size", example: "80GiB",
        units: [
            Unit("TiB", 1 << 40, decimals: 0), Unit("TB", 1_000_000_000_000, decimals: 2), Unit("GiB", 1 << 30, decimals: 0),
            Unit("GB", 1_000_000_000, decimals: 2), Unit("MiB", 1 << 20, decimals: 0), Unit("MB", 1_000_000, decimals: 2),
            Unit("KiB", 1 << 10, decimals: 0), Unit("kB", 1_000, decimals: 2), Unit("KB", 1_000), Unit("B", 1, decimals: 0),
        ])

    /// Bandwidths, in bytes per second; printed in bits per second, as networks are named.
    public static let bandwidth = UnitScale(quantity: "a bandwidth", example: "400Gb/s", units: bits(printed: true) + octets(printed: false))

    /// Bandwidths, in bytes per second; printed in bytes per second, as memories are named.
    public static let memoryBandwidth = UnitScale(
        quantity: "a bandwidth", example: "3.35TB/s", units: octets(printed: true) + bits(printed: false))

    private static func bits(printed: Bool) -> [Unit] {
        let powers: [(String, Int64)] = [("T", 1_000_000_000_000), ("G", 1_000_000_000), ("M", 1_000_000), ("k", 1_000)]
        let units = powers.flatMap { prefix, factor in
            [
                Unit(prefix + "b/s", factor, per: 8, decimals: printed ? 3 : nil), Unit(prefix + "bit/s", factor, per: 8),
                Unit(prefix + "bps", factor, per: 8),
            ]
        }
        return units + [Unit("b/s", 1, per: 8, decimals: printed ? 0 : nil)]
    }

    private static func octets(printed: Bool) -> [Unit] {
        let decimal: [(String, Int64)] = [("T", 1_000_000_000_000), ("G", 1_000_000_000), ("M", 1_000_000), ("k", 1_000)]
        let binary: [(String, Int64)] = [("TiB/s", 1 << 40), ("GiB/s", 1 << 30), ("MiB/s", 1 << 20), ("KiB/s", 1 << 10)]
        return decimal.map { Unit($0.0 + "B/s", $0.1, decimals: printed ? 3 : nil) } + binary.map { Unit($0.0, $0.1) }
            + [Unit("B/s", 1, decimals: printed ? 0 : nil)]
    }
}

/// Why a text is no value with a unit.
public enum UnitError: Error, Equatable, Sendable {
    /// It does not begin with a decimal number.
    case noNumber
    /// Nothing follows the number.
    case noUnit
    /// What follows the number is no unit of the family; the nearest one, when one is near.
    case unknownUnit(String, nearest: String?)
    /// The value does not fit in 64 bits.
    case outOfRange
}

/// Decimal numbers held exactly.
struct Decimal {
    /// The number is `digits / scale`, `scale` a power of ten.
    var digits: Int128
    var scale: Int128

    /// Takes a number off the front of `text`. Outer `nil`: there is none; inner `nil`: it has too many digits.
    static func scan(_ text: Substring) -> (number: Decimal?, rest: Substring)? {
        var rest = text
        let isNegative = rest.first == "-"
        if isNegative || rest.first == "+" { rest.removeFirst() }
        let whole = rest.prefix { $0.isASCII && $0.isNumber }
        guard !whole.isEmpty else { return nil }
        rest = rest[whole.endIndex...]
        var fraction: Substring = ""
        if rest.first == "." {
            fraction = rest.dropFirst().prefix { $0.isASCII && $0.isNumber }
            guard !fraction.isEmpty else { return nil }
            rest = rest[fraction.endIndex...]
        }
        guard whole.count <= 19, fraction.count <= 18, let digits = Int128(whole + fraction), digits <= power(22) else { return (nil, rest) }
        return (Decimal(digits: isNegative ? -digits : digits, scale: power(fraction.count)), rest)
    }

    static func power(_ exponent: Int) -> Int128 { (0..<exponent).reduce(1) { product, _ in product * 10 } }

    /// `digits / 10^decimals` without trailing zeros.
    static func text(_ digits: Int128, decimals: Int) -> String {
        let (whole, fraction) = digits.quotientAndRemainder(dividingBy: power(decimals))
        guard fraction != 0 else { return "\(whole)" }
        let places = "\(fraction)"
        var padded = String(repeating: "0", count: decimals - places.count) + places
        while padded.last == "0" { padded.removeLast() }
        return "\(whole).\(padded)"
    }
}
