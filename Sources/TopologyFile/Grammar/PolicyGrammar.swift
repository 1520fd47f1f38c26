import Policies
import Quantities

/// How a policy stands in a topology: by name, or as a mapping with its parameters.
enum PolicyGrammar {
    /// A policy of a family, which a mapping names under `key`. Parameters that have their default are dropped when read
    /// and filled in when written, so that equal choices compare equal.
    /// - Parameter program: how a program outside that decides in a policy's place is read; `nil`: none may.
    static func codec(
        _ family: PolicyFamily, _ descriptions: [PolicyDescription], key: String = "policy", program: ProgramGrammar? = nil,
        named definition: String? = nil
    ) -> Codec<PolicyChoice> {
        let names = descriptions.map(\.name) + (program == nil ? [] : [ExternalProgram.policyName])
        let aliases = Dictionary(descriptions.flatMap { policy in policy.aliases.map { ($0, policy.name) } }) { first, _ in first }
        let what = family == .predictor ? "predictor" : "policy"
        let name = Codec<String>.name(what, names, aliases: aliases)
        // A program needs more than its name.
        let plain = Codec<String>.name(what, descriptions.map(\.name), aliases: aliases)
        return Codec(
            schema: .object([("anyOf", .list([plain.schema] + descriptions.map { schema($0, key: key) } + (program.map { [$0.schema] } ?? [])))]),
            read: { node, _, reading in
                guard case .mapping(let entries) = node.content else {
                    guard let policy = name.read(node, nil, reading) else { return nil }
                    guard policy != ExternalProgram.policyName else {
                        reading.report(node.mark, "found 'process' alone, expected a mapping with 'command' or 'endpoint' beside it")
                        return nil
                    }
                    return PolicyChoice(policy)
                }
                guard let choice = entries.first(where: { $0.key == key }) else {
                    reading.report(node.mark, "found no key '\(key)' in a \(what), expected it with one of \(listed(names))")
                    return nil
                }
                let named = name.read(choice.value, nil, reading)
                if let program, named == ExternalProgram.policyName { return program.read(node, reading) }
                guard let policy = named, let description = descriptions.first(where: { $0.name == policy }) else {
                    return nil
                }
                return PolicyChoice(policy, parameters: parameters(entries, of: description, key: key, reading))
            },
            write: { choice in
                if let asked = choice.program { return program?.write(asked) }
                guard let description = descriptions.first(where: { $0.answers(to: choice.name) }), !description.parameters.isEmpty else {
                    return .text(choice.name)
                }
                let values = description.parameters.map { parameter in
                    (parameter.name, YAMLNode.plain(plainText(choice.parameters[parameter.name] ?? parameter.defaultValue)))
                }
                return .mapping([(key, .text(description.name))] + values)
            }
        ).defined(as: definition ?? (family == .predictor ? what : family.rawValue + "-policy"))
    }

    /// A policy of the registry or a program outside, which has one of the first as its fallback.
    ///
    /// Not one that has requests wait for room: who is to wait would change with the one who decides.
    static func routing() -> Codec<PolicyChoice> {
        let plain = RoutingRegistry.descriptions.filter { !RoutingRegistry.isBatched(PolicyChoice($0.name)) }
        let fallback = codec(.routing, plain, named: "routing-fallback")
        return codec(.routing, RoutingRegistry.descriptions, program: ProgramGrammar(fallback: fallback, name: JoinShortestQueue.description.name))
    }

    /// The same for who is next in a batch.
    static func scheduling() -> Codec<PolicyChoice> {
        let fallback = codec(.scheduling, SchedulingRegistry.descriptions, named: "scheduling-fallback")
        return codec(
            .scheduling, SchedulingRegistry.descriptions, program: ProgramGrammar(fallback: fallback, name: FirstComeFirstServed.description.name))
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
