import Cluster
import Quantities

/// A fault that nobody planned: what the launcher tells the nodes when a process has died or stands still by somebody else's doing, or when somebody
/// has told the cluster to have something go wrong.
public struct UnplannedFault: Sendable, Equatable {
    /// What has happened.
    public enum Kind: Int64, Sendable {
        case kill = 1, hang, resume
        /// A process is ended by command: unlike one that is gone already, it sees off what it has sent.
        case end
        /// Nodes compute more slowly.
        case slow
        /// Nodes and their peers cannot reach each other.
        case partition
        /// What is wrong with links ends.
        case heal
        /// A rank of a gang was stopped for real and held the others up for real: it is listed, and changes no time of the model.
        case held
    }

    public var kind: Kind
    public var nodes: [Int32]
    /// The other side of a partition.
    public var peers: [Int32]
    public var at: Instant
    /// When it is over; `Instant.never` when nobody knows.
    public var until: Instant
    /// How much longer computing takes, in thousandths.
    public var factor: Int64

    public init(kind: Kind, node: Int32, at: Instant, until: Instant) { self.init(kind: kind, nodes: [node], at: at, until: until) }

    public init(kind: Kind, nodes: [Int32], peers: [Int32] = [], at: Instant, until: Instant, factor: Int64 = 1000) {
        self.kind = kind
        self.nodes = nodes
        self.peers = peers
        self.at = at
        self.until = until
        self.factor = factor
    }

    /// The node that it happens to, where it is one.
    public var node: Int32 { nodes.first ?? 0 }

    private static let headCount = 5
    var words: [Int64] { [kind.rawValue, at, until, factor, Int64(nodes.count)] + (nodes + peers).map(Int64.init) }

    init?(words: [Int64]) {
        guard words.count >= Self.headCount, let kind = Kind(rawValue: words[0]), words[1] >= 0, words[2] >= words[1], words[3] >= 1000 else {
            return nil
        }
        let named = words.dropFirst(Self.headCount)
        guard named.allSatisfy({ (0...Int64(Int32.max)).contains($0) }), (0...Int64(named.count)).contains(words[4]) else { return nil }
        let nodes = named.prefix(Int(words[4])).map { Int32(truncatingIfNeeded: $0) }
        let peers = named.dropFirst(nodes.count).map { Int32(truncatingIfNeeded: $0) }
        guard kind == .heal || !nodes.isEmpty else { return nil }
        self.init(kind: kind, nodes: nodes, peers: peers, at: words[1], until: words[2], factor: words[3])
    }

    /// Puts it into a table.
    public func apply(to table: FaultTable) {
        let (nodes, peers) = (nodes.map(Int.init), peers.map(Int.init))
        guard (nodes + peers).allSatisfy({ $0 < table.count }) else { return }
        switch kind {
        case .kill, .end: table.add(Fault(at: at, until: until, kind: .kill(restart: nil), nodes: nodes))
        case .hang: table.add(Fault(at: at, until: until, kind: .hang(until - at), nodes: nodes))
        case .resume: for node in nodes { table.resume(node, since: at, at: until) }
        case .slow: table.add(Fault(at: at, until: until, kind: .slow(factor: Double(factor) / 1000, duration: until - at), nodes: nodes))
        case .partition: table.add(Fault(at: at, until: until, kind: .partition(peers: [], duration: until - at), nodes: nodes, peers: peers))
        case .heal: table.heal(at: at)
        case .held: table.list(Fault(at: at, until: until, kind: .hang(until - at), nodes: nodes))
        }
    }
}
