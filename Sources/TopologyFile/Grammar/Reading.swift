/// One pass over a topology: the mistakes found so far, where each value stands, and which values are unusable.
///
/// Values are named by their path, `pools.decode.engine.max-batch`, with every key by its main name.
final class Reading {
    /// Names of the sources that marks refer to: the file, then the settings.
    private var sources: [String]
    /// The folder that relative paths start from.
    let directory: String
    private var found: [(mark: Mark, message: String)] = []
    private var path: [String] = []
    private var places: [String: Mark] = [:]
    private var broken: Set<String> = []

    init(sources: [String], directory: String) {
        self.sources = sources
        self.directory = directory
    }

    /// Adds a file that the topology names, for mistakes inside it; returns its number for marks.
    func addSource(_ name: String) -> Int32 {
        sources.append(name)
        return Int32(sources.count - 1)
    }

    /// Notes a mistake.
    func report(_ mark: Mark, _ message: String) { found.append((mark, message)) }

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
    func report(at paths: [String], _ message: String) {
        let mark = paths.lazy.compactMap { self.places[$0] }.first ?? Mark()
        report(mark, message)
    }

    /// All mistakes by place: the file's, the settings', then those of files that it names.
    var diagnostics: [Diagnostic] {
        let ordered = found.enumerated().sorted { left, right in
            let (a, b) = (left.element.mark, right.element.mark)
            return (a.source, a.line, a.column, left.offset) < (b.source, b.line, b.column, right.offset)
        }
        var seen: Set<Diagnostic> = []
        return ordered.map { item in
            let mark = item.element.mark
            let place = Place(file: sources[Int(mark.source)], line: Int(mark.line), column: Int(mark.column))
            return Diagnostic(place: place, message: item.element.message)
        }
        .filter { seen.insert($0).inserted }
    }
}
