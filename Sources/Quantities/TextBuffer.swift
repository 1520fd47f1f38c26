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
            guard let start = digits.baseAddress else { return }
            bytes.append(contentsOf: UnsafeBufferPointer(start: start, count: writeDigits(number, atLeast: width, to: start)))
        }
    }
}

/// Writes a number in decimal, with zeros in front up to `width` digits (1 or 9), and answers how many digits there are: 20 at most.
@inline(__always)
private func writeDigits(_ number: UInt64, atLeast width: Int, to start: UnsafeMutablePointer<UInt8>) -> Int {
    var length = width
    var bound: UInt64 = width == 1 ? 10 : 1_000_000_000
    while number >= bound, length < 20 {
        length += 1
        if length == 20 { break }
        bound *= 10
    }
    var rest = number
    var place = length
    while place > 0 {
        place -= 1
        let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
        start[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit)
        rest = quotient
    }
    return length
}

/// The fields of one row, written into memory of a fixed size and appended to a text in one piece: rows are the most frequent
/// thing that a run writes.
public struct RowWriter {
    /// Bytes that a row may have: text of `longestText`, and 24 fields of the longest number or time.
    public static let capacity = 1024
    private static let longestText = 256

    private let start: UnsafeMutablePointer<UInt8>
    private var end: UnsafeMutablePointer<UInt8>

    init(_ start: UnsafeMutablePointer<UInt8>) {
        self.start = start
        end = start
    }

    var count: Int { end - start }

    /// Adds text, of which the first 256 bytes count, and a comma. A row may have one long text.
    @inline(__always)
    public mutating func field(_ text: [UInt8]) {
        let length = min(text.count, Self.longestText)
        for place in 0..<length { end[place] = text[place] }
        end += length
        comma()
    }

    /// Adds a number and a comma.
    @inline(__always)
    public mutating func field(_ number: Int64) {
        digits(number.magnitude, atLeast: 1, isNegative: number < 0)
        comma()
    }

    /// Adds a time in seconds with nine decimals and a comma.
    @inline(__always)
    public mutating func field(seconds time: Nanoseconds) {
        let (whole, fraction) = time.magnitude.quotientAndRemainder(dividingBy: 1_000_000_000)
        digits(whole, atLeast: 1, isNegative: time < 0)
        end.pointee = UInt8(ascii: ".")
        end += 1
        digits(fraction, atLeast: 9, isNegative: false)
        comma()
    }

    /// Adds a comma.
    @inline(__always)
    public mutating func emptyField() { comma() }

    @inline(__always)
    private mutating func comma() {
        end.pointee = UInt8(ascii: ",")
        end += 1
    }

    @inline(__always)
    private mutating func digits(_ number: UInt64, atLeast width: Int, isNegative: Bool) {
        if isNegative {
            end.pointee = UInt8(ascii: "-")
            end += 1
        }
        end += writeDigits(number, atLeast: width, to: end)
    }
}

extension TextBuffer {
    /// Appends a row: the fields that `body` writes, the last comma replaced by the end of the line.
    @inline(__always)
    public mutating func appendRow(_ body: (inout RowWriter) -> Void) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: RowWriter.capacity) { memory in
            guard let start = memory.baseAddress else { return }
            var row = RowWriter(start)
            body(&row)
            guard row.count > 0 else { return }
            memory[row.count - 1] = UInt8(ascii: "\n")
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: memory[0..<row.count]))
        }
    }
}
