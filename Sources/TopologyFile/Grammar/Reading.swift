/// One pass over a topology: the mistakes found so far, where each value stands, and which values are unusable.
///
/// Values are named by their path, `pools.decode.engine.max-batch`, with every key by its main name.
final class Reading {
    /// Names of the sources that marks refer to: the file, then the settings.
    private var sources: [String]
    /// The folder that relative paths start from.
    let directory: String
    /// The folders of sources that have paths of their own.
    private var directories: [Int32: String] = [:]
    private var found: [(mark: Mark, message: String)] = []
    private var warned: [(mark: Mark, message: String)] = []
    private var path: [String] = []
    private var places: [String: Mark] = [:]
    private var broken: Set<String> = []

    init(sources: [String], directory: String) {
        self.sources = sources
        self.directory = directory
    }

    /// Adds a file that the topology names, for mistakes inside it; returns its number for marks.
    ///
    /// - Parameter directory: the folder that its relative paths start from, unless that is the topology's.
    func addSource(_ name: String, directory: String? = nil) -> Int32 {
        sources.append(name)
        let number = Int32(sources.count - 1)
        directories[number] = directory
        return number
    }

    /// The folder that relative paths start from which stand at a mark.
    func directory(of mark: Mark) -> String { directories[mark.source] ?? directory }

    /// Notes a mistake.
    func report(_ mark: Mark, _ message: String) { found.append((mark, message)) }

    /// Notes what is legal, but hardly meant.
    func warn(_ mark: Mark, _ message: String) { warned.append((mark, message)) }

    /// Reads the value of `key` with `body`, which returns whether it can be used.
    func within(_ key: String, at mark: Mark, _ body: () -> Bool) {
        path.append(key)
        let name = path.joined(separator: ".")
        places[name] = mark
        let count = found.count
        if !body() || found.count > count { broken.insert(name) }
        path.removeLast()
    }

    /// Whether the file gives this value, right or wrong.
    func hasPlace(_ path: String) -> Bool { places[path] != nil }

    /// Whether this value or something inside it is unusable: checks that need it are left out.
    func isBroken(_ path: String) -> Bool { broken.contains(path) }

    /// Notes a mistake at the first of these values that the file gives, or at its beginning.
    func report(at paths: [String], _ message: String) { report(mark(at: paths), message) }

    /// Where the first of these values stands that the file gives, or its beginning.
    func mark(at paths: [String]) -> Mark { paths.lazy.compactMap { self.places[$0] }.first ?? Mark() }

    /// A mark as the user knows it.
    func place(of mark: Mark) -> Place { Place(file: sources[Int(mark.source)], line: Int(mark.line), column: Int(mark.column)) }

    /// All mistakes by place: the file's, the settings', then those of files that it names.
    var diagnostics: [Diagnostic] { ordered(found) }

    /// What is legal, but hardly meant, by place.
    var warnings: [Diagnostic] { ordered(warned) }

    private func ordered(_ found: [(mark: Mark, message: String)]) -> [Diagnostic] {
        let ordered = found.enumerated().sorted { left, right in
            let (a, b) = (left.element.mark, right.element.mark)
            return (a.source, a.line, a.column, left.offset) < (b.source, b.line, b.column, right.offset)
        }
        var seen: Set<Diagnostic> = []
        return ordered.map { Diagnostic(place: place(of: $0.element.mark), message: $0.element.message) }.filter { seen.insert($0).inserted }
    }
}
