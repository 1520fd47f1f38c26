import Nodes
import Quantities

/// The `inproc` clock: all nodes in one process, always the one whose next event is the earliest.
///
/// It knows nothing of windows or lookahead, which makes it the oracle for the clock that does.
public struct InProcess {
    private let hosts: [NodeHost]
    /// A tournament over the nodes' next times: leaf `i` is node `i`, each inner place holds the node that wins below it.
    private var winners: [Int32]
    private var times: [Instant]
    private let leaves: Int
    private var out: [Outgoing] = []

    /// How far the clock has come.
    public private(set) var now: Instant = 0

    /// - Parameter hosts: the nodes by index.
    public init(_ hosts: [NodeHost]) {
        self.hosts = hosts
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
                        guard time < .never else { return false }
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
