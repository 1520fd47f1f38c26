import Cluster
import Nodes
import Quantities
import Records

/// The `inproc` clock: all nodes in one process, always the one whose next event is the earliest.
///
/// It knows nothing of windows or lookahead, which makes it the oracle for the clock that does.
public struct InProcess {
    public private(set) var hosts: [NodeHost]
    private let faults: FaultTable
    private let revive: (Int, Instant) -> NodeHost?
    /// What processes counted that have ended.
    private var ended: EndedProcesses
    /// Processes have begun and ended up to here. When the client has what it came for, the run ends with the next change.
    private var changedTo: Instant = 0
    /// A tournament over the nodes' next times: leaf `i` is node `i`, each inner place holds the node that wins below it.
    private var winners: [Int32]
    private var times: [Instant]
    private let leaves: Int
    private var out: [Outgoing] = []

    /// How far the clock has come.
    public private(set) var now: Instant = 0

    /// - Parameters:
    ///   - hosts: the nodes by index.
    ///   - faults: when processes begin and end.
    ///   - revive: makes the new process of a node that is born at a time.
    public init(_ hosts: [NodeHost], faults: FaultTable, revive: @escaping (Int, Instant) -> NodeHost?) {
        self.hosts = hosts
        self.faults = faults
        self.revive = revive
        ended = EndedProcesses(nodes: hosts.count)
        var leaves = 1
        while leaves < hosts.count { leaves *= 2 }
        self.leaves = leaves
        times = (0..<leaves).map { $0 < hosts.count ? hosts[$0].next : .never }
        winners = Array(repeating: 0, count: 2 * leaves)
        for leaf in 0..<leaves { winners[leaves + leaf] = Int32(leaf) }
        for place in stride(from: leaves - 1, to: 0, by: -1) {
            let (left, right) = (winners[2 * place], winners[2 * place + 1])
            winners[place] = times[Int(right)] < times[Int(left)] ? right : left
        }
    }

    /// Lets nodes act, `turns` times at the most.
    /// - Returns: whether anything is left to happen.
    public mutating func run(turns: Int) -> Bool {
        guard !faults.isEmpty else { return run(turns: turns, before: .never) }
        let change = faults.nextTransition(after: changedTo)
        if run(turns: turns, before: change) { return true }
        guard change < .never else { return false }
        // Nobody is left to be served, or to see what happens.
        if hosts[ClusterLayout.client].isOver(with: faults, after: change) { return false }
        apply(change)
        changedTo = change
        return true
    }

    /// Processes end and begin.
    private mutating func apply(_ time: Instant) {
        now = time
        for change in faults.changes(at: time) {
            switch change {
            case .end(let node):
                guard !hosts[node].isDead else { continue }
                hosts[node].die(at: time)
                ended.take(hosts[node])
            case .begin(let node, let born): if hosts[node].isDead, let host = revive(node, born) { hosts[node] = host }
            // Whoever stands still does what is due when it goes on: its host sees to that.
            case .stop, .goOn: continue
            }
        }
        for node in hosts.indices { set(node, to: hosts[node].next) }
    }

    private mutating func set(_ node: Int, to time: Instant) {
        let leaves = leaves
        times.withUnsafeMutableBufferPointer { times in
            winners.withUnsafeMutableBufferPointer { winners in Self.update(node, to: time, times, winners, leaves: leaves) }
        }
    }

    /// The run is over: what is open fails.
    public func finish() { hosts[ClusterLayout.client].finish() }

    /// What the nodes counted, in all their processes.
    public var statistics: [NodeStatistics] { hosts.map(ended.total) }

    /// Lets nodes act that do before a time.
    private mutating func run(turns: Int, before limit: Instant) -> Bool {
        var (now, out) = (self.now, self.out)
        self.out = []
        defer { (self.now, self.out) = (now, out) }
        let leaves = leaves
        // Pointers for the whole of it: an array in a structure is checked for other owners at every access.
        return hosts.withUnsafeBufferPointer { hosts in
            times.withUnsafeMutableBufferPointer { times in
                winners.withUnsafeMutableBufferPointer { winners in
                    for _ in 0..<turns {
                        let node = Int(winners[1])
                        let time = times[node]
                        guard time < limit else { return false }
                        now = time
                        // A message takes at least a nanosecond, so nothing that others do up to now can arrive before the next one.
                        hosts[node].advance(until: time + 1, into: &out)
                        for outgoing in out {
                            let (target, head) = (Int(outgoing.target), outgoing.envelope.head)
                            hosts[target].receive(outgoing.envelope)
                            if head < times[target] { Self.update(target, to: head, times, winners, leaves: leaves) }
                        }
                        out.removeAll(keepingCapacity: true)
                        Self.update(node, to: hosts[node].next, times, winners, leaves: leaves)
                    }
                    return true
                }
            }
        }
    }

    /// Sets a node's next time and replays its games, up to one that it neither wins nor has won.
    @inline(__always)
    private static func update(
        _ node: Int, to time: Instant, _ times: UnsafeMutableBufferPointer<Instant>, _ winners: UnsafeMutableBufferPointer<Int32>, leaves: Int
    ) {
        times[node] = time
        var place = (leaves + node) >> 1
        while place > 0 {
            let (left, right) = (winners[2 * place], winners[2 * place + 1])
            let winner = times[Int(right)] < times[Int(left)] ? right : left
            if winner == winners[place], winner != Int32(node) { return }
            winners[place] = winner
            place >>= 1
        }
    }
}
