import Cluster
import Nodes
import Quantities
import Records
import Time
import Workload

/// The rows that a run left behind: as written, and without regard to how rows of different nodes are interleaved.
public struct RunRecords: Equatable, Sendable {
    public var requests: String
    public var restarts: String
    public var migrations: [String]
    public var iterations: [String]
    public var messages: [String]
    public var layers: [String]

    init(_ buffers: [RecordBuffers]) {
        requests = buffers.map { String(decoding: $0.requests.bytes, as: UTF8.self) }.joined()
        restarts = buffers.map { String(decoding: $0.restarts.bytes, as: UTF8.self) }.joined()
        migrations = Self.rows(buffers.map(\.migrations))
        iterations = Self.rows(buffers.map(\.iterations))
        messages = Self.rows(buffers.map(\.messages))
        layers = Self.rows(buffers.map(\.layers))
    }

    private static func rows(_ texts: [TextBuffer]) -> [String] {
        // By their first field, the node; stable, so that a node's rows stay in its order.
        let rows = texts.flatMap { String(decoding: $0.bytes, as: UTF8.self).split(separator: "\n") }
        let byNode = Dictionary(grouping: rows) { $0.prefix { $0 != "," } }
        return byNode.keys.sorted().flatMap { (byNode[$0] ?? []).map(String.init) }
    }
}

extension RunRecords {
    /// The first rows that differ, in words; `nil` when none do.
    public func firstDifference(from other: RunRecords) -> String? {
        func rows(_ text: String) -> [String] { text.split(separator: "\n").map(String.init) }
        let parts: [(String, [String], [String])] = [
            ("requests", rows(requests), rows(other.requests)), ("restarts", rows(restarts), rows(other.restarts)),
            ("migrations", migrations, other.migrations), ("iterations", iterations, other.iterations), ("layers", layers, other.layers),
            ("messages", messages, other.messages),
        ]
        for (name, mine, theirs) in parts where mine != theirs {
            let place = zip(mine, theirs).enumerated().first { $1.0 != $1.1 }?.offset ?? min(mine.count, theirs.count)
            return
                "\(name) \(place) of \(mine.count) and \(theirs.count): \(mine.dropFirst(place).first ?? "none") | \(theirs.dropFirst(place).first ?? "none")"
        }
        return nil
    }
}

/// A run with its records and its nodes.
public struct FinishedRun {
    public var records: RunRecords
    public var hosts: [NodeHost]
    /// By node, in all its processes.
    public var statistics: [NodeStatistics]
    public var hasFaults: Bool

    /// What the client counted.
    public var client: ClientStatistics { statistics[ClusterLayout.client].client ?? ClientStatistics() }

    /// What the workers counted.
    public var workers: [WorkerStatistics] { statistics.compactMap(\.worker) }
}

extension FinishedRun {
    /// What of the run does not add up, in words: requests without an end, tokens lost or doubled, blocks kept.
    public var imbalances: [String] {
        var found: [String] = []
        let client = client
        if client.offered != client.done + client.rejected + client.failed { found.append("\(client.offered) requests offered, others ended") }
        if client.duplicatedTokens > 0 { found.append("\(client.duplicatedTokens) tokens came twice") }
        if client.failed > 0, !hasFaults { found.append("\(client.failed) requests failed though nothing went wrong") }
        if client.missingTokens > 0 { found.append("\(client.missingTokens) tokens never came") }
        for worker in workers {
            if worker.blocksAtEnd != 0, !hasFaults { found.append("\(worker.blocksAtEnd) blocks are still in use") }
            if worker.kvPeakBlocks > worker.kvTotalBlocks { found.append("\(worker.kvPeakBlocks) of \(worker.kvTotalBlocks) blocks were used") }
        }
        return found
    }
}

/// The nodes of a plan with generated requests.
func makeHosts(_ plan: ClusterPlan, _ faults: FaultTable, commons: GangCommons? = nil, records: (NodePlan) -> RecordBuffers) -> [NodeHost] {
    let layout = ClusterLayout(plan)
    return layout.nodes.compactMap { makeHost($0, plan, layout, faults, born: 0, commons, records: records($0)) }
}

/// A node, or its new process.
func makeHost(
    _ node: NodePlan, _ plan: ClusterPlan, _ layout: ClusterLayout, _ faults: FaultTable, born: Instant, _ commons: GangCommons? = nil,
    records: RecordBuffers
) -> NodeHost? {
    NodeHost.make(node, of: plan, layout: layout, records: records, faults: faults, born: born, commons: commons) {
        GeneratedRequests(plan.workload, seed: plan.seed)
    }
}

/// Runs a plan under the clock that takes the earliest event anywhere.
public func runInProcess(_ plan: ClusterPlan) -> FinishedRun {
    let plan = plan.inOneProcess
    let buffers = RecordBuffers()
    let layout = ClusterLayout(plan)
    let faults = FaultTable(plan, layout)
    let commons = GangCommons()
    var clock = InProcess(makeHosts(plan, faults, commons: commons) { _ in buffers }, faults: faults) { node, born in
        makeHost(layout.nodes[node], plan, layout, faults, born: born, commons, records: buffers)
    }
    while clock.run(turns: 10_000) {}
    clock.finish()
    return FinishedRun(records: RunRecords([buffers]), hosts: clock.hosts, statistics: clock.statistics, hasFaults: !faults.isEmpty)
}

