/// Faults in a file of their own: the keys of `faults`, and `recovery` beside them where the file changes it.
enum FaultsFile {
    /// Puts what the file at `path` holds in place of the topology's.
    static func apply(_ path: String, to root: inout YAMLNode?, _ reading: Reading) {
        // That a topology is none is said later.
        guard let tree = root, case .mapping(var keys) = tree.content else { return }
        let given = entries(path, reading)
        keys.removeAll { key in key.key == "faults" || given.contains { $0.key == key.key } }
        root?.content = .mapping(keys + given)
    }

    /// The keys of a topology that a file stands for; none after a report.
    private static func entries(_ path: String, _ reading: Reading) -> [YAMLEntry] {
        let source = reading.addSource(path, directory: FilePath.directory(of: path))
        let bytes: [UInt8]
        do throws(Diagnostic) {
            bytes = try SourceFile.read(path, as: path, what: "a file with faults")
        } catch {
            reading.report(Mark(source: source, line: Int32(error.place.line), column: Int32(error.place.column)), error.message)
            return []
        }
        let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        let parsed = bytes[start...].withUnsafeBufferPointer { YAMLReader.read($0, source: source) }
        for mistake in parsed.mistakes { reading.report(mistake.mark, mistake.message) }
        guard parsed.mistakes.isEmpty else { return [] }
        let expected = "faults as a mapping with the keys \(listed(FaultGrammar.keys.map(\.name)))"
        guard var faults = parsed.root, !faults.isNull else {
            reading.report(Mark(source: source), "found an empty file, expected \(expected)")
            return []
        }
        guard case .mapping(let entries) = faults.content else {
            reading.report(faults.mark, "\(faults.found), expected \(expected)")
            return []
        }
        faults.content = .mapping(entries.filter { $0.key != "recovery" })
        return entries.filter { $0.key == "recovery" } + [YAMLEntry(key: "faults", keyMark: faults.mark, value: faults)]
    }
}
