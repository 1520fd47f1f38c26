import Cluster
import Nodes
import Quantities
import Records
import Transport

/// The rows of one node's process on their way to the disk, and its statistics at the end. The launcher merges the parts.
final class PartFiles: RecordSink {
    /// Rows are written out when so many bytes are held.
    static let threshold = 1 << 17

    private let rows: RecordBuffers
    private let requests: OutputFile?
    private let restarts: OutputFile?
    private let iterations: OutputFile?
    private let messages: OutputFile?
    private let transfers: OutputFile?
    private let layers: OutputFile?
    private let statisticsPath: String
    /// What earlier processes of the node counted.
    private let earlier: NodeStatistics?

    /// - Parameters:
    ///   - directory: the run's directory of parts, which must be there.
    ///   - rows: what the node writes into.
    ///   - continues: whether an earlier process of the node has left parts, which stay.
    init(directory: String, node: NodePlan, of plan: ClusterPlan, rows: RecordBuffers, continues: Bool = false) throws(SystemError) {
        func open(_ path: String) throws(SystemError) -> OutputFile { try OutputFile(path, appends: continues) }
        earlier = continues ? try Self.statistics(directory, node) : nil
        let records = plan.records
        func path(_ kind: String) -> String { PartFiles.path(directory, node, kind) }
        self.rows = rows
        requests = node.role == .client ? try open(path("requests")) : nil
        restarts = node.role == .client ? try open(path("restarts")) : nil
        iterations = node.role.isWorker && records.iterations ? try open(path("iterations")) : nil
        messages = records.messages ? try open(path("messages")) : nil
        transfers = plan.duty(of: node.role) == .decode && records.timeline ? try open(path("transfers")) : nil
        layers = node.role.isWorker && records.layers ? try open(path("layers")) : nil
        statisticsPath = path("statistics")
    }

    static func path(_ directory: String, _ node: NodePlan, _ kind: String) -> String { "\(directory)/\(node.name).\(kind)" }

    func drain(force: Bool) throws {
        guard force || rows.count >= Self.threshold else { return }
        try take(&rows.requests) { try requests?.write($0) }
        try take(&rows.restarts) { try restarts?.write($0) }
        try take(&rows.iterations) { try iterations?.write($0) }
        try take(&rows.messages) { try messages?.write($0) }
        try take(&rows.transfers) { try transfers?.write($0) }
        try take(&rows.layers) { try layers?.write($0) }
    }

    func close(_ host: NodeHost) throws {
        try drain(force: true)
        var counted = host.statistics
        if let earlier { counted.merge(earlier) }
        try Files.write(counted.encoded().withUnsafeBytes { Array($0) }, to: statisticsPath)
    }

    /// Reads a node's statistics; `nil` when it never wrote any, or when they are damaged.
    static func statistics(_ directory: String, _ node: NodePlan) throws(SystemError) -> NodeStatistics? {
        guard let bytes = try Files.read(path(directory, node, "statistics")), bytes.count % 8 == 0 else { return nil }
        let words = bytes.withUnsafeBytes { buffer in (0..<(bytes.count / 8)).map { buffer.load(fromByteOffset: $0 * 8, as: Int64.self) } }
        return NodeStatistics(decoding: words)
    }
}
