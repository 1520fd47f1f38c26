import Cluster
import Quantities

/// What goes wrong, as the file gives it.
struct FaultsDraft {
    var events: [FaultSpec] = []
    var random: [RandomFaults] = []
    var until: Nanoseconds?
    var trace: AvailabilityTrace?

    init() {}

    /// For writing: what a trace said stands among the events.
    init(_ plan: FaultPlan) {
        events = plan.events
        random = plan.random
        until = plan.until
    }
}

/// A fault as the file gives it, planned or at random. The key that names its kind says what it hits: `kill: decode-1`.
struct FaultDraft {
    /// Its name.
    var kind = ""
    var at: Instant = 0
    var targets: [FaultTarget] = []
    var role: Role?
    var meanTime: Nanoseconds = 0
    var shape = 1.0
    var restart: Nanoseconds?
    var duration: Nanoseconds = 0
    var factor = 1.0
    var grace: Nanoseconds = 0
    var link = LinkFault()
    var peers: [FaultTarget] = []

    init() {}

    init(_ kind: FaultKind) {
        self.kind = kind.name
        switch kind {
        case .kill(let restart): self.restart = restart
        case .hang(let duration): self.duration = duration
        case .slow(let factor, let duration): (self.factor, self.duration) = (factor, duration)
        case .preempt(let grace, let restart): (self.grace, self.restart) = (grace, restart)
        case .link(let link, let peers, let duration): (self.link, self.peers, self.duration) = (link, peers, duration)
        case .partition(let peers, let duration): (self.peers, self.duration) = (peers, duration)
        }
    }

    var fault: FaultKind? {
        switch kind {
        case "kill": .kill(restart: restart)
        case "hang": .hang(duration)
        case "slow": .slow(factor: factor, duration: duration)
        case "preempt": .preempt(grace: grace, restart: restart)
        case "link": .link(link, peers: peers, duration: duration)
        case "partition": .partition(peers: peers, duration: duration)
        default: nil
        }
    }
}

/// The keys of `faults`.
enum FaultGrammar {
    /// Most events of a topology, with those of a trace: a resolved topology holds them.
    static let limit = 2_000
    /// Times of faults: nothing happens before the run.
    static let span: ClosedRange<Nanoseconds> = 1...Limits.span.upperBound

    static var codec: Codec<FaultsDraft> { .mapping("faults", FaultsDraft(), keys) }

    static var keys: [Key<FaultsDraft>] {
        [
            Key("events", \.events, Codec<[FaultSpec]>.list("faults", event, limit: limit).unlessEmpty, "Faults at given times."),
            Key(
                "random", \.random, Codec<[RandomFaults]>.list("faults", random, limit: 100).unlessEmpty,
                "Faults at random times, drawn by the seed for each node of a role."),
            Key(
                "until", \.until, Codec<Int64>.quantity(.duration, span).optional,
                "Until when faults at random happen: the workload's duration, or an hour, unless given."),
            Key("trace", \.trace, AvailabilityTrace.codec.optional, AvailabilityTrace.summary),
        ]
    }

    /// One kind of fault: its name, what it does, and the keys that only it has.
    private struct Kind {
        var name: String
        var summary: String
        var keys: [Key<FaultDraft>]
    }

    private static var kinds: [Kind] {
        let time = Codec<Int64>.quantity(.duration, span)
        let duration = Key<FaultDraft>("for", \.duration, time, isRequired: true, "How long.")
        func restart(_ since: String) -> Key<FaultDraft> {
            Key("restart", \.restart, time.optional, "A new process starts, cold, so long after \(since); unless given, none does.")
        }
        func peers(_ key: String) -> Key<FaultDraft> { Key(key, \.peers, targets.unlessEmpty, "The other side: everybody else unless given.") }
        return [
            Kind(name: "kill", summary: "Processes that end at once.", keys: [restart("the kill")]),
            Kind(name: "hang", summary: "Processes that stand still.", keys: [duration]),
            Kind(
                name: "slow", summary: "Nodes that compute slowly.",
                keys: [Key("factor", \.factor, .number(1...1_000_000), isRequired: true, "How many times as long they take."), duration]),
            Kind(
                name: "preempt", summary: "Nodes that are taken away after a notice.",
                keys: [Key("grace", \.grace, time, isRequired: true, "From the notice to the kill."), restart("the kill")]),
            Kind(
                name: "link", summary: "Nodes whose links are worse.",
                keys: [
                    peers("to"), Key("latency", \.link.latency, .quantity(.duration, 0...Limits.latency.upperBound), "Added to the latency."),
                    Key("bandwidth", \.link.bandwidth, .number(0...1, isOpen: true), "Share of the bandwidth that is left."),
                    Key("loss", \.link.loss, loss, "Share of the messages that are lost and sent again."),
                    Key("retransmission", \.link.retransmission, .quantity(.duration, 1...Limits.latency.upperBound), "What each loss costs."),
                    duration,
                ]),
            Kind(name: "partition", summary: "Nodes that the other side cannot reach.", keys: [peers("from"), duration]),
        ]
    }

