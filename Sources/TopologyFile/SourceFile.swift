import CSystem
import Glibc
import Quantities

/// Reading of small text files that came from outside: every failure is a message, never a crash or a wait.
enum SourceFile {
    /// Largest file accepted, in bytes.
    static let sizeLimit = 1 << 20

    /// The file's bytes, checked to be UTF-8.
    /// - Throws: what is wrong and where: not there, a directory, not a regular file, unreadable, too large, not UTF-8.
    static func read(_ path: String, as file: String, what: String, limit: Int = sizeLimit) throws(Diagnostic) -> [UInt8] {
        func fail(_ message: String) -> Diagnostic { Diagnostic(place: Place(file: file), message: "\(message), expected \(what)") }
        guard !path.utf8.contains(0) else { throw fail("found a file name with a NUL in it") }
        // Without O_NONBLOCK the opening of a named pipe would wait for a writer.
        let descriptor = testbed_open(path, O_RDONLY | O_NONBLOCK, 0)
        guard descriptor >= 0 else { throw fail("cannot be opened: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw fail("cannot be read: \(String(cString: strerror(errno)))") }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw fail("found a directory")
        default: throw fail("found a device or a pipe")
        }
        guard status.st_size <= limit else { throw fail("found \(status.st_size) bytes (at most \(limit) are read)") }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw fail("cannot be read: \(String(cString: strerror(errno)))") }
            if count == 0 { break }
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= limit else { throw fail("found more than \(limit) bytes") }
        }
        if let offset = firstInvalidByte(bytes) {
            let (line, column) = lineAndColumn(of: offset, in: bytes)
            throw Diagnostic(
                place: Place(file: file, line: line, column: column),
                message: "found the byte 0x\(String(bytes[offset], radix: 16)) that is not UTF-8, expected \(what) in UTF-8")
        }
        return bytes
    }

    /// Offset of the first byte that is not part of a well-formed character.
    static func firstInvalidByte(_ bytes: [UInt8]) -> Int? {
        if String(validating: bytes, as: UTF8.self) != nil { return nil }
        var offset = 0
        while offset < bytes.count {
            let length = (1...4).first { String(validating: bytes[offset..<min(offset + $0, bytes.count)], as: UTF8.self) != nil }
            guard let length else { return offset }
            offset += length
        }
        return nil
    }

    /// Why `path` is no regular file that can be read, as the first half of an error; `nil` when it is one.
    static func problem(_ path: String) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else { return errno == ENOENT || errno == ENOTDIR ? "found no file" : "found a file that cannot be reached" }
        guard status.st_mode & S_IFMT == S_IFREG else { return status.st_mode & S_IFMT == S_IFDIR ? "found a directory" : "found a device or a pipe" }
        return access(path, R_OK) == 0 ? nil : "found a file without permission to read"
    }

    /// `; did you mean 'x'?` with the file beside a missing one that it is most likely a slip of, else nothing.
    static func neighbour(of path: String) -> String {
        guard problem(path) == "found no file" else { return "" }
        return suggestion(nearest(FilePath.base(path), among: names(in: FilePath.directory(of: path))))
    }

    /// Names in a folder, sorted; empty when it cannot be read.
    static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }
}

/// Paths as text.
enum FilePath {
    /// `path` seen from `directory`, without `.` and `..` where they can be resolved by name.
    static func resolve(_ path: String, in directory: String) -> String {
        let full = path.hasPrefix("/") ? path : directory + "/" + path
        var parts: [Substring] = []
        for part in full.split(separator: "/") where part != "." {
            if part == "..", let last = parts.last, last != ".." { parts.removeLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }

    /// The folder that holds `path`, absolute.
    static func directory(of path: String) -> String { resolve("..", in: resolve(path, in: current)) }

    /// The last component.
    static func base(_ path: String) -> String { String(path.split(separator: "/").last ?? "") }

    /// The working folder.
    static var current: String {
        guard let buffer = getcwd(nil, 0) else { return "/" }
        defer { free(buffer) }
        return String(cString: buffer)
    }
}
