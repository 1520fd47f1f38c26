import Cluster
import Policies
import Quantities

/// The keys of `recovery`.
enum RecoveryGrammar {
    static var codec: Codec<RecoveryPlan> {
        let time = Codec<Int64>.quantity(.duration, Limits.span)
        return .mapping(
            "recovery", RecoveryPlan(),
            [
                Key("policy", \.policy, policy, "What becomes of the requests of a dead worker."),
                Key("heartbeat", \.heartbeat, time, "How often a node tells the controller that it lives."),
                Key("timeout", \.timeout, time, "After how long a silence it counts as dead."),
                Key("retries", \.retries, .integer(0...1_000, "a number of retries"), "How often one request is begun again before it fails."),
                Key(
                    "patience", \.patience, .quantity(.duration, 0...Limits.span.upperBound),
                    "How long requests wait for a worker while none lives."),
                Key(
                    "standby", \.hasStandby, .flag,
                    "Whether a second controller takes over when the first is silent; or the first's restart counts, if that is earlier."),
                Key(
                    "preemption", \.preemption, PolicyGrammar.codec(.preemption, PreemptionRegistry.descriptions),
                    "What is done between the notice that a worker will be ended and its end."),
                Key("start-up", \.startUp, startUp, "What a worker's start costs."),
            ])
    }

    static var startUp: Codec<StartUpPlan> {
        .mapping(
            "start-up", StartUpPlan(),
            [
                Key("base", \.base, .quantity(.duration, 0...Limits.span.upperBound), "Its process and its runtime, before weights load."),
                Key("tier", \.tier, .choice("tier", StorageTier.allCases), "Where weights are kept; workers of a host that start at once share it."),
                Key(
                    "bandwidth", \.bandwidth, Codec<Int64>.quantity(.memoryBandwidth, Limits.bandwidth).or("tier"),
                    "Bandwidth of the tier on a host; tier: its usual one."),
            ])
    }

    /// A name, or a mapping with the key `policy` and numbers.
    private static var policy: Codec<PolicyChoice> {
        let name = Codec<String>.text("the name of a policy", pattern: "^[a-z][a-z0-9-]{0,63}$", accepts: isName)
        let number = Codec<Double>.number(-1e18...1e18)
        return Codec(
            schema: .object([
                (
                    "anyOf",
                    .list([
                        name.schema,
                        .object([
                            ("type", .text("object")), ("properties", .object([("policy", name.schema)])), ("required", .list([.text("policy")])),
                            ("patternProperties", .object([("^x-", .object([]))])), ("additionalProperties", number.schema),
                        ]),
                    ])
                )
            ]),
            read: { node, _, reading in
                guard case .mapping(let entries) = node.content else { return name.read(node, nil, reading).map { PolicyChoice($0) } }
                guard let choice = entries.first(where: { $0.key == "policy" }) else {
                    reading.report(node.mark, "found no key 'policy' in a policy, expected it with the name of one")
                    return nil
                }
                guard let policy = name.read(choice.value, nil, reading) else { return nil }
                var parameters: [String: Double] = [:]
                for entry in entries where entry.key != "policy" && !entry.key.hasPrefix("x-") {
                    if let value = number.read(entry.value, nil, reading) { parameters[entry.key] = value }
                }
                return PolicyChoice(policy, parameters: parameters)
            },
            write: { choice in
                guard !choice.parameters.isEmpty else { return .text(choice.name) }
                let values = choice.parameters.sorted { $0.key < $1.key }.map { ($0.key, YAMLNode.plain(plainText($0.value))) }
                return .mapping([("policy", .text(choice.name))] + values)
            })
    }

    private static func isName(_ text: String) -> Bool {
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard let first = text.utf8.first, letters.contains(first), text.utf8.count <= 64 else { return false }
        return text.utf8.allSatisfy { letters.contains($0) || digits.contains($0) || $0 == UInt8(ascii: "-") }
    }
}
