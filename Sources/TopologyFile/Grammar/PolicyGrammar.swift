import Policies
import Quantities

/// How a policy stands in a topology: by name, or as a mapping with its parameters.
enum PolicyGrammar {
    /// A policy of a family, which a mapping names under `key`. Parameters that have their default are dropped when read and filled in when written, so that equal choices compare equal.
    static func codec(_ family: PolicyFamily, _ descriptions: [PolicyDescription], key: String = "policy") -> Codec<PolicyChoice> {
        let names = descriptions.map(\.name)
        let aliases = Dictionary(descriptions.flatMap { policy in policy.aliases.map { ($0, policy.name) } }) { first, _ in first }
        let what = family == .predictor ? "predictor" : "policy"
        let name = Codec<String>.name(what, names, aliases: aliases)
        return Codec(
            schema: .object([("anyOf", .list([name.schema] + descriptions.map { schema($0, key: key) }))]),
            read: { node, _, reading in
                guard case .mapping(let entries) = node.content else {
                    return name.read(node, nil, reading).map { PolicyChoice($0) }
                }
                guard let choice = entries.first(where: { $0.key == key }) else {
                    reading.report(node.mark, "found no key '\(key)' in a \(what), expected it with one of \(listed(names))")
                    return nil
                }
                guard let policy = name.read(choice.value, nil, reading), let description = descriptions.first(where: { $0.name == policy }) else {
                    return nil
                }
                return PolicyChoice(policy, parameters: parameters(entries, of: description, key: key, reading))
            },
            write: { choice in
                guard let description = descriptions.first(where: { $0.answers(to: choice.name) }), !description.parameters.isEmpty else {
                    return .text(choice.name)
                }
                let values = description.parameters.map { parameter in
                    (parameter.name, YAMLNode.plain(plainText(choice.parameters[parameter.name] ?? parameter.defaultValue)))
                }
                return .mapping([(key, .text(description.name))] + values)
            }
        ).defined(as: family == .predictor ? what : family.rawValue + "-policy")
    }

    private static func parameters(_ entries: [YAMLEntry], of policy: PolicyDescription, key: String, _ reading: Reading) -> [String: Double] {
        let names = policy.parameters.map(\.name)
        var values: [String: Double] = [:]
        for entry in entries where entry.key != key && !entry.key.hasPrefix("x-") {
            guard let parameter = policy.parameters.first(where: { $0.name == entry.key }) else {
                let expected = names.isEmpty ? "none: it has no parameters" : "one of \(listed(names))"
                reading.report(
                    entry.keyMark,
                    "unknown parameter \(quoted(entry.key)) of \(policy.name), expected \(expected)" + suggestion(nearest(entry.key, among: names)))
                continue
            }
            let value = Codec<Double>.number(parameter.range).read(entry.value, nil, reading)
            if let value, value != parameter.defaultValue { values[parameter.name] = value }
        }
        return values
    }

    private static func schema(_ policy: PolicyDescription, key: String) -> JSON {
        let parameters = policy.parameters.map { parameter in
            let unit = parameter.unit.isEmpty ? "" : " (\(parameter.unit))"
            return (
                parameter.name,
                Codec<Double>.number(parameter.range).schema.adding([
                    ("description", .text(parameter.summary + unit)), ("default", .number(plainText(parameter.defaultValue))),
                ])
            )
        }
        return .object([
            ("type", .text("object")), ("description", .text("\(policy.summary) (\(policy.source))")),
            ("properties", .object([(key, .object([("enum", .list(([policy.name] + policy.aliases).map(JSON.text)))]))] + parameters)),
            ("patternProperties", .object([("^x-", .object([]))])), ("required", .list([.text(key)])), ("additionalProperties", .flag(false)),
        ])
    }
}
