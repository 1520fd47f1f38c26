import Cluster
import Nodes
import Quantities
import Records
import Transport

/// The rows of one node on their way to the disk, and its statistics at the end. The launcher puts the parts together.
final class PartFiles: RecordSink {
    /// Rows are written out when so many bytes are held.
    private static let threshold = 1 << 17

    private let requests: OutputFile?
    private let iterations: OutputFile?
    private let messages: OutputFile?
    private let transfers: OutputFile?
    private let statisticsPath: String

    /// - Parameter directory: the run's directory of parts, which must be there.
    init(directory: String, node: NodePlan, records: RecordPlan) throws(SystemError) {
        func path(_ kind: String) -> String { PartFiles.path(directory, node, kind) }
        requests = node.role == .client ? try OutputFile(path("requests")) : nil
        iterations = node.role.isWorker && records.iterations ? try OutputFile(path("iterations")) : nil
        messages = records.messages ? try OutputFile(path("messages")) : nil
        transfers = node.role == .decode && records.timeline ? try OutputFile(path("transfers")) : nil
        statisticsPath = path("statistics")
    }

    static func path(_ directory: String, _ node: NodePlan, _ kind: String) -> String { "\(directory)/\(node.name).\(kind)" }

    func drain(_ host: NodeHost, force: Bool) throws {
        if force || host.records.count >= Self.threshold { try host.takeRecords { rows throws in try write(&rows) } }
    }

    private func write(_ rows: inout RecordBuffers) throws {
        try write(&rows.requests, to: requests)
        try write(&rows.iterations, to: iterations)
        try write(&rows.messages, to: messages)
        try write(&rows.transfers, to: transfers)
    }

    private func write(_ text: inout TextBuffer, to file: OutputFile?) throws {
        if text.count > 0 { try text.bytes.withUnsafeBytes { try file?.write($0) } }
        text.removeAll()
    }

    /// Writes out the last rows and the statistics.
    func finish(_ host: NodeHost) throws {
        try drain(host, force: true)
        let words = host.statistics.encoded()
        let bytes = words.withUnsafeBytes { Array($0) }
        try Files.write(bytes, to: statisticsPath)
    }

    /// Reads a node's statistics; `nil` when it never wrote any, or when they are damaged.
    static func statistics(_ directory: String, _ node: NodePlan) throws(SystemError) -> NodeStatistics? {
        guard let bytes = try Files.read(path(directory, node, "statistics")), bytes.count % 8 == 0 else { return nil }
        let words = bytes.withUnsafeBytes { buffer in (0..<(bytes.count / 8)).map { buffer.load(fromByteOffset: $0 * 8, as: Int64.self) } }
        return NodeStatistics(decoding: words)
    }
}
