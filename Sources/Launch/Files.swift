import CSystem
import Glibc
import Transport

/// The few things that are done with files, each with an error that names it.
enum Files {
    /// Makes a directory; one that is there already will do if `mayExist`.
    static func makeDirectory(_ path: String, mode: mode_t = 0o755, mayExist: Bool = false) throws(SystemError) {
        guard mkdir(path, mode) != 0 else { return }
        let code = errno
        if code == EEXIST, mayExist { return }
        throw SystemError("make the directory \(path)", code: code)
    }

    /// Makes a directory and those above it.
    static func makeDirectories(_ path: String) throws(SystemError) {
        var built = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            built += "/" + part
            try makeDirectory(built, mayExist: true)
        }
    }

    /// A new directory that nobody else may enter, with a path short enough for a socket's address.
    static func makePrivateDirectory() throws(SystemError) -> String {
        // The user's runtime directory may be set and not be there, as in a container that was entered.
        let preferred = getenv("XDG_RUNTIME_DIR").map { String(cString: $0) } ?? ""
        for parent in [preferred, "/tmp"] where (1..<60).contains(parent.utf8.count) {
            var template = Array((parent + "/testbed-XXXXXX").utf8CString)
            if mkdtemp(&template) != nil { return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self) }
        }
        throw SystemError("make a directory for sockets in /tmp", code: errno)
    }

    /// Writes a whole file, replacing what was there.
    static func write(_ bytes: [UInt8], to path: String) throws {
        let file = try OutputFile(path)
        try bytes.withUnsafeBytes { try file.write($0) }
    }

    /// Writes a whole file in place of what was there: whoever reads it finds the one or the other.
    static func replace(_ path: String, by bytes: [UInt8]) throws {
        try write(bytes, to: path + ".next")
        guard rename(path + ".next", path) == 0 else { throw SystemError("write \(path)", code: errno) }
    }

    /// Cuts off what stands after the last line of a file, if there is one.
    static func trimToLine(_ path: String) throws(SystemError) {
        let descriptor = testbed_open(path, O_RDWR, 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let size = lseek(descriptor, 0, SEEK_END)
        var end = size
        var chunk = [UInt8](repeating: 0, count: 4096)
        search: while end > 0 {
            let start = max(0, end - off_t(chunk.count))
            let count = pread(descriptor, &chunk, Int(end - start), start)
            guard count > 0 else { break }
            for place in (0..<count).reversed() where chunk[place] == UInt8(ascii: "\n") {
                end = start + off_t(place) + 1
                break search
            }
            end = start
        }
        guard end == size || ftruncate(descriptor, end) == 0 else { throw SystemError("write \(path)", code: errno) }
    }

    /// Reads a file, or its first `limit` bytes; `nil` when there is none.
    static func read(_ path: String, limit: Int = .max) throws(SystemError) -> [UInt8]? {
        let descriptor = testbed_open(path, O_RDONLY, 0)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw SystemError("open \(path)", code: errno)
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count < limit {
            let count = Glibc.read(descriptor, &chunk, min(chunk.count, limit - bytes.count))
            if count < 0 {
                if errno == EINTR { continue }
                throw SystemError("read \(path)", code: errno)
            }
            if count == 0 { break }
            bytes += chunk[0..<count]
        }
        return bytes
    }

    /// Names in a directory, in order; empty when there is none.
    static func list(_ path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Removes a file, or a directory and all that is in it. A link is removed, not followed; what cannot be removed stays.
    static func remove(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            unlink(path)
            return
        }
        for name in list(path) { remove(path + "/" + name) }
        rmdir(path)
    }

    /// Whether there is a directory, or a link to one.
    static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
}

/// A file that is being written. Closes with its owner.
final class OutputFile {
    let path: String
    private let descriptor: Int32
    /// Bytes written.
    private(set) var size: Int64 = 0

    /// - Parameters:
    ///   - appends: whether what is there stays, and is gone on with.
    ///   - isSecret: whether it must be a new file, which its owner alone reads.
    init(_ path: String, appends: Bool = false, isSecret: Bool = false) throws(SystemError) {
        self.path = path
        descriptor = testbed_open(path, O_WRONLY | O_CREAT | (isSecret ? O_EXCL : appends ? O_APPEND : O_TRUNC), isSecret ? 0o600 : 0o644)
        guard descriptor >= 0 else { throw SystemError("\(isSecret ? "make" : "open") \(path)", code: errno) }
    }

    deinit { close(descriptor) }

    func write(_ bytes: UnsafeRawBufferPointer) throws(SystemError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw SystemError("write \(path)", code: errno)
            }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
            size += Int64(count)
        }
    }

    func write(_ text: String) throws {
        try Array(text.utf8).withUnsafeBytes { try write($0) }
    }
}