/// Runs a plan under the timekeeper, over a network of queues in memory. `order` decides who goes first among the nodes that hold
/// a grant and how fast each queue moves, as a host's scheduler would: a message arrives when its receiver must wait for it, or
/// at random before that. The clock stops at each of `stops`, in order, and there the client is given the requests that come with it.
public func runInWindows(
    _ plan: ClusterPlan, order: UInt64, stops: [(time: Instant, requests: [RequestSpec])] = []
) -> (run: FinishedRun, grants: Int64) {
    let layout = ClusterLayout(plan)
    let buffers = layout.nodes.map { _ in RecordBuffers() }
    let faults = FaultTable(plan, layout)
    var hosts = makeHosts(plan, faults) { buffers[$0.index] }
    var ended = EndedProcesses(nodes: hosts.count)
    var keeper = Timekeeper(layout, Lookahead(plan, layout), faults: faults)
    var random = RandomStream(seed: order, stream: 5)
    var departures = hosts.map { _ in Departures(plan) }
    var arrivals = Array(repeating: Arrivals(nodes: hosts.count), count: hosts.count)
    /// By receiver and sender, what has been sent and has not arrived.
    var queues = Array(repeating: Array(repeating: [Envelope](), count: hosts.count), count: hosts.count)
    func deliver(from source: Int, to target: Int) {
        arrivals[target].count(from: Int32(source))
        hosts[target].receive(queues[target][source].removeFirst())
    }
    /// Windows of nodes that wait for messages of their gang, and those messages under way.
    var open: [Int: (grant: Grant, out: [Outgoing])] = [:]
    var layers: [Outgoing] = []
    var granted: [Grant] = []
    func goOn(_ node: Int, _ grant: Grant, _ before: [Outgoing]) {
        var out = before
        var new: [Outgoing] = []
        hosts[node].advance(until: grant.until, into: &new)
        layers += new.filter { $0.envelope.message.channel == .layer }
        out += new.filter { $0.envelope.message.channel != .layer }
        guard !hosts[node].isWaiting else {
            open[node] = (grant, out)
            return
        }
        if grant.ahead > 0 { hosts[node].sendArrivals(before: grant.ahead, into: &out) }
        departures[node].sort(&out, next: hosts[node].next, faults: faults, flushes: grant.ahead == Grant.flush)
        var notes = SentNotes()
        for outgoing in out {
            queues[Int(outgoing.target)][node].append(outgoing.envelope)
            if random.below(2) == 0 { deliver(from: node, to: Int(outgoing.target)) }
            notes.add(outgoing)
        }
        keeper.take(WindowReport(of: hosts[node], sent: notes.notes, heldFrom: departures[node].heldFrom), from: node)
        keeper.grant(into: &granted)
    }
    var stops = stops[...]
    /// Goes on where the clock stops, if it does; whether there is something to do then.
    func passStop() -> Bool {
        while granted.isEmpty, let stop = stops.popFirst() {
            precondition(keeper.isAtStop, "plan \(plan.name): no grant is out and something is left before the stop at \(stop.time):\n\(keeper)")
            keeper.reached = max(keeper.reached, stop.time)
            hosts[ClusterLayout.client].offer(stop.requests)
            if let first = stop.requests.first { keeper.note(arrivalAt: first.arrival) }
            keeper.stop = stops.first?.time ?? .never
            keeper.grant(into: &granted)
        }
        return !granted.isEmpty
    }
    keeper.stop = stops.first?.time ?? .never
    for host in hosts { keeper.take(WindowReport(of: host, sent: []), from: host.plan.index) }
    keeper.grant(into: &granted)
    func change(_ change: FaultTable.Change, at time: Instant) {
        switch change {
        case .end(let node):
            hosts[node].die(at: time)
            ended.take(hosts[node])
            arrivals[node] = Arrivals(nodes: hosts.count)
            for source in hosts.indices { queues[node][source].removeAll() }
            departures[node] = Departures(plan)
        case .begin(let node, let born):
            guard let host = makeHost(layout.nodes[node], plan, layout, faults, born: born, records: buffers[node]) else { return }
            hosts[node] = host
            keeper.take(WindowReport(of: host, sent: []), from: node)
        case .stop, .goOn: break
        }
    }
    while true {
        if granted.isEmpty, layers.isEmpty {
            let (time, changes) = keeper.takeChanges()
            for item in changes { change(item, at: time) }
            keeper.grant(into: &granted)
            if granted.isEmpty, changes.isEmpty, !passStop() { break }
            continue
        }
        if !layers.isEmpty, granted.isEmpty || random.below(2) == 0 {
            let outgoing = layers.remove(at: random.below(layers.count))
            let node = Int(outgoing.target)
            hosts[node].receive(outgoing.envelope)
            if layout.nodes[node].role == .expert {
                var out: [Outgoing] = []
                hosts[node].advance(until: .never, into: &out)
                layers += out
            } else if let (grant, out) = open.removeValue(forKey: node) {
                goOn(node, grant, out)
            }
        } else {
            let grant = granted.remove(at: random.below(granted.count))
            let node = Int(grant.node)
            arrivals[node].announce(grant.awaited)
            while arrivals[node].missing > 0 {
                let source = random.below(hosts.count)
                if !queues[node][source].isEmpty { deliver(from: source, to: node) }
            }
            goOn(node, grant, [])
        }
    }
    precondition(open.isEmpty, "plan \(plan.name): \(open.keys.sorted()) wait for messages of their gang that nobody sends\n\(keeper)")
    precondition(keeper.isQuiescent, "plan \(plan.name): no grant is out and something is left to happen:\n\(keeper)")
    hosts[ClusterLayout.client].finish()
    let statistics = hosts.map(ended.total)
    return (FinishedRun(records: RunRecords(buffers), hosts: hosts, statistics: statistics, hasFaults: !faults.isEmpty), keeper.grants)
}
