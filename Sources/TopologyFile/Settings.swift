import Quantities

/// Changes to a topology from the command line: `path.to.key=value`.
enum Settings {
    /// Short names of keys and their main names.
    private static let aliases = ["tp": "tensor-parallel", "pp": "pipeline-parallel"]
    /// Keys whose scalar is short for a mapping, and the key of that mapping that the scalar stands for.
    private static let shortForms = [
        "model": "base", "device": "base", "routing": "policy", "decode-routing": "policy", "scheduling": "policy", "trace": "file",
        "balance": "policy", "policy": "policy", "admission": "policy", "preemption": "policy", "scaling": "policy", "fallback": "policy",
    ]

    /// Applies a setting to the tree, with mappings made on the way where they are missing.
    static func apply(_ setting: String, source: Int32, to root: inout YAMLNode?, _ reading: Reading) {
        let mark = Mark(source: source)
        guard let equals = setting.firstIndex(of: "="), equals != setting.startIndex else {
            reading.report(mark, "found \(quoted(setting)), expected path.to.key=value")
            return
        }
        let path = setting[..<equals].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard !path.contains(""), path.count <= YAMLReader.depthLimit else {
            reading.report(
                mark, "found the path \(quoted(String(setting[..<equals]))), expected names with dots between them, such as workload.requests")
            return
        }
        let text = Array(setting[setting.index(after: equals)...].utf8)
        let parsed = text.withUnsafeBufferPointer { YAMLReader.read($0, source: source) }
        for mistake in parsed.mistakes { reading.report(mistake.mark, mistake.message) }
        guard parsed.mistakes.isEmpty else { return }
        let value = parsed.root ?? YAMLNode(mark: mark, content: .scalar("", isPlain: true))
        var node = root ?? YAMLNode(mark: mark, content: .mapping([]))
        set(value, at: path[...], in: &node, walked: [], reading)
        root = node
    }

    private static func set(_ value: YAMLNode, at path: ArraySlice<String>, in node: inout YAMLNode, walked: [String], _ reading: Reading) {
        guard let key = path.first else {
            node = value
            return
        }
        let walked = walked + [key]
        switch node.content {
        case .mapping(var entries):
            if let index = entries.firstIndex(where: { $0.key == key || aliases[$0.key] == key || $0.key == aliases[key] }) {
                set(value, at: path.dropFirst(), in: &entries[index].value, walked: walked, reading)
                if path.count == 1 { entries[index].keyMark = value.mark }
            } else if walked.count == 2, walked[0] == "pools", path.count > 1 {
                let names = entries.map(\.key)
                reading.report(
                    value.mark, "found no pool \(quoted(key)), expected one of \(listed(names))" + suggestion(nearest(key, among: names)))
            } else {
                var child = YAMLNode(mark: value.mark, content: .mapping([]))
                set(value, at: path.dropFirst(), in: &child, walked: walked, reading)
                entries.append(YAMLEntry(key: key, keyMark: value.mark, value: child))
            }
            node.content = .mapping(entries)
        case .sequence(var items):
            guard let index = Int(key), items.indices.contains(index) else {
                reading.report(
                    value.mark,
                    "found \(quoted(key)) as a place in the list '\(walked.dropLast().joined(separator: "."))', expected 0 to \(items.count - 1)")
                return
            }
            set(value, at: path.dropFirst(), in: &items[index], walked: walked, reading)
            node.content = .sequence(items)
        case .scalar:
            let name = walked.dropLast().last ?? ""
            if node.isNull {
                node.content = .mapping([])
            } else if let long = shortForms[name] {
                node.content = .mapping([YAMLEntry(key: long, keyMark: node.mark, value: node)])
            } else {
                reading.report(
                    value.mark, "\(node.found) at '\(walked.dropLast().joined(separator: "."))', expected a mapping that \(quoted(key)) can be set in"
                )
                return
            }
            set(value, at: path, in: &node, walked: Array(walked.dropLast()), reading)
        }
    }
}
