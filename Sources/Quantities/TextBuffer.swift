/// Bytes of text that a record is made of. Numbers are written without locale, library or floating point.
public struct TextBuffer: Sendable {
    /// What was written so far, UTF-8.
    public private(set) var bytes: [UInt8] = []

    public init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

    /// Number of bytes held.
    public var count: Int { bytes.count }

    /// Forgets the text and keeps the memory.
    public mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    /// Appends one ASCII character.
    @inline(__always)
    public mutating func append(ascii character: UInt8) { bytes.append(character) }

    /// Appends text.
    public mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// Appends bytes as they are.
    public mutating func append(contentsOf more: [UInt8]) { bytes.append(contentsOf: more) }

    /// Appends a whole number in decimal.
    public mutating func append(_ number: Int64) {
        if number < 0 { bytes.append(UInt8(ascii: "-")) }
        appendDigits(number.magnitude, atLeast: 1)
    }

    /// Appends a time in nanoseconds as seconds with nine decimals.
    public mutating func append(seconds time: Nanoseconds) {
        if time < 0 { bytes.append(UInt8(ascii: "-")) }
        let (whole, fraction) = time.magnitude.quotientAndRemainder(dividingBy: 1_000_000_000)
        appendDigits(whole, atLeast: 1)
        bytes.append(UInt8(ascii: "."))
        appendDigits(fraction, atLeast: 9)
    }

    private mutating func appendDigits(_ number: UInt64, atLeast width: Int) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var rest = number
            var start = 20
            while rest != 0 || 20 - start < width {
                let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
                start -= 1
                digits[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit)
                rest = quotient
            }
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: digits[start..<20]))
        }
    }
}
