import CZlib
import Glibc

/// A line of a file without its end, valid until the next one is read.
typealias LineBytes = UnsafeBufferPointer<UInt8>

/// Reads a file line by line, plain or compressed with gzip, in constant memory.
///
/// A line ends with LF or CR LF; the last one may end with the file. A byte order mark at the start is left out.
final class LineReader {
    /// The longest line in bytes: a Mooncake line holds eight bytes for each 512 tokens, so this is ample.
    static let longestLine = 4 << 20

    enum Item {
        case line(LineBytes)
        /// A line over the limit, which was left out.
        case tooLong
    }

    let path: String
    /// Number of the line read last, from 1.
    private(set) var line = 0

    private let file: gzFile
    private var buffer: UnsafeMutableRawPointer
    private var capacity = 256 << 10
    /// What was read from the file and not yet given out.
    private var start = 0
    private var end = 0
    private var atEnd = false
    /// Why nothing more can be read, once that is so.
    private var failure: String?

    /// - Throws: a diagnostic when the path cannot be opened or is not a regular file.
    init(path: String) throws(TraceDiagnostic) {
        self.path = path
        func problem(_ found: String, _ expected: String = "a file that can be read") -> TraceDiagnostic {
            TraceDiagnostic(path: path, line: 1, column: 1, found: found, expected: expected)
        }
        // Without O_NONBLOCK a named pipe would block here for ever; a child process must not inherit the descriptor.
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw problem("'\(String(cString: strerror(errno)))'") }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            let isDirectory = status.st_mode & S_IFMT == S_IFDIR
            close(descriptor)
            throw problem(isDirectory ? "a directory" : "something that is not a regular file", "a trace file")
        }
        guard let file = gzdopen(descriptor, "r") else {
            close(descriptor)
            throw problem("no memory to open it")
        }
        gzbuffer(file, 128 << 10)
        self.file = file
        buffer = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit {
        gzclose(file)
        buffer.deallocate()
    }

    /// The next line, or `nil` at the end of the file.
    ///
    /// - Throws: a diagnostic when the file cannot be read on, as when it is compressed and corrupt or cut short.
    func next() throws(TraceDiagnostic) -> Item? {
        var searched = start
        while true {
            if let newline = memchr(buffer + searched, 0x0a, end - searched) {
                let length = UnsafeRawPointer(newline) - UnsafeRawPointer(buffer + start)
                defer { start += length + 1 }
                return take(length)
            }
            searched = end
            if atEnd {
                guard start < end else { return nil }
                defer { start = end }
                return take(end - start)
            }
            if end - start > Self.longestLine {
                try skipLine()
                line += 1
                return .tooLong
            }
            searched -= makeRoom()
            try fill()
        }
    }

    private func take(_ length: Int) -> Item {
        line += 1
        guard length <= Self.longestLine else { return .tooLong }
        var bytes = UnsafeRawBufferPointer(start: buffer + start, count: length)
        if line == 1, bytes.starts(with: [0xef, 0xbb, 0xbf]) { bytes = .init(rebasing: bytes.dropFirst(3)) }
        if bytes.last == 0x0d { bytes = .init(rebasing: bytes.dropLast()) }
        return .line(bytes.assumingMemoryBound(to: UInt8.self))
    }

    /// Moves the unread bytes to the front and, where they fill the buffer, doubles it.
    ///
    /// - Returns: how far they moved.
    private func makeRoom() -> Int {
        let moved = start
        let count = end - start
        if count == capacity {
            let larger = UnsafeMutableRawPointer.allocate(byteCount: 2 * capacity, alignment: 16)
            larger.copyMemory(from: buffer + start, byteCount: count)
            buffer.deallocate()
            buffer = larger
            capacity *= 2
        } else {
            memmove(buffer, buffer + start, count)
        }
        start = 0
        end = count
        return moved
    }

    private func fill() throws(TraceDiagnostic) {
        if let failure { throw broken(failure) }
        let count = gzread(file, buffer + end, UInt32(capacity - end))
        var code: Int32 = 0
        let message = gzerror(file, &code).map { String(cString: $0) } ?? ""
        if count < 0 || (code != Z_OK && code != Z_STREAM_END) {
            failure = code == Z_ERRNO ? String(cString: strerror(errno)) : message
        }
        // A stream that is cut short still gives what it has: the lines before the break come first.
        if count <= 0, let failure { throw broken(failure) }
        end += Int(count)
        atEnd = count == 0
    }

    private func broken(_ reason: String) -> TraceDiagnostic {
        TraceDiagnostic(
            path: path, line: line + 1, column: end - start + 1, found: "data that cannot be read on ('\(reason)')",
            expected: "a whole file, plain or compressed with gzip")
    }

    /// Reads past the end of a line that is over the limit.
    private func skipLine() throws(TraceDiagnostic) {
        while true {
            if let newline = memchr(buffer + start, 0x0a, end - start) {
                start += UnsafeRawPointer(newline) - UnsafeRawPointer(buffer + start) + 1
                return
            }
            start = 0
            end = 0
            try fill()
            if atEnd { return }
        }
    }
}
