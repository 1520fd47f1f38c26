import CSystem
import Glibc
import Records
import Transport

/// The user's clusters that stay up: a small file for each, in a directory that nobody else may enter.
public struct ClusterRegistry {
    /// One cluster, as its launcher has entered it.
    public struct Entry: Sendable, Equatable {
        public var name: String
        public var launcher: pid_t
        /// Path of the socket.
        public var socket: String
        /// Where the records are, absolute.
        public var folder: String
        /// Why the cluster has ended, if it did so by itself.
        public var failure: String?

        public init(name: String, launcher: pid_t, socket: String, folder: String, failure: String? = nil) {
            self.name = name
            self.launcher = launcher
            self.socket = socket
            self.folder = folder
            self.failure = failure
        }
    }

    public let directory: String

    /// The registry of this user; its directory is made if need be.
    /// - Throws: when the directory is not the user's alone: somebody else could put sockets there.
    public init() throws(SystemError) {
        let runtime = getenv("XDG_RUNTIME_DIR").map { String(cString: $0) } ?? ""
        if runtime.hasPrefix("/"), Files.isDirectory(runtime) {
            try self.init(directory: runtime + "/testbed")
        } else {
            try self.init(directory: "/tmp/testbed-\(getuid())")
        }
    }

    init(directory: String) throws(SystemError) {
        self.directory = directory
        try Files.makeDirectory(directory, mode: 0o700, mayExist: true)
        var status = stat()
        guard lstat(directory, &status) == 0 else { throw SystemError("look at \(directory)", code: errno) }
        guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == getuid(), status.st_mode & 0o077 == 0 else {
            throw SystemError("\(directory): found a link, or a directory that others may enter, expected a directory of this user alone (mode 0700)")
        }
    }

    private static let ending = ".cluster"
    private static let entryLimit = 1 << 16

    private func path(_ name: String) -> String { "\(directory)/\(name)\(Self.ending)" }

    /// What a cluster may be called.
    public static func isName(_ name: String) -> Bool {
        guard let first = name.utf8.first, name.utf8.count <= 80, first != UInt8(ascii: ".") else { return false }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
            default: "._+-".utf8.contains(byte)
            }
        }
    }

    /// Enters a cluster. Answers `false` when there is one of that name.
    func add(_ entry: Entry) throws -> Bool {
        let draft = "\(directory)/.draft-\(getpid())"
        defer { unlink(draft) }
        try Files.write(text(entry), to: draft)
        // A link is there as a whole or not at all, and never takes another's place.
        if link(draft, path(entry.name)) == 0 { return true }
        guard errno == EEXIST else { throw SystemError("write \(path(entry.name))", code: errno) }
        return false
    }

    /// Changes an entry.
    func update(_ entry: Entry) throws {
        let draft = "\(directory)/.draft-\(getpid())"
        try Files.write(text(entry), to: draft)
        guard rename(draft, path(entry.name)) == 0 else { throw SystemError("write \(path(entry.name))", code: errno) }
    }

    /// Takes a cluster off the list.
    public func remove(_ name: String) { unlink(path(name)) }

    private func text(_ entry: Entry) -> [UInt8] {
        var members: [JSONValue.Member] = [
            .init("name", .string(entry.name)), .init("launcher", .integer(Int64(entry.launcher))), .init("socket", .string(entry.socket)),
            .init("folder", .string(entry.folder)),
        ]
        if let failure = entry.failure { members.append(.init("failure", .string(failure))) }
        return Array((JSONValue.object(members).text() + "\n").utf8)
    }

    /// All entries by name, whether their clusters run or not. One that cannot be read is removed.
    public func entries() -> [Entry] {
        let names = Files.list(directory).filter { $0.hasSuffix(Self.ending) }.map { String($0.dropLast(Self.ending.count)) }
        return names.sorted().compactMap { name in
            if let entry = read(name) { return entry }
            remove(name)
            return nil
        }
    }

    private func read(_ name: String) -> Entry? {
        guard Self.isName(name), let bytes = (try? Files.read(path(name), limit: Self.entryLimit)) ?? nil, let value = JSONValue(reading: bytes),
            value["name"]?.asText == name, let launcher = value["launcher"]?.asInteger, launcher > 1, let socket = value["socket"]?.asText,
            let folder = value["folder"]?.asText
        else { return nil }
        return Entry(
            name: name, launcher: pid_t(clamping: launcher), socket: socket, folder: folder, failure: value["failure"]?.asText)
    }

    /// Removes what a launcher left behind that was ended before it could do so itself.
    public func clear(_ entry: Entry) {
        remove(entry.name)
        // Its directory of sockets, and nothing that only looks like one.
        let parts = entry.socket.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 3, parts[parts.count - 2].hasPrefix("testbed-"), !parts.contains("..") else { return }
        let sockets = parts.dropLast().joined(separator: "/")
        var status = stat()
        guard lstat(sockets, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == getuid() else { return }
        for name in Files.list(sockets) { unlink(sockets + "/" + name) }
        rmdir(sockets)
    }
}
