import Cluster
import Nodes
import Quantities

/// Messages on their way out of a node's process. Those that set nothing off, a stream's tokens, are held back and leave together:
/// a frame costs far more than a message. They never wait longer than the node's next window, or `limit` of emulated time.
///
/// While messages are held back the node's report says that it may still send on `stream` from the oldest of them on, so nobody
/// goes past them.
public struct Departures: Sendable {
    /// Messages held back at the most.
    static let countLimit = 64
    /// How far a node may go on past the oldest message that it holds back.
    static let limit: Nanoseconds = 1_000_000_000

    private let holdsBack: Bool
    private var held: [Outgoing] = []

    /// - Parameter plan: in a closed loop the client acts on what it receives, and nothing is held back.
    public init(_ plan: ClusterPlan) { holdsBack = plan.workload.closedLoop == nil }

    /// When the oldest message held back was sent; `Instant.never` when there is none.
    public var heldFrom: Instant { held.first?.envelope.sent ?? .never }

    /// Takes out of `out` what can wait, and puts in what must leave now.
    ///
    /// - Parameter next: when the node acts next: nothing waits for a window that may never come.
    /// - Parameter faults: nobody gets a window past a time at which processes change, before everybody has come to it.
    public mutating func sort(_ out: inout [Outgoing], next: Instant, faults: FaultTable, flushes: Bool = false) {
        guard holdsBack else { return }
        let client = Int32(ClusterLayout.client)
        // Not the word that a worker is dead: the client acts on that.
        func waits(_ outgoing: Outgoing) -> Bool { outgoing.target == client && outgoing.envelope.message.channel == .stream }
        if out.contains(where: waits) {
            held.append(contentsOf: out.lazy.filter(waits))
            out.removeAll(where: waits)
        }
        guard let oldest = held.first else { return }
        let change = faults.isEmpty ? Instant.never : faults.nextTransition(after: oldest.envelope.sent)
        if flushes || held.count >= Self.countLimit || next >= min(oldest.envelope.sent + Self.limit, change) {
            out.append(contentsOf: held)
            held.removeAll(keepingCapacity: true)
        }
    }
}
