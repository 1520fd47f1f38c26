import CSystem
import Cluster
import Glibc
import Quantities
import Transport

/// Merges the nodes' parts into the run's records, in the order that one process for all would have written them: by the time of
/// the event, then by node.
struct MergedParts {
    let folder: RunFolder
    let layout: ClusterLayout

    /// Moves every row to the records.
    func merge(into records: RecordSet) throws {
        try merge("requests", timeField: 8, into: records.requests)
        try merge("restarts", timeField: 5) { try records.writeRestarts($0) }
        try merge("migrations", timeField: 5) { try records.writeMigrations($0) }
        if let iterations = records.iterations { try merge("iterations", timeField: 3, into: iterations) }
        if let messages = records.messages { try merge("messages", timeField: 5, into: messages) }
        try mergeLayers(into: records)
    }

    /// Moves the rows of layers, which every clock leaves in parts.
    func mergeLayers(into records: RecordSet) throws {
        if let layers = records.layers { try merge("layers", timeField: 6, into: layers) }
    }

    private func merge(_ kind: String, timeField: Int, into record: RecordFile) throws {
        try merge(kind, timeField: timeField) { try record.write($0) }
    }

    private func merge(_ kind: String, timeField: Int, write: (UnsafeRawBufferPointer) throws -> Void) throws {
        // All parts are open at once: together they read ahead by 16 MB at the most.
        let chunk = min(1 << 18, max(1 << 14, (1 << 24) / layout.nodes.count))
        var readers = try layout.nodes.compactMap { node in
            try RowReader(PartFiles.path(folder.parts, node, kind), timeField: timeField, chunk: chunk)
        }
        var heap = EventHeap<Int>()
        for (place, reader) in readers.enumerated() {
            if let time = reader.time { heap.push(place, at: EventKey(time: time, source: Int32(place), sequence: 0)) }
        }
        while let (_, place) = heap.pop() {
            // Rows before any other node's next row go out together.
            let limit = heap.first ?? EventKey(time: .max, source: .max, sequence: 0)
            try readers[place].moveRows(before: limit, source: Int32(place)) { try write($0) }
            if let time = readers[place].time { heap.push(place, at: EventKey(time: time, source: Int32(place), sequence: 0)) }
        }
    }
}

/// Reads the rows of a part in order, each with the time that it is sorted by.
struct RowReader {
    private let descriptor: Descriptor
    private let timeField: Int
    /// Bytes to read at once.
    private let chunk: Int
    private var buffer: [UInt8] = []
    /// The next row is at `start ..< end` of the buffer; both are equal at the end of the file.
    private var start = 0
    private var end = 0
    private var isAtEnd = false
    /// Time of the next row; `nil` at the end.
    private(set) var time: Instant?

    private final class Descriptor {
        let number: Int32
        let path: String

        init(_ number: Int32, _ path: String) {
            self.number = number
            self.path = path
        }

        deinit { close(number) }
    }

    /// `nil` when there is no such part.
    init?(_ path: String, timeField: Int, chunk: Int = 1 << 18) throws {
        let number = testbed_open(path, O_RDONLY, 0)
        guard number >= 0 else {
            if errno == ENOENT { return nil }
            throw SystemError("open \(path)", code: errno)
        }
        descriptor = Descriptor(number, path)
        self.timeField = timeField
        self.chunk = chunk
        try advance()
    }

    /// Hands over the rows that come before `limit`, in pieces as long as can be.
    mutating func moveRows(before limit: EventKey, source: Int32, write: (UnsafeRawBufferPointer) throws -> Void) throws {
        var pieceStart = start
        while let time, EventKey(time: time, source: source, sequence: 0) < limit {
            if end == buffer.count || !buffer[end...].contains(UInt8(ascii: "\n")) {
                // The buffer is about to move: what is in it goes first.
                try buffer[pieceStart..<end].withUnsafeBytes(write)
                try advance()
                pieceStart = start
            } else {
                try advance()
            }
        }
        if pieceStart < start { try buffer[pieceStart..<start].withUnsafeBytes(write) }
    }

    /// Goes to the next row. A row without its end, or without its time, ends the part: its writer died while it wrote.
    private mutating func advance() throws {
        start = end
        while true {
            if let newline = buffer[start...].firstIndex(of: UInt8(ascii: "\n")) {
                end = newline + 1
                time = RowFields.time(buffer[start..<newline], field: timeField)
                return
            }
            guard try fill() else {
                time = nil
                end = start
                return
            }
        }
    }

    private mutating func fill() throws -> Bool {
        guard !isAtEnd else { return false }
        let kept = buffer.count - start
        let size = chunk
        var count = 0
        buffer = buffer.withUnsafeBytes { old in
            [UInt8](unsafeUninitializedCapacity: kept + size) { memory, filled in
                let room = UnsafeMutableRawBufferPointer(memory)
                room.copyMemory(from: UnsafeRawBufferPointer(rebasing: old[start...]))
                repeat { count = read(descriptor.number, room.baseAddress.map { $0 + kept }, size) } while count < 0 && errno == EINTR
                filled = kept + max(count, 0)
            }
        }
        start = 0
        guard count >= 0 else { throw SystemError("read \(descriptor.path)", code: errno) }
        isAtEnd = count == 0
        return count > 0
    }
}

/// Reads single fields of a row.
enum RowFields {
    /// The field of a row, from 0.
    static func field(_ row: ArraySlice<UInt8>, _ number: Int) -> ArraySlice<UInt8>? {
        var start = row.startIndex
        for _ in 0..<number {
            guard let comma = row[start...].firstIndex(of: UInt8(ascii: ",")) else { return nil }
            start = comma + 1
        }
        return row[start..<(row[start...].firstIndex(of: UInt8(ascii: ",")) ?? row.endIndex)]
    }

    /// A whole number in a field.
    static func number(_ row: ArraySlice<UInt8>, field number: Int) -> Int64? { field(row, number).flatMap(digits) }

    /// A time in a field, written in seconds with nine decimals.
    static func time(_ row: ArraySlice<UInt8>, field number: Int) -> Instant? {
        guard let field = field(row, number), field.count > 10, field[field.endIndex - 10] == UInt8(ascii: "."),
            let whole = digits(field.dropLast(10)), let fraction = digits(field.suffix(9))
        else { return nil }
        let (product, isTooLarge) = whole.multipliedReportingOverflow(by: nanosecondsPerSecond)
        return isTooLarge ? nil : product.addingClamped(fraction)
    }

    private static func digits(_ field: ArraySlice<UInt8>) -> Int64? {
        guard !field.isEmpty, field.count < 19 else { return nil }
        var number: Int64 = 0
        for byte in field {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            number = number * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        return number
    }
}
