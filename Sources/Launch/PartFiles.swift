import Cluster
import Nodes
import Quantities
import Records
import Transport

/// The rows of one node's process on their way to the disk, and its statistics. The launcher merges the parts.
///
/// A process may be killed at any time. So that little is lost with it, statistics are written now and then and not only at the end; and a client's
/// rows at once, for they are the account.
final class PartFiles: RecordSink {
    /// Rows are written out when so many bytes are held.
    static let threshold = 1 << 17

    private let rows: RecordBuffers
    private let requests: OutputFile?
    private let restarts: OutputFile?
    private let migrations: OutputFile?
    private let iterations: OutputFile?
    private let messages: OutputFile?
    private let transfers: OutputFile?
    private let layers: OutputFile?
    private let statisticsPath: String
    private let isAccount: Bool
    /// On the machine's clock, when rows and statistics are next written whatever has come together.
    private var nextRows: Int64 = 0
    private var nextStatistics: Int64 = 0
    private static let rowsInterval: Int64 = 100_000_000
    private static let statisticsInterval: Int64 = 1_000_000_000
    /// Processes of nodes that may share a processor.
    private let crowd: Int64
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
        crowd = Int64(max(1, plan.pools.reduce(2) { $0 + $1.count } / processorCount))
        isAccount = node.role == .client
        requests = node.role == .client ? try open(path("requests")) : nil
        restarts = node.role == .client ? try open(path("restarts")) : nil
        migrations = plan.movesRequests && node.role.servesRequests ? try open(path("migrations")) : nil
        iterations = node.role.isWorker && records.iterations ? try open(path("iterations")) : nil
        messages = records.messages ? try open(path("messages")) : nil
        transfers = plan.duty(of: node.role) == .decode && records.timeline ? try open(path("transfers")) : nil
        layers = node.role.isWorker && records.layers ? try open(path("layers")) : nil
        statisticsPath = path("statistics")
    }

    /// Kinds of parts that hold rows.
    static let rowKinds = ["requests", "restarts", "iterations", "messages", "transfers", "layers"]

    static func path(_ directory: String, _ node: NodePlan, _ kind: String) -> String { "\(directory)/\(node.name).\(kind)" }

    func drain(_ host: NodeHost) throws {
        let now = monotonicNow()
        if isAccount || rows.count >= Self.threshold || now >= nextRows {
            nextRows = now + Self.rowsInterval
            try writeRows()
        }
        guard now >= nextStatistics else { return }
        try writeRows()
        try writeStatistics(host)
        // Of a long run they are long, and of a large cluster many: they take a fiftieth of the host's time at the most.
        let end = monotonicNow()
        nextStatistics = end + max(Self.statisticsInterval, 50 * (end - now) * crowd)
    }

    private func writeRows() throws {
        guard rows.count > 0 else { return }
        try take(&rows.requests) { try requests?.write($0) }
        try take(&rows.restarts) { try restarts?.write($0) }
        try take(&rows.migrations) { try migrations?.write($0) }
        try take(&rows.iterations) { try iterations?.write($0) }
        try take(&rows.messages) { try messages?.write($0) }
        try take(&rows.transfers) { try transfers?.write($0) }
        try take(&rows.layers) { try layers?.write($0) }
    }

    func close(_ host: NodeHost) throws {
        try writeRows()
        try writeStatistics(host)
    }

    private func writeStatistics(_ host: NodeHost) throws {
        var counted = host.statistics
        if let earlier { counted.merge(earlier) }
        try Self.write(counted, to: statisticsPath)
    }

    private static func write(_ counted: NodeStatistics, to path: String) throws {
        try Files.replace(path, by: counted.encoded().withUnsafeBytes { Array($0) })
    }

    /// Writes a node's statistics.
    static func write(_ counted: NodeStatistics, _ directory: String, _ node: NodePlan) throws {
        try write(counted, to: path(directory, node, "statistics"))
    }

    /// Reads a node's statistics; `nil` when it never wrote any, or when they are damaged.
    static func statistics(_ directory: String, _ node: NodePlan) throws(SystemError) -> NodeStatistics? {
        guard let bytes = try Files.read(path(directory, node, "statistics")), bytes.count % 8 == 0 else { return nil }
        let words = bytes.withUnsafeBytes { buffer in (0..<(bytes.count / 8)).map { buffer.load(fromByteOffset: $0 * 8, as: Int64.self) } }
        return NodeStatistics(decoding: words)
    }
}
