import Cluster
import Glibc
import TopologyFile
import Transport
import Workload

/// The files that a run reads, as they go to other hosts.
public struct RunFiles {
    /// The resolved topology with the names that files have there.
    private let topology: [UInt8]
    /// Measured times of iterations, which every node reads.
    private var tables: [(name: String, bytes: [UInt8])] = []
    /// The trace, which the client alone reads.
    private var trace: (name: String, path: String)?

    public init(_ plan: ClusterPlan) throws {
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

    /// All of them, the topology first.
    public func contents() throws -> [(name: String, bytes: [UInt8])] {
        var files = [(name: Self.topologyName, bytes: topology)] + tables
        if let trace { files.append((trace.name, try read(trace.path))) }
        return files
    }

    /// Writes all of them to a folder, which is made if missing. Answers their names, the topology's first.
    public func write(to folder: String) throws -> [String] {
        try Files.makeDirectories(folder)
        let files = try contents()
        for (name, bytes) in files { try Files.write(bytes, to: folder + "/" + name) }
        return files.map(\.name)
    }

    /// Makes a folder, and those that it is in.
    public static func makeFolder(_ folder: String) throws { try Files.makeDirectories(folder) }

    /// Writes a text to a file.
    public static func write(_ text: String, to path: String) throws { try Files.write(Array(text.utf8), to: path) }

    private func read(_ path: String) throws -> [UInt8] {
        guard let bytes = try Files.read(path) else { throw SystemError("\(path): found no file, expected a trace") }
        return bytes
    }

    /// Hands over the pieces of all that a node needs.
    func send(to node: NodePlan, peers: [PeerTable.Peer], _ send: (SeatOrder) -> Bool) throws {
        Self.pieces(of: topology, name: Self.topologyName, send)
        Self.pieces(of: Array(PeerTable.text(peers).utf8), name: Self.peersName, send)
        for table in tables { Self.pieces(of: table.bytes, name: table.name, send) }
        guard let trace else { return }
        Self.pieces(of: node.role == .client ? try read(trace.path) : [], name: trace.name, send)
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