    private static var loss: Codec<Double> {
        let number = Codec<Double>.number(0...1)
        return Codec(
            schema: .object([("type", .text("number")), ("minimum", .number("0")), ("exclusiveMaximum", .number("1"))]),
            read: { node, _, reading in
                if case .scalar(let text, isPlain: true) = node.content, isDecimal(text), let value = Double(text), value >= 0, value < 1 {
                    return value
                }
                reading.report(node.mark, "\(node.found), expected a number from 0, below 1")
                return nil
            },
            write: number.write)
    }

    private static var targets: Codec<[FaultTarget]> {
        // What names what is known once there are pools.
        let target = Codec<String>.text("the name of a node, a host or a rack") { !$0.isEmpty && $0.utf8.count <= 64 }
            .map({ FaultTarget.node($0) }, \.text)
        return Codec<[FaultTarget]>.list("nodes, hosts or racks", target, limit: Limits.nodes).orScalar(target.map({ [$0] }, \.first)) {
            $0.count == 1
        }
    }

    private static var event: Codec<FaultSpec> {
        let at = Key<FaultDraft>("at", \.at, .quantity(.duration, span), isRequired: true, "When.")
        return fault { kind in
            [at, Key(kind.name, \.targets, targets, isRequired: true, "\(kind.summary) A node, a host or a rack, or a list of them.")]
        }.map({ draft in draft.fault.map { FaultSpec(at: draft.at, kind: $0, targets: draft.targets) } }) { spec in
            var draft = FaultDraft(spec.kind)
            draft.at = spec.at
            draft.targets = spec.targets
            return draft
        }
    }

    private static var random: Codec<RandomFaults> {
        let weibull = Form<Double>("weibull", .number(0.1...20), "Weibull with this shape: below 1 faults come in clusters, above 1 from age.") {
            $0
        } match: {
            $0 == 1 ? nil : $0
        }
        let distribution = Codec<Double>.words("distribution", ["exponential"], or: [weibull]) { _ in
            1
        } word: {
            $0 == 1 ? "exponential" : nil
        }
        let times: [Key<FaultDraft>] = [
            Key(
                "mtbf", \.meanTime, .quantity(.duration, Limits.span), isRequired: true,
                "Mean time between two faults of a node, from the end of one to the next."),
            Key("distribution", \.shape, distribution, "How that time is distributed."),
        ]
        let role = Codec<Role>.choice("role", Role.allCases).optional
        return fault { kind in
            [Key(kind.name, \.role, role, isRequired: true, "\(kind.summary) The role whose nodes it hits.")] + times
        }.map({ draft in
            guard let kind = draft.fault, let role = draft.role else { return nil }
            return RandomFaults(role: role, kind: kind, meanTime: draft.meanTime, shape: draft.shape)
        }) { random in
            var draft = FaultDraft(random.kind)
            draft.role = random.role
            draft.meanTime = random.meanTime
            draft.shape = random.shape
            return draft
        }
    }

    /// A mapping with one key that names a kind of fault and what it hits, among `head`, and the keys of that kind.
    private static func fault(_ head: (Kind) -> [Key<FaultDraft>]) -> Codec<FaultDraft> {
        let kinds = kinds
        let names = kinds.map(\.name)
        let codecs = kinds.map { kind -> Codec<FaultDraft> in
            var initial = FaultDraft()
            initial.kind = kind.name
            return .mapping("a fault of the kind \(kind.name)", initial, head(kind) + kind.keys)
        }
        return Codec(
            schema: .object([("anyOf", .list(codecs.map(\.schema)))]),
            read: { node, _, reading in
                guard let entries = entries(node, "a fault", reading) else { return nil }
                let given = entries.filter { names.contains($0.key) }
                guard let first = given.first, let place = names.firstIndex(of: first.key) else {
                    let near = entries.lazy.compactMap { nearest($0.key, among: names) }.first
                    reading.report(node.mark, "found no kind of fault, expected one key of \(listed(names))" + suggestion(near))
                    return nil
                }
                if given.count > 1 {
                    reading.report(
                        given[1].keyMark, "found \(quoted(given[1].key)) next to \(quoted(first.key)), expected one fault: others stand by themselves"
                    )
                    return nil
                }
                return codecs[place].read(node, nil, reading)
            },
            write: { draft in names.firstIndex(of: draft.kind).flatMap { codecs[$0].write(draft) } })
    }
}

extension FaultTarget {
    /// What topologies call it.
    var text: String {
        switch self {
        case .node(let name): name
        case .host(let number): "host-\(number)"
        case .rack(let number): "rack-\(number)"
        }
    }
}

extension Codec where Value: Collection {
    /// The same lists; an empty one, which no file can give, is left out when written.
    fileprivate var unlessEmpty: Codec {
        Codec(schema: schema, read: read, write: { $0.isEmpty ? nil : write($0) })
    }
}
