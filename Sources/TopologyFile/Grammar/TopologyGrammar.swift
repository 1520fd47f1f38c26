import Cluster
import Models
import Policies
import Quantities

/// A topology as the file gives it.
struct TopologyDraft {
    var version = 1
    var name: String?
    var seed: UInt64 = 1
    var clock = ClockMode.virtual
    var dilation = 1.0
    /// What pools start from.
    var defaults = PoolDraft()
    var pools: [PoolDraft] = []
    var controller = ControllerPlan()
    var links = LinkPlan()
    var hosts = HostPlan()
    var workload = WorkloadDraft()
    var objective: ServiceObjective?
    var records = RecordPlan()
    var predictor = PolicyChoice("none")
    var decisionCost = DecisionCost.free
    var faults = FaultsDraft()
    var recovery = RecoveryPlan()
}

/// The keys of a topology file: the one table that the reader, the writer and the JSON schema come from.
enum TopologyGrammar {
    static var codec: Codec<TopologyDraft> { .mapping("a topology", TopologyDraft(), keys) }

    static var keys: [Key<TopologyDraft>] {
        [
            Key("version", \.version, .integer(1...1, "the version"), "Version of the grammar."),
            Key("name", \.name, ShapeText.name.optional, "Its name, for the run's folder; the file's base name unless given."),
            Key("model", \.defaults.model, ModelGrammar.codec.optional, "The model of every pool that does not name another."),
            Key("seed", \.seed, .integer(0...UInt64.max), "Seed of everything random."),
            Key("clock", \.clock, .choice("clock", ClockMode.allCases), "Which clock drives the run."),
            Key("dilation", \.dilation, .number(0.001...1_000_000), "Wall-clock seconds for one emulated second, under wall."),
            defaults,
            PoolGrammar.pools(\.pools, inheriting: \.defaults),
            Key("controller", \.controller, ClusterGrammar.controller, "The controller's policies."),
            Key("predictor", \.predictor, ClusterGrammar.predictor, "What is known of output lengths before they end."),
            Key("decision-cost", \.decisionCost, ClusterGrammar.decisionCost, "What decisions take on the emulated clock."),
            Key("links", \.links, ClusterGrammar.links, "Links by class."),
            Key("hosts", \.hosts, ClusterGrammar.hosts, "How workers are laid out."),
            Key("workload", \.workload, WorkloadGrammar.codec, isRequired: true, "What the client offers."),
            Key("slo", \.objective, ClusterGrammar.objective.optional, "What counts as served well."),
            Key("records", \.records, ClusterGrammar.records, "What a run leaves behind besides its summary and its requests."),
            Key("faults", \.faults, FaultGrammar.codec, "What goes wrong."),
            Key("recovery", \.recovery, RecoveryGrammar.codec, "How faults are noticed, and what is done about them."),
        ]
    }

    /// Read as whole; written only as far as the pools do not say it themselves.
    private static var defaults: Key<TopologyDraft> {
        let codec = Codec<PoolDraft>.mapping("defaults", PoolDraft(), PoolGrammar.inheritable)
        return Key("defaults", "What every pool starts from.", schema: codec.schema) { node, root, reading in
            guard let value = codec.read(node, root.defaults, reading) else { return false }
            root.defaults = value
            return true
        } write: { root in
            root.defaults.device.flatMap(DeviceGrammar.codec.write).map { .mapping([("device", $0)]) }
        }
    }
}

/// The smaller mappings of a topology.
enum ClusterGrammar {
    static var controller: Codec<ControllerPlan> {
        let policy = PolicyGrammar.routing()
        return .mapping(
            "controller", ControllerPlan(),
            [
                Key("routing", \.routing, policy, "Where a new request goes."),
                Key("decode-routing", \.decodeRouting, policy, "Where a prefilled request goes."),
                Key(
                    "admission", \.admission, PolicyGrammar.codec(.admission, AdmissionRegistry.descriptions),
                    "Whether a request is taken at all; one that is not is rejected."),
                Key(
                    "migration", \.migration, PolicyGrammar.codec(.migration, MigrationRegistry.descriptions),
                    "Between which workers running requests are moved."),
                Key(
                    "scaling", \.scaling, PolicyGrammar.codec(.scaling, ScalingRegistry.descriptions),
                    "How many workers serve, where pools have more than serve from the start."),
            ])
    }

