/// Numbers for people: three significant digits and a unit that suits the size. Machines get JSON instead.
public enum Figures {
    /// A number with thousands separated: `1,234,567`.
    public static func count(_ number: Int64) -> String {
        let digits = String(number.magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3) { text.append(",") }
            text.append(digit)
        }
        return number < 0 ? "-" + text : text
    }

    /// A number to three significant digits, from 1000 on to whole ones.
    public static func number(_ number: Double) -> String {
        guard number.isFinite else { return "-" }
        var decimals = 2
        // The thresholds are those that rounding moves to the next power of ten.
        for limit in [9.995, 99.95] where number.magnitude >= limit { decimals -= 1 }
        if number.magnitude < 0.9995, number != 0 { decimals = 3 }
        return fixed(number, decimals: decimals)
    }

    /// A number with so many decimals, rounded, thousands separated.
    public static func fixed(_ number: Double, decimals: Int) -> String {
        guard number.isFinite else { return "-" }
        var scale: Int64 = 1
        for _ in 0..<decimals { scale *= 10 }
        let scaled = (number.magnitude * Double(scale)).rounded()
        guard scaled < 9e18 else { return number.description }
        let (whole, fraction) = Int64(scaled).quotientAndRemainder(dividingBy: scale)
        var text = count(whole)
        if decimals > 0 {
            let digits = String(fraction)
            text += "." + String(repeating: "0", count: decimals - digits.count) + digits
        }
        return number < 0 && scaled > 0 ? "-" + text : text
    }

    /// A time in seconds: `950 us`, `82.1 ms`, `1.32 s`, `1,234 s`.
    public static func time(_ seconds: Double) -> String {
        scaled(seconds, [(1, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")])
    }

    /// A size in bytes with decimal prefixes: `1.23 GB`.
    public static func bytes(_ bytes: Int64) -> String {
        scaled(Double(bytes), [(1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B")])
    }

    /// An energy in joules: `3.41 kJ`.
    public static func energy(_ joules: Double) -> String {
        scaled(joules, [(1e12, "TJ"), (1e9, "GJ"), (1e6, "MJ"), (1e3, "kJ"), (1, "J"), (1e-3, "mJ")])
    }

    /// A share as a percentage: `91.2%`.
    public static func share(_ share: Double) -> String { share.isFinite ? fixed(share * 100, decimals: 1) + "%" : "-" }

    /// A length of time as a clock shows it: `1:02:03`, `2:03`.
    public static func clock(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0, seconds < 1e15 else { return "-" }
        let whole = Int64(seconds)
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let (hours, rest) = whole.quotientAndRemainder(dividingBy: 3600)
        let minutes = rest / 60
        return hours > 0 ? "\(count(hours)):\(two(minutes)):\(two(rest % 60))" : "\(minutes):\(two(rest % 60))"
    }

    /// In the largest unit of which there is at least one; `units` fall.
    private static func scaled(_ value: Double, _ units: [(size: Double, name: String)]) -> String {
        guard value.isFinite else { return "-" }
        guard value != 0 else { return "0 " + (units.first { $0.size == 1 }?.name ?? "") }
        // 999.7 us reads 1.00 ms.
        let unit = units.first { value.magnitude >= $0.size * 0.9995 } ?? units[units.count - 1]
        let amount = value / unit.size
        let isWhole = unit.size == 1 && amount == amount.rounded() && unit.name == "B"
        return (isWhole ? fixed(amount, decimals: 0) : number(amount)) + " " + unit.name
    }
}
