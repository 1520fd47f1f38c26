import Quantities

/// A CSV file with a header, of which only named columns are looked at: records of runs, and instances that people write. Fields without quotes.
public struct CSVFile {
    private let path: String
    private let bytes: [UInt8]
    private let places: [Int]
    private let columns: [String]

    /// A row's fields, in the order in which the columns were asked for.
    public struct Row {
        typealias Field = Slice<UnsafeBufferPointer<UInt8>>

        /// From 1.
        public let line: Int
        fileprivate let file: String
        fileprivate let names: [String]
        fileprivate let fields: [(text: Field, column: Int)]

        /// A field as text.
        public func text(_ field: Int) -> String { String(decoding: fields[field].text, as: UTF8.self) }

        /// A field as a whole number.
        public func integer(_ field: Int, in range: ClosedRange<Int>) throws(Diagnostic) -> Int {
            if let value = TableFile.decimal(fields[field].text), range.contains(Int(value)) { return Int(value) }
            throw mistake(field, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }

        /// A field in seconds as nanoseconds.
        public func time(_ field: Int) throws(Diagnostic) -> Instant {
            if let value = TableFile.decimal(fields[field].text, decimals: 9) { return value }
            throw mistake(field, "a time in seconds")
        }

        /// What is wrong with a field.
        public func mistake(_ field: Int, _ expected: String) -> Diagnostic {
            Diagnostic(
                place: Place(file: file, line: line, column: fields[field].column),
                message: "found \(quoted(text(field))) as '\(names[field])', expected \(expected)")
        }
    }

    /// Largest file that is read, in bytes.
    private static let sizeLimit = 2 << 30

    /// Reads a file and finds the columns in its header.
    /// - Parameter what: what is expected there, for the message when there is none.
    public init(_ path: String, columns: [String], what: String) throws(Diagnostic) {
        self.path = path
        self.columns = columns
        bytes = try SourceFile.read(path, as: path, what: what, limit: Self.sizeLimit)
        let end = bytes.firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
        let header = String(decoding: bytes[..<end], as: UTF8.self)
        let names = header.split(separator: ",", omittingEmptySubsequences: false).map { $0.filter { !$0.isWhitespace } }
        var places: [Int] = []
        for column in columns {
            guard let place = names.firstIndex(of: column) else {
                throw Diagnostic(
                    place: Place(file: path),
                    message: "found the header \(quoted(header)), expected one with the columns \(columns.joined(separator: ","))")
            }
            places.append(place)
        }
        self.places = places
    }

    /// Hands every row to `take`, blank lines left out.
    public func forEachRow(_ take: (Row) throws(Diagnostic) -> Void) throws(Diagnostic) {
        let result: Result<Void, Diagnostic> = bytes.withUnsafeBufferPointer { bytes in
            do throws(Diagnostic) {
                try walk(bytes, take)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    private func walk(_ bytes: UnsafeBufferPointer<UInt8>, _ take: (Row) throws(Diagnostic) -> Void) throws(Diagnostic) {
        let least = (places.max() ?? 0) + 1
        var line = 0
        for text in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            line += 1
            let text = text.last == UInt8(ascii: "\r") ? text.dropLast() : text
            if line == 1 || text.isEmpty { continue }
            let fields = text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            guard fields.count >= least else {
                throw Diagnostic(
                    place: Place(file: path, line: line),
                    message: "found \(fields.count) fields, expected \(least) or more: \(columns.joined(separator: ","))")
            }
            try take(Row(line: line, file: path, names: columns, fields: places.map { (fields[$0], fields[$0].startIndex - text.startIndex + 1) }))
        }
    }
}