    /// `0`, `model`, or a time.
    static var decisionCost: Codec<DecisionCost> {
        let time = Codec<Int64>.quantity(.duration, 0...Limits.latency.upperBound)
        return Codec(
            schema: .object([("anyOf", .list([.object([("enum", .list([.number("0"), .text("model")]))]), time.schema]))]),
            read: { node, _, reading in
                switch node.content {
                case .scalar("0", _): return .free
                case .scalar("model", _): return .modelled
                case .scalar(let text, _) where !node.isNull && text.utf8.first.map({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) == true:
                    return time.read(node, nil, reading).map { $0 == 0 ? .free : .fixed($0) }
                default:
                    reading.report(node.mark, "\(node.found), expected 0, model, or a time such as 20us")
                    return nil
                }
            },
            write: { cost in
                switch cost {
                case .free: .plain("0")
                case .fixed(let duration): time.write(duration)
                case .modelled: .plain("model")
                }
            })
    }

    static var predictor: Codec<PolicyChoice> { PolicyGrammar.codec(.predictor, PredictorRegistry.descriptions, key: "name") }

    static var links: Codec<LinkPlan> {
        let link = Codec<LinkClass>.mapping(
            "a link", LinkClass(latency: 0),
            [
                Key("latency", \.latency, .quantity(.duration, Limits.latency), "Latency."),
                Key(
                    "bandwidth", \.bandwidth, Codec<Int64>.quantity(.bandwidth, Limits.bandwidth).or("device"),
                    "Bandwidth for each device; device: that of its own port."),
            ], hasDefaults: false
        ).defined(as: "link")
        return .mapping(
            "links", LinkPlan(),
            [
                Key("intra-node", \.intraNode, link, "Between workers on one host."),
                Key("inter-node", \.interNode, link, "Between hosts of one rack."),
                Key("inter-rack", \.interRack, link, "Between racks."),
                Key("control", \.control, link, "Between the client, the controller and everybody."),
            ])
    }

    static var hosts: Codec<HostPlan> {
        .mapping(
            "hosts", HostPlan(),
            [
                Key("devices-per-host", \.devicesPerHost, .integer(1...1_024, "a number of devices"), "Devices of a host."),
                Key("hosts-per-rack", \.hostsPerRack, .integer(1...65_536, "a number of hosts"), "Hosts of a rack."),
                Key(
                    "pack", \.pack, Codec<Int>.integer(1...1_024, "a number of workers").optional,
                    "Workers of a pool that share a container, a pod or a Slurm task; changes no record."),
            ])
    }

    static var objective: Codec<ServiceObjective> {
        let bound = Codec<Int64>.quantity(.duration, Limits.span).optional
        return .mapping(
            "slo", ServiceObjective(),
            [
                Key("ttft", \.ttft, bound, "Bound on the time to the first token."),
                Key("tbt", \.tbt, bound, "Bound on a request's mean time between tokens."),
                Key("e2e", \.e2e, bound, "Bound on the time to the last token."),
            ])
    }

    static var records: Codec<RecordPlan> {
        .mapping(
            "records", RecordPlan(),
            [
                Key("iterations", \.iterations, .flag, "iterations.csv: a row a batch iteration."),
                Key("messages", \.messages, .flag, "messages.csv: a row a message."),
                Key("timeline", \.timeline, .flag, "trace.perfetto-trace: the timeline."),
                Key("layers", \.layers, .flag, "layers.csv: a row for each rank, layer and micro-batch."),
            ])
    }
}
