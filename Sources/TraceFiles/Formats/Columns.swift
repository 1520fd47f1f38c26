import Workload

/// Splits the lines of a CSV file and finds columns by the names in its header.
struct Columns {
    /// The most columns that a header may have.
    private static let most = 64

    private let names: [String]
    /// Place of each wanted column among those of the file.
    private var places: [Int] = []
    private var count = 0
    /// Bytes of each field of the present line; kept between lines for its memory.
    private var fields: [Range<Int>] = []

    /// - Parameter names: the wanted columns, as published.
    init(_ names: [String]) { self.names = names }

    mutating func readHeader(_ line: LineBytes) throws(LineProblem) {
        try split(line)
        count = fields.count
        guard count <= Self.most else {
            throw LineProblem(offset: 0, found: "\(count) columns", expected: "at most \(Self.most)")
        }
        let found = fields.map { text(line, $0) }
        for name in names {
            let matches = found.indices.filter { found[$0].lowercased() == name.lowercased() }
            guard let place = matches.first else {
                throw LineProblem(offset: 0, found: quoted(line), expected: "a header with a column '\(name)'")
            }
            if matches.count > 1 {
                throw LineProblem(offset: fields[matches[1]].lowerBound, found: "a second column '\(name)'", expected: "one")
            }
            places.append(place)
        }
    }

    /// Splits a line, which must have as many fields as the header.
    mutating func readRow(_ line: LineBytes) throws(LineProblem) {
        try split(line)
        guard fields.count == count else {
            throw LineProblem(offset: 0, found: "\(fields.count) fields", expected: "\(count), as in the header")
        }
    }

    /// The field of the wanted column with the given index.
    func field(_ wanted: Int, of line: LineBytes) -> Field {
        let range = fields[places[wanted]]
        return Field(bytes: LineBytes(rebasing: line[range]), offset: range.lowerBound, name: names[wanted])
    }

    /// Fields without the blanks and the quotes around them. A quoted field may hold commas and doubled quotes.
    private mutating func split(_ line: LineBytes) throws(LineProblem) {
        fields.removeAll(keepingCapacity: true)
        var index = 0
        while true {
            var low = index
            while low < line.count, line[low] == 0x20 { low += 1 }
            var high = low
            if low < line.count, line[low] == UInt8(ascii: "\"") {
                high = try endOfQuoted(line, from: low)
                fields.append(low + 1..<high)
                high += 1
                while high < line.count, line[high] == 0x20 { high += 1 }
                if high < line.count, line[high] != UInt8(ascii: ",") {
                    throw LineProblem(offset: high, found: quoted(rest(of: line, from: high)), expected: "a comma after the closing quote")
                }
            } else {
                while high < line.count, line[high] != UInt8(ascii: ",") { high += 1 }
                var last = high
                while last > low, line[last - 1] == 0x20 { last -= 1 }
                fields.append(low..<last)
            }
            guard high < line.count else { return }
            index = high + 1
        }
    }

    /// The place of the quote that closes the one at `start`.
    private func endOfQuoted(_ line: LineBytes, from start: Int) throws(LineProblem) -> Int {
        var index = start + 1
        while index < line.count {
            if line[index] == UInt8(ascii: "\"") {
                guard index + 1 < line.count, line[index + 1] == UInt8(ascii: "\"") else { return index }
                index += 1
            }
            index += 1
        }
        throw LineProblem(offset: start, found: quoted(rest(of: line, from: start)), expected: "a closing quote")
    }
}

/// A field of a line with what is needed to complain about it.
struct Field {
    var bytes: LineBytes
    /// Offset of its first byte in the line.
    var offset: Int
    /// The column's name.
    var name: String

    func problem(_ expected: String) -> LineProblem {
        LineProblem(offset: offset, found: bytes.isEmpty ? "no '\(name)'" : "\(quoted(bytes)) as '\(name)'", expected: expected)
    }

    /// A number of tokens, from 0 to `longestRequestTokens`.
    func tokens() throws(LineProblem) -> Int32 {
        var number = 0
        for byte in bytes {
            guard let digit = digit(byte) else { throw problem("a whole number of tokens") }
            number = number * 10 + digit
            guard number <= longestRequestTokens else { throw problem("at most \(longestRequestTokens) tokens") }
        }
        guard !bytes.isEmpty else { throw problem("a whole number of tokens") }
        return Int32(number)
    }
}

/// The value of a decimal digit.
@inline(__always)
func digit(_ byte: UInt8) -> Int? {
    let value = byte &- UInt8(ascii: "0")
    return value < 10 ? Int(value) : nil
}

func rest(of line: LineBytes, from start: Int) -> LineBytes { LineBytes(rebasing: line[start...]) }

func text(_ line: LineBytes, _ range: Range<Int>) -> String { String(decoding: line[range], as: UTF8.self) }

/// Bytes of a file as an error message shows them: in quotes, cut short, without control characters.
func quoted(_ bytes: LineBytes, upTo limit: Int = 40) -> String {
    let shown = String(decoding: bytes.prefix(limit), as: UTF8.self)
    let clean = shown.unicodeScalars.map { isControl($0) ? "\u{fffd}" : String($0) }
    return "'\(clean.joined())\(bytes.count > limit ? "…" : "")'"
}

/// Whether a character could disturb a terminal: control codes, line and paragraph separators, changes of direction.
private func isControl(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value) || (0x2028...0x202e).contains(scalar.value)
        || (0x2066...0x2069).contains(scalar.value)
}
