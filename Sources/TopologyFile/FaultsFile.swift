/// Faults in a file of their own: the keys of `faults`, and `recovery` beside them where the file changes it.
enum FaultsFile {
    /// Puts what the file at `path` holds in place of the topology's.
    static func apply(_ path: String, to root: inout YAMLNode?, _ reading: Reading) {
        let source = reading.addSource(path, directory: FilePath.directory(of: path))
        let start = Mark(source: source)
        let bytes: [UInt8]
        do throws(Diagnostic) {
            bytes = try SourceFile.read(path, as: path, what: "a file with faults")
        } catch {
            return reading.report(Mark(source: source, line: Int32(error.place.line), column: Int32(error.place.column)), error.message)
        }
        let begin = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        let parsed = bytes[begin...].withUnsafeBufferPointer { YAMLReader.read($0, source: source) }
        for mistake in parsed.mistakes { reading.report(mistake.mark, mistake.message) }
        guard parsed.mistakes.isEmpty else { return }
        guard let node = parsed.root, !node.isNull else {
            return reading.report(start, "found an empty file, expected faults with the keys \(listed(FaultGrammar.keys.map(\.name)))")
        }
        guard case .mapping(let entries) = node.content else {
            return reading.report(node.mark, "\(node.found), expected faults as a mapping with the keys \(listed(FaultGrammar.keys.map(\.name)))")
        }
        // A topology that is none is said to be so later.
        guard let tree = root, case .mapping(var keys) = tree.content else { return }
        var faults = node
        faults.content = .mapping(entries.filter { $0.key != "recovery" })
        let given = entries.filter { $0.key == "recovery" } + [YAMLEntry(key: "faults", keyMark: node.mark, value: faults)]
        keys.removeAll { key in given.contains { $0.key == key.key } }
        root?.content = .mapping(keys + given)
    }
}
