import Glibc
import Quantities

/// Finding topologies: those that the user names and those that come with the program.
public enum TopologyLibrary {
    /// A topology that comes with the program.
    public struct Entry: Sendable, Equatable {
        public var name: String
        /// The first comment line of the file: what it shows.
        public var summary: String
        public var path: String
    }

    /// Bundled topologies by name.
    public static var all: [Entry] {
        guard let directory else { return [] }
        let names = SourceFile.names(in: directory).filter { $0.hasSuffix(ending) }.map { String($0.dropLast(ending.count)) }
        return names.sorted().map { name in
            let path = directory + "/" + name + ending
            return Entry(name: name, summary: summary(of: path), path: path)
        }
    }

    /// The topology that `name` means: a file of that path, else the bundled one with its base name, with or without its ending.
    ///
    /// - Returns: the path to read, or one diagnostic with the nearest name.
    public static func find(_ name: String) -> Result<String, Diagnostics> {
        var status = stat()
        // Whatever stands there is what the user means, a directory too: reading it says what is wrong with it.
        if !name.isEmpty, stat(name, &status) == 0 { return .success(name) }
        var base = FilePath.base(name)
        for known in [ending, ".yml"] where base.hasSuffix(known) { base.removeLast(known.utf8.count) }
        let entries = all
        if let entry = entries.first(where: { $0.name == base }) { return .success(entry.path) }
        let names = entries.map(\.name)
        let bundled = names.isEmpty ? "" : " or a bundled topology (\(listed(names)))"
        let message = "found no such file, expected a topology file\(bundled)" + suggestion(nearest(base, among: names))
        return .failure(Diagnostics([Diagnostic(place: Place(file: name.isEmpty ? "''" : name), message: message)]))
    }

    /// The folder of bundled topologies: under `TESTBED_HOME`, else beside the installed program, else in a folder above it.
    public static var directory: String? {
        var candidates: [String] = []
        if let home = getenv("TESTBED_HOME") {
            candidates.append(FilePath.resolve("Topologies", in: FilePath.resolve(String(cString: home), in: FilePath.current)))
        }
        if let program = executableDirectory {
            candidates.append(FilePath.resolve("../share/testbed/Topologies", in: program))
            var folder = program
            while folder != "/" {
                candidates.append(folder + "/Topologies")
                folder = FilePath.resolve("..", in: folder)
            }
        }
        return candidates.first { SourceFile.names(in: $0).contains { $0.hasSuffix(ending) } }
    }

    private static let ending = ".yaml"

    private static var executableDirectory: String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) { buffer -> String? in
            guard let base = buffer.baseAddress else { return nil }
            let count = readlink("/proc/self/exe", base, buffer.count)
            guard count > 0, count < buffer.count else { return nil }
            let path = String(decoding: UnsafeRawBufferPointer(start: base, count: count), as: UTF8.self)
            return FilePath.directory(of: path)
        }
    }

    /// The first line when it is a comment.
    private static func summary(of path: String) -> String {
        guard let bytes = try? SourceFile.read(path, as: path, what: "a topology file") else { return "" }
        let line = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }, as: UTF8.self)
        guard line.hasPrefix("#") else { return "" }
        return String(line.drop { $0 == "#" || $0 == " " })
    }
}
