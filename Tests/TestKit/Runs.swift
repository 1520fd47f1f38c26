import Cluster
import Nodes
import Quantities
import Records
import Time
import Workload

/// What a run left behind, by node.
public struct RunRecords: Equatable {
    public var requests: String = ""
    public var iterations: [String] = []
    public var messages: [String] = []
}

/// A run with its records and its nodes.
public struct FinishedRun {
    public var records = RunRecords()
    public var hosts: [NodeHost]

    /// What the client counted.
    public var client: ClientStatistics { hosts[ClusterLayout.client].statistics.client ?? ClientStatistics() }

    /// What the workers counted.
    public var workers: [WorkerStatistics] { hosts.compactMap { $0.statistics.worker } }

    init(hosts: [NodeHost]) {
        self.hosts = hosts
        records.requests = String(decoding: hosts[ClusterLayout.client].records.requests.bytes, as: UTF8.self)
        records.iterations = hosts.map { String(decoding: $0.records.iterations.bytes, as: UTF8.self) }
        records.messages = hosts.map { String(decoding: $0.records.messages.bytes, as: UTF8.self) }
    }
}

/// The nodes of a plan with generated requests.
public func makeHosts(_ plan: ClusterPlan) -> [NodeHost] {
    let layout = ClusterLayout(plan)
    return layout.nodes.compactMap { node in
        NodeHost.make(node, of: plan, layout: layout) { GeneratedRequests(plan.workload, seed: plan.seed) }
    }
}

/// Runs a plan under the clock that takes the earliest event anywhere.
public func runInProcess(_ plan: ClusterPlan) -> FinishedRun {
    let hosts = makeHosts(plan)
    var clock = InProcess(hosts)
    while clock.run(turns: 10_000, afterTurn: { _ in }) {}
    return FinishedRun(hosts: hosts)
}

/// Runs a plan under the timekeeper, over a network of queues in memory. `order` decides who goes first among the nodes that hold
/// a grant and how fast each queue moves, as a host's scheduler would: a message arrives when its receiver must wait for it, or
/// at random before that.
public func runInWindows(_ plan: ClusterPlan, order: UInt64) -> (run: FinishedRun, grants: Int64) {
    let hosts = makeHosts(plan)
    let layout = ClusterLayout(plan)
    var keeper = Timekeeper(layout, Lookahead(plan, layout))
    var random = RandomStream(seed: order, stream: 5)
    var arrivals = Array(repeating: Arrivals(nodes: hosts.count), count: hosts.count)
    /// By receiver and sender, what has been sent and has not arrived.
    var queues = Array(repeating: Array(repeating: [Envelope](), count: hosts.count), count: hosts.count)
    func deliver(from source: Int, to target: Int) {
        arrivals[target].count(from: Int32(source))
        hosts[target].receive(queues[target][source].removeFirst())
    }
    for host in hosts { keeper.take(WindowReport(of: host, sent: []), from: host.plan.index) }
    var granted: [Grant] = []
    keeper.grant(into: &granted)
    while !granted.isEmpty {
        let grant = granted.remove(at: random.below(granted.count))
        let node = Int(grant.node)
        arrivals[node].announce(grant.awaited)
        while arrivals[node].missing > 0 {
            let source = random.below(hosts.count)
            if !queues[node][source].isEmpty { deliver(from: source, to: node) }
        }
        var out: [Outgoing] = []
        hosts[node].advance(until: grant.until, into: &out)
        var notes = SentNotes()
        for outgoing in out {
            queues[Int(outgoing.target)][node].append(outgoing.envelope)
            if random.below(2) == 0 { deliver(from: node, to: Int(outgoing.target)) }
            notes.add(outgoing)
        }
        keeper.take(WindowReport(of: hosts[node], sent: notes.notes), from: node)
        keeper.grant(into: &granted)
    }
    precondition(keeper.isQuiescent, "plan \(plan.name): no grant is out and something is left to happen:\n\(keeper)")
    return (FinishedRun(hosts: hosts), keeper.grants)
}
