import Cluster
import Glibc
import Transport

/// Keys of a run as files: a folder that nobody else may enter, with `launcher.key` and a `NAME.key` for each node, which hold all that the one needs.
public enum KeyFolder {
    /// Where a name's keys are.
    public static func path(_ folder: String, of name: String) -> String { "\(folder)/\(name).key" }

    /// Makes new keys in a folder that is not there yet, or is empty.
    public static func make(_ folder: String, for plan: ClusterPlan) throws {
        try Files.makeDirectories(folder)
        guard Files.list(folder).isEmpty else {
            throw FolderError(description: "\(folder): found a folder with something in it, expected room for keys")
        }
        chmod(folder, 0o700)
        for (name, text) in try texts(for: plan) { try write(text, to: path(folder, of: name)) }
    }

    /// New keys as texts of key files, by their owners' names: the launcher's first.
    public static func texts(for plan: ClusterPlan) throws -> [(name: String, text: String)] {
        let (launcher, nodes) = try KeyFile.make(for: ClusterLayout(plan).nodes.map(\.name))
        return ([launcher] + nodes).map { ($0.name, $0.text) }
    }

    /// Whether there is anything at a path.
    public static func exists(_ path: String) -> Bool { Files.exists(path) }

    /// Has a folder of keys belong to another user.
    public static func give(_ folder: String, to user: uid_t) throws(SystemError) {
        for path in [folder] + Files.list(folder).map({ "\(folder)/\($0)" }) where chown(path, user, user) != 0 {
            throw SystemError("give \(path) to the user \(user)", code: errno)
        }
    }

    /// Removes a folder of keys.
    public static func remove(_ folder: String) { Files.remove(folder) }

    /// Writes a text to a new file that its owner alone reads.
    public static func write(_ text: String, to path: String) throws { try OutputFile(path, isSecret: true).write(text) }

    /// The user and the group that a file belongs to.
    public static func owner(of path: String) throws(SystemError) -> (user: uid_t, group: gid_t) {
        var status = stat()
        guard stat(path, &status) == 0 else { throw SystemError("stat \(path)", code: errno) }
        return (status.st_uid, status.st_gid)
    }

    /// Reads the keys of `name` from a file, perhaps one with those of several, or from a folder with a file for each name.
    public static func read(_ path: String, for name: String) throws -> (file: KeyFile, path: String) {
        let place = Files.isDirectory(path) ? Self.path(path, of: name) : path
        guard let file = try files(place, "keys of \(name)").first(where: { $0.name == name }) else {
            throw FolderError(description: "\(place): found something else, expected keys of \(name)")
        }
        return (file, place)
    }

    /// The nodes whose keys are in a file, or in the files of a folder, by name.
    public static func nodes(_ path: String) throws -> [String] {
        let places = Files.isDirectory(path) ? Files.list(path).filter { $0.hasSuffix(".key") }.map { "\(path)/\($0)" } : [path]
        let names = try places.flatMap { try files($0, "keys of nodes").map(\.name) }.filter { $0 != KeyFile.launcher }
        guard !names.isEmpty else { throw FolderError(description: "\(path): found no keys of a node, expected some") }
        return Array(Set(names)).sorted()
    }

    private static func files(_ path: String, _ what: String) throws -> [KeyFile] {
        guard let bytes = try Files.read(path, limit: 1 << 20) else { throw FolderError(description: "\(path): found no file, expected \(what)") }
        guard let files = KeyFile.all(reading: String(decoding: bytes, as: UTF8.self)) else {
            throw FolderError(description: "\(path): found something else, expected \(what)")
        }
        return files
    }
}
