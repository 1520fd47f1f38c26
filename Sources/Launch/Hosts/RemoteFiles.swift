import Cluster
import Glibc
import TopologyFile
import Transport
import Workload

/// The files that a node on another host needs of a run.
struct RemoteFiles {
    /// The resolved topology with the names that files have there.
    private let topology: [UInt8]
    /// Measured times of iterations, which every node reads.
    private var tables: [(name: String, bytes: [UInt8])] = []
    /// The trace, which the client alone reads.
    private var trace: (name: String, path: String)?

    init(_ plan: ClusterPlan) throws {
        var plan = plan
        for place in plan.pools.indices {
            guard let path = plan.pools[place].measuredTable?.path else { continue }
            guard let bytes = try Files.read(path) else { throw SystemError("\(path): found no file, expected measured times") }
            let name = "table-\(place).csv"
            tables.append((name, bytes))
            plan.pools[place].measuredTable?.path = name
        }
        if case .trace(var source) = plan.workload.arrivals {
            let name = "trace" + (source.path.hasSuffix(".gz") ? ".gz" : "")
            trace = (name, source.path)
            source.path = name
            plan.workload.arrivals = .trace(source)
        }
        topology = Array(TopologyWriter.text(plan).utf8)
    }

    /// Names of the files with the topology and with the nodes' addresses.
    static let topologyName = "topology.yaml"
    static let peersName = "peers"

    /// Hands over the pieces of all that a node needs.
    func send(to node: NodePlan, peers: [PeerTable.Peer], _ send: (SeatOrder) -> Bool) throws {
        Self.pieces(of: topology, name: Self.topologyName, send)
        Self.pieces(of: Array(PeerTable.text(peers).utf8), name: Self.peersName, send)
        for table in tables { Self.pieces(of: table.bytes, name: table.name, send) }
        guard let trace else { return }
        var bytes: [UInt8] = []
        if node.role == .client {
            guard let read = try Files.read(trace.path) else { throw SystemError("\(trace.path): found no file, expected a trace") }
            bytes = read
        }
        Self.pieces(of: bytes, name: trace.name, send)
    }

    /// Hands over a file piece by piece.
    static func pieces(of bytes: [UInt8], name: String, _ send: (SeatOrder) -> Bool) {
        var start = 0
        repeat {
            let end = min(bytes.count, start + SeatLimits.piece)
            guard send(.file(name: name, isFirst: start == 0, bytes: Array(bytes[start..<end]))) else { return }
            start = end
        } while start < bytes.count
    }
}
