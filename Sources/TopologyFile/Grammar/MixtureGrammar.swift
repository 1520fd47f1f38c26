import Cluster
import Models
import Policies
import Quantities

/// How experts are spread, as the file gives it.
struct MixtureDraft {
    var gate = GateDraft()
    /// All but the gate.
    var rest = MixturePlan()

    init() {}

    /// For writing.
    init(_ plan: MixturePlan) {
        gate = GateDraft(plan.gate)
        rest = plan
    }

    /// The plan of a pool that runs `model`.
    func plan(for model: ModelShape) -> MixturePlan {
        var plan = rest
        plan.gate = gate.plan(for: model)
        return plan
    }
}

/// The keys of `experts`: how a mixture of experts is spread over workers.
enum MixtureGrammar {
    /// The keys, or `none` for a pool whose workers hold every expert, where it would inherit them.
    static var codec: Codec<MixtureDraft?> {
        let optional = mapping.or("none")
        return Codec(schema: optional.schema, read: optional.read, write: { $0.flatMap(mapping.write) })
    }

    private static var mapping: Codec<MixtureDraft> { Codec<MixtureDraft>.mapping("experts", MixtureDraft(), keys).defined(as: "mixture") }

    static var keys: [Key<MixtureDraft>] {
        [
            Key(
                "pool", \.rest.expertPool, Codec<String>.text("the name of a pool", pattern: PoolGrammar.namePattern) { !$0.isEmpty }.optional,
                "The pool of expert nodes, for attention nodes."),
            Key("gate", \.gate, GateGrammar.codec, "Which experts tokens pick."),
            Key("balance", \.rest.balance, balance, "Where experts live, and which replica a token goes to."),
            Key("layers", \.rest.granularity, layers, "How much of a layer is a message of its own: emulated times do not depend on it."),
            Key(
                "micro-batches", \.rest.microBatches, .integer(1...4, "a number of parts"),
                "Parts of a batch, one under way while another is computed."),
            Key("fabric", \.rest.fabric, fabric, "A measured all-to-all in place of ports and latencies of the links."),
            Key("dispatch", \.rest.dispatchFormat, format, "How activations travel to experts."),
            Key("combine", \.rest.combineFormat, format, "How they travel back."),
            Key(
                "kernel", \.rest.kernel, .choice("kernel", ExchangeKernel.allCases),
                "How often a token crosses the network: for each expert that it picks, or for each host with one."),
            Key("transfer", \.rest.transfer, .choice("transfer", ExpertTransfer.allCases), "How activations get to expert nodes."),
        ]
    }

    static var balanceKeys: [Key<BalancePlan>] {
        [
            Key("policy", \.policy, policy, "Where experts live."),
            Key("redundant", \.redundantExperts, .integer(0...1_000_000, "a number of replicas"), "Replicas beyond one of each expert."),
            Key("replan-interval", \.replanInterval, Codec<Int64>.quantity(.duration, Limits.span).or("never"), "Time between two plans."),
            Key(
                "start", \.startsInformed,
                Codec<String>.name("start", ["informed", "blind"]).map({ $0 == "informed" }, { $0 ? "informed" : "blind" }),
                "Whether the first plan knows how popular experts are."),
        ]
    }

    private static var policy: Codec<PolicyChoice> { PolicyGrammar.codec(.balance, BalanceRegistry.descriptions) }

    /// A mapping, or a policy's name alone.
    private static var balance: Codec<BalancePlan> {
        let mapping = Codec<BalancePlan>.mapping("balance", BalancePlan(), balanceKeys)
        let policies = BalanceRegistry.descriptions
        let aliases = Dictionary(policies.flatMap { policy in policy.aliases.map { ($0, policy.name) } }) { first, _ in first }
        let short = Codec<String>.name("policy", policies.map(\.name), aliases: aliases)
        return Codec(
            schema: .object([("anyOf", .list([short.schema, mapping.schema]))]),
            read: { node, base, reading in
                guard case .scalar = node.content, !node.isNull else { return mapping.read(node, base, reading) }
                guard let choice = short.read(node, nil, reading) else { return nil }
                var plan = base ?? BalancePlan()
                plan.policy = PolicyChoice(choice)
                return plan
            },
            write: mapping.write)
    }

    private static var layers: Codec<LayerGranularity> {
        let grouped = Form<LayerGranularity>("grouped", .integer(1...2_000, "a number of layers"), "The loads of so many layers at once.") {
            .grouped($0)
        } match: {
            if case .grouped(let count) = $0 { count } else { nil }
        }
        return .words("layers", ["exact", "iteration"], or: [grouped]) {
            $0 == "exact" ? .exact : .iteration
        } word: {
            switch $0 {
            case .exact: "exact"
            case .iteration: "iteration"
            case .grouped: nil
            }
        }
    }

    private static var fabric: Codec<AllToAllModel?> {
        Codec<String>.name("fabric", ["links"] + AllToAllModel.all.map(\.name)).map(
            { $0 == "links" ? .some(nil) : AllToAllModel.named($0).map(Optional.some) }, { $0?.name ?? "links" })
    }

    private static var format: Codec<ActivationFormat> {
        func name(_ format: ActivationFormat) -> String {
            switch format {
            case .bf16: "bf16"
            case .fp8: "fp8"
            case .int8: "int8"
            }
        }
        return Codec<String>.name("format", ActivationFormat.allCases.map(name)).map(
            { text in ActivationFormat.allCases.first { name($0) == text } }, name)
    }
}
