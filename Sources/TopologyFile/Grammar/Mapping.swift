import Quantities

/// One key of a mapping: its name, its value's codec, and where in `Root` the value lives. The single description of a key: the reader, the writer
/// of resolved topologies and the JSON schema all come from it.
struct Key<Root> {
    var name: String
    var aliases: [String]
    var summary: String
    var isRequired: Bool
    private let makeSchema: () -> JSON
    /// Reads the value into the root; `false` when it cannot be used.
    var read: (YAMLNode, inout Root, Reading) -> Bool
    /// Writes the root's value; `nil` leaves the key out.
    var write: (Root) -> YAMLNode?

    init<Value>(
        _ name: String, _ path: WritableKeyPath<Root, Value>, _ codec: Codec<Value>, aliases: [String] = [], isRequired: Bool = false,
        _ summary: String
    ) {
        self.name = name
        self.aliases = aliases
        self.summary = summary
        self.isRequired = isRequired
        makeSchema = { codec.schema }
        read = { node, root, reading in
            guard let value = codec.read(node, root[keyPath: path], reading) else { return false }
            root[keyPath: path] = value
            return true
        }
        write = { codec.write($0[keyPath: path]) }
    }

    /// A key whose value no key path reaches.
    init(
        _ name: String, _ summary: String, schema: @autoclosure @escaping () -> JSON, isRequired: Bool = false,
        read: @escaping (YAMLNode, inout Root, Reading) -> Bool,
        write: @escaping (Root) -> YAMLNode?
    ) {
        self.name = name
        aliases = []
        self.summary = summary
        self.isRequired = isRequired
        makeSchema = schema
        self.read = read
        self.write = write
    }

    /// JSON schema of the value.
    var schema: JSON { makeSchema() }

    /// The same key, which may be left out.
    var asOptional: Key {
        var key = self
        key.isRequired = false
        return key
    }

    /// This key's entry in a schema's `properties`.
    func property(_ initial: Root?) -> JSON {
        let value = initial.flatMap { isRequired ? nil : write($0) }
        return schema.adding([("description", .text(summary))] + (value.map { [("default", $0.json)] } ?? []))
    }
}

extension Codec {
    /// A mapping with the given keys. `initial` holds the defaults; `what` names the mapping in errors.
    ///
    /// Keys are read in the order of the table, whatever their order in the file, so a key may build on those before it.
    ///
    /// - Parameters:
    ///   - hasDefaults: whether the schema shows `initial` as defaults.
    ///   - inheritsAll: whether an inherited value has what is required, so that a mapping that refines it need not.
    static func mapping(_ what: String, _ initial: Value, _ keys: [Key<Value>], hasDefaults: Bool = true, inheritsAll: Bool = true) -> Codec {
        Codec(
            schema: objectSchema(keys, hasDefaults ? initial : nil),
            read: { node, base, reading in
                guard let entries = entries(node, what, reading) else { return nil }
                reportUnknown(entries, keys, what, reading)
                var root = base ?? initial
                for key in keys {
                    let given = entries.filter { $0.key == key.name || key.aliases.contains($0.key) }
                    if given.isEmpty, key.isRequired, base == nil || !inheritsAll {
                        reading.report(node.mark, "found no key '\(key.name)' in \(what), expected it: \(key.summary)")
                    }
                    for (index, entry) in given.enumerated() {
                        guard index == 0 else {
                            reading.report(entry.keyMark, "found both '\(given[0].key)' and '\(entry.key)', expected one of the two names")
                            continue
                        }
                        reading.within(key.name, at: entry.value.mark) { key.read(entry.value, &root, reading) }
                    }
                }
                return root
            },
            write: { root in .mapping(keys.compactMap { key in key.write(root).map { (key.name, $0) } }) })
    }

    private static func objectSchema(_ keys: [Key<Value>], _ initial: Value?) -> JSON {
        let properties = keys.flatMap { key in
            [(key.name, key.property(initial))] + key.aliases.map { ($0, key.schema.adding([("description", .text("Same as \(key.name)."))])) }
        }
        let required = keys.filter { $0.isRequired && $0.aliases.isEmpty }.map { JSON.text($0.name) }
        return .object(
            [("type", .text("object")), ("properties", .object(properties)), ("patternProperties", .object([("^x-", .object([]))]))]
                + (required.isEmpty ? [] : [("required", .list(required))]) + [("additionalProperties", .flag(false))])
    }

    private static func reportUnknown(_ entries: [YAMLEntry], _ keys: [Key<Value>], _ what: String, _ reading: Reading) {
        let names = keys.flatMap { [$0.name] + $0.aliases }
        for entry in entries where !names.contains(entry.key) && !entry.key.hasPrefix("x-") {
            reading.report(
                entry.keyMark,
                "unknown key \(quoted(entry.key)) in \(what), expected one of \(listed(keys.map(\.name)))"
                    + suggestion(nearest(entry.key, among: names)))
        }
    }
}

/// The entries of a mapping; an empty value is an empty mapping. Reports anything else.
func entries(_ node: YAMLNode, _ what: String, _ reading: Reading) -> [YAMLEntry]? {
    if case .mapping(let entries) = node.content { return entries }
    if node.isNull { return [] }
    reading.report(node.mark, "\(node.found), expected \(what) as a mapping")
    return nil
}

