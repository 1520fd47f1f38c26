import Models
import Quantities

extension Codec {
    /// A name of a catalogue, or a mapping that says how a shape differs from one: from `base`, else from the inherited one, else it gives every number.
    ///
    /// - Parameters:
    ///   - blank: what a mapping without base starts from; only its defaults are ever seen, for `keys` says what is required.
    static func catalogued(
        _ what: String, _ names: [String], aliases: [(alias: String, name: String)], blank: Value, find: @escaping (String) -> Value?,
        keys: [Key<Value>]
    ) -> Codec {
        let name = Codec<String>.name(what, names, aliases: Dictionary(aliases.map { ($0.alias, $0.name) }) { first, _ in first })
        let base = Key<Value>("base", "The catalogue's \(what) that the other keys change.", schema: name.schema) { node, root, reading in
            guard let found = name.read(node, nil, reading).flatMap(find) else { return false }
            root = found
            return true
        } write: { _ in
            nil
        }
        let complete = mapping("a \(what)", blank, [base] + keys)
        let refining = mapping("a \(what)", blank, [base] + keys.map(\.asOptional), hasDefaults: false)
        let codec = Codec(
            schema: .object([("anyOf", .list([name.schema, refining.schema]))]),
            read: { node, inherited, reading in
                guard case .mapping(let entries) = node.content else {
                    guard case .scalar = node.content, !node.isNull else {
                        reading.report(node.mark, "\(node.found), expected a \(what) (\(listed(names))) or a mapping that describes one")
                        return nil
                    }
                    return name.read(node, nil, reading).flatMap(find)
                }
                if inherited == nil, !entries.contains(where: { $0.key == "base" }) { return complete.read(node, nil, reading) }
                return refining.read(node, inherited, reading)
            },
            write: complete.write)
        return codec.defined(as: what)
    }
}

/// What the shapes of models and devices have in common.
enum ShapeText {
    /// A name that can stand in a path.
    static var name: Codec<String> {
        .text("a name of letters, digits and ._+- (at most 64)", pattern: "^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$") { text in
            guard let first = text.utf8.first, text.utf8.count <= 64, isLetterOrDigit(first) else { return false }
            return text.utf8.allSatisfy { isLetterOrDigit($0) || "._+-".utf8.contains($0) }
        }
    }

    /// Where numbers come from.
    static var source: Codec<String> { .text("a text of at most 1000 characters") { $0.unicodeScalars.count <= 1000 } }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
        default: false
        }
    }
}
