import CYAML
import Quantities

/// Reads one YAML document into a tree with places: libyaml's events, with budgets on everything that an input controls.
struct YAMLReader {
    /// Deepest nesting accepted.
    static let depthLimit = 32
    /// Most nodes written out in a file.
    static let nodeLimit = 50_000
    /// Most nodes that aliases and merge keys may add.
    static let expansionLimit = 10_000

    /// Why reading stopped.
    private struct Stop: Error {}

    private let events: YAMLEvents
    private let source: Int32
    private var anchors: [String: YAMLNode] = [:]
    private var nodes = 0
    private var expanded = 0
    private(set) var mistakes: [(mark: Mark, message: String)] = []

    /// The tree of the first document in `bytes`, with what is wrong with it. `nil` when it cannot be read to its end.
    ///
    /// - Parameters:
    ///   - bytes: valid UTF-8.
    ///   - source: what the nodes' marks name as their source.
    static func read(_ bytes: UnsafeBufferPointer<UInt8>, source: Int32) -> (root: YAMLNode?, mistakes: [(mark: Mark, message: String)]) {
        guard let events = YAMLEvents(bytes) else { return (nil, [(Mark(source: source), "not enough memory for the YAML parser")]) }
        var reader = YAMLReader(events: events, source: source)
        let root = try? reader.document()
        return (root, reader.mistakes)
    }

    private init(events: YAMLEvents, source: Int32) {
        self.events = events
        self.source = source
    }

    private func mark(_ mark: yaml_mark_t) -> Mark {
        Mark(source: source, line: Int32(clamping: mark.line + 1), column: Int32(clamping: mark.column + 1))
    }

    private mutating func stop(_ mark: Mark, _ message: String) -> Stop {
        mistakes.append((mark, message))
        return Stop()
    }

    private mutating func next() throws(Stop) -> YAMLEvents.Event {
        guard let event = events.next() else {
            let (place, message) = events.problem
            throw stop(mark(place), message)
        }
        return event
    }

    private mutating func document() throws(Stop) -> YAMLNode? {
        while true {
            let event = try next()
            switch event.kind {
            case .streamEnd: return nil
            case .streamStart, .documentStart: continue
            default: break
            }
            let root = try node(event, depth: 1)
            while true {
                let event = try next()
                if event.kind == .streamEnd { return root }
                if event.kind == .documentStart {
                    throw stop(mark(event.mark), "found a second document, expected one topology in a file")
                }
            }
        }
    }

    private mutating func node(_ event: YAMLEvents.Event, depth: Int) throws(Stop) -> YAMLNode {
        let place = mark(event.mark)
        nodes += 1
        guard nodes <= Self.nodeLimit else { throw stop(place, "found more than \(Self.nodeLimit) values, expected a smaller file") }
        guard depth <= Self.depthLimit else { throw stop(place, "found values nested deeper than \(Self.depthLimit), expected a flatter file") }
        let isText = checkTag(event, at: place)
        var result: YAMLNode
        switch event.kind {
        case .alias: return try expand(event.text, at: place, depth: depth)
        case .scalar: result = YAMLNode(mark: place, content: .scalar(event.text, isPlain: event.isPlain && !isText))
        case .sequenceStart: result = try sequence(at: place, depth: depth)
        case .mappingStart: result = try mapping(at: place, depth: depth)
        default: throw stop(place, "found no value, expected one")
        }
        result.mark = place
        if let anchor = event.anchor { anchors[anchor] = result }
        return result
    }

    /// Whether a tag makes the node text. Tags of YAML's own types are accepted; they change nothing else.
    private mutating func checkTag(_ event: YAMLEvents.Event, at place: Mark) -> Bool {
        guard let tag = event.tag else { return false }
        if tag == "!" || tag == "tag:yaml.org,2002:str" { return true }
        let isKnown = ["int", "float", "bool", "null", "map", "seq"].contains { tag == "tag:yaml.org,2002:" + $0 }
        if !isKnown { mistakes.append((place, "found the tag \(quoted(tag)), expected a value without a tag")) }
        return false
    }

    private mutating func expand(_ name: String, at place: Mark, depth: Int) throws(Stop) -> YAMLNode {
        guard let target = anchors[name] else {
            let near = nearest(name, among: anchors.keys.sorted())
            throw stop(place, "found the alias \(quoted("*" + name)), expected an anchor '&\(name)' before it" + suggestion(near.map { "*" + $0 }))
        }
        guard depth + target.height - 1 <= Self.depthLimit else {
            throw stop(place, "found an alias to values nested deeper than \(Self.depthLimit), expected a flatter file")
        }
        expanded += target.size
        guard expanded <= Self.expansionLimit else {
            throw stop(place, "found aliases that expand to more than \(Self.expansionLimit) values, expected fewer")
        }
        return target
    }

    private mutating func sequence(at place: Mark, depth: Int) throws(Stop) -> YAMLNode {
        var items: [YAMLNode] = []
        var size = 1
        var height = 1
        while true {
            let event = try next()
            if event.kind == .sequenceEnd { return YAMLNode(mark: place, content: .sequence(items), size: size, height: height) }
            let item = try node(event, depth: depth + 1)
            size += item.size
            height = max(height, item.height + 1)
            items.append(item)
        }
    }

    private mutating func mapping(at place: Mark, depth: Int) throws(Stop) -> YAMLNode {
        var entries: [YAMLEntry] = []
        var seen: [String: Mark] = [:]
        var merged: [YAMLNode] = []
        while true {
            let event = try next()
            if event.kind == .mappingEnd { break }
            let key = try node(event, depth: depth + 1)
            let value = try node(try next(), depth: depth + 1)
            guard case .scalar(let name, let isPlain) = key.content else {
                mistakes.append((key.mark, "\(key.found) as a key, expected a name"))
                continue
            }
            if name == "<<", isPlain {
                merged.append(value)
            } else if let first = seen[name] {
                mistakes.append((key.mark, "found the key \(quoted(name)) again, expected it once (it stands on line \(first.line))"))
            } else {
                seen[name] = key.mark
                entries.append(YAMLEntry(key: name, keyMark: key.mark, value: value))
            }
        }
        try merge(merged, into: &entries, seen: &seen)
        return YAMLNode(
            mark: place, content: .mapping(entries), size: entries.reduce(1) { $0 + 1 + $1.value.size },
            height: entries.reduce(1) { max($0, $1.value.height + 1) })
    }

    /// Adds the entries of merge keys: what is written out wins, then the earlier mapping.
    private mutating func merge(_ merged: [YAMLNode], into entries: inout [YAMLEntry], seen: inout [String: Mark]) throws(Stop) {
        for value in merged {
            let sources: [YAMLNode]
            if case .sequence(let items) = value.content { sources = items } else { sources = [value] }
            for source in sources {
                guard case .mapping(let inherited) = source.content else {
                    mistakes.append((source.mark, "\(source.found) to merge, expected a mapping or a list of mappings"))
                    continue
                }
                for entry in inherited where seen[entry.key] == nil {
                    seen[entry.key] = entry.keyMark
                    entries.append(entry)
                }
            }
        }
    }
}