/// One form that a value may take: `{name: …}`.
struct Form<Value> {
    var name: String
    var summary: String
    private let makeSchema: () -> JSON
    var read: (YAMLNode, Reading) -> Value?
    /// Writes a value of this form, `nil` for those of others.
    var write: (Value) -> YAMLNode?

    /// - Parameter expectation: what `make` wants where it gives `nil`.
    init<Inner>(
        _ name: String, _ codec: Codec<Inner>, _ summary: String, expectation: String = "", make: @escaping (Inner) -> Value?,
        match: @escaping (Value) -> Inner?
    ) {
        self.name = name
        self.summary = summary
        makeSchema = { codec.schema.adding([("description", .text(summary))]) }
        read = { node, reading in
            guard let inner = codec.read(node, nil, reading) else { return nil }
            if let value = make(inner) { return value }
            reading.report(node.mark, "\(node.found), expected \(expectation)")
            return nil
        }
        write = { match($0).flatMap(codec.write) }
    }
}

extension Form {
    /// JSON schema of the form's value.
    var schema: JSON { makeSchema() }
}

extension Codec {
    /// A mapping with exactly one key, which names the form: `{poisson: 5/s}`.
    static func forms(_ what: String, _ forms: [Form<Value>]) -> Codec {
        let names = forms.map(\.name)
        return Codec(
            schema: .object([
                ("type", .text("object")), ("properties", .object(forms.map { ($0.name, $0.schema) })), ("additionalProperties", .flag(false)),
                ("minProperties", .number("1")), ("maxProperties", .number("1")),
            ]),
            read: { node, _, reading in
                guard case .mapping(let entries) = node.content, let entry = entries.first else {
                    reading.report(node.mark, "\(node.found), expected \(what): a mapping with one key of \(listed(names))")
                    return nil
                }
                if entries.count > 1 {
                    reading.report(
                        entries[1].keyMark, "found \(quoted(entries[1].key)) next to \(quoted(entry.key)), expected one key of \(listed(names))")
                }
                guard let form = forms.first(where: { $0.name == entry.key }) else {
                    reading.report(
                        entry.keyMark,
                        "unknown \(what) \(quoted(entry.key)), expected one of \(listed(names))" + suggestion(nearest(entry.key, among: names)))
                    return nil
                }
                var value: Value?
                reading.within(form.name, at: entry.value.mark) {
                    value = form.read(entry.value, reading)
                    return value != nil
                }
                return value
            },
            write: { value in
                forms.lazy.compactMap { form in form.write(value).map { .mapping([(form.name, $0)]) } }.first
            })
    }

    /// A list of 1 to `limit` items, each starting from `initial`.
    static func list<Item>(_ what: String, _ item: Codec<Item>, limit: Int) -> Codec<[Item]> {
        Codec<[Item]>(
            schema: .object([("type", .text("array")), ("items", item.schema), ("minItems", .number("1")), ("maxItems", .number("\(limit)"))]),
            read: { node, _, reading in
                guard case .sequence(let items) = node.content, (1...limit).contains(items.count) else {
                    reading.report(node.mark, "\(node.found), expected a list of 1 to \(limit) \(what)")
                    return nil
                }
                var values: [Item] = []
                for (index, node) in items.enumerated() {
                    reading.within("\(index)", at: node.mark) {
                        guard let value = item.read(node, nil, reading) else { return false }
                        values.append(value)
                        return true
                    }
                }
                return values.count == items.count ? values : nil
            },
            write: { items in .sequence(items.compactMap(item.write)) })
    }

    /// A scalar read by `short`, or anything else by `self`; written in the short form where it can be.
    func orScalar(_ short: Codec, isShort: @escaping (Value) -> Bool) -> Codec {
        Codec(
            schema: .object([("anyOf", .list([short.schema, schema]))]),
            read: { node, base, reading in
                if case .scalar = node.content { return short.read(node, base, reading) }
                return read(node, base, reading)
            },
            write: { isShort($0) ? short.write($0) : write($0) })
    }

    /// One of some words, or a mapping with exactly one key that names a form; written as a word where there is one.
    static func words(
        _ what: String, _ words: [String], or forms: [Form<Value>], make: @escaping (String) -> Value, word: @escaping (Value) -> String?
    ) -> Codec {
        let mapping = Codec.forms(what, forms)
        return Codec(
            schema: .object([("anyOf", .list([.object([("enum", .list(words.map(JSON.text)))]), mapping.schema]))]),
            read: { node, _, reading in
                if case .mapping = node.content { return mapping.read(node, nil, reading) }
                if case .scalar(let text, _) = node.content, words.contains(text) { return make(text) }
                let near: String?
                if case .scalar(let text, _) = node.content { near = nearest(text, among: words) } else { near = nil }
                reading.report(
                    node.mark,
                    "\(node.found), expected \(listed(words)) or a mapping with one key of \(listed(forms.map(\.name)))" + suggestion(near))
                return nil
            },
            write: { value in word(value).map(YAMLNode.text) ?? mapping.write(value) })
    }
}
