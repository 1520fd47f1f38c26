import Cluster
import Quantities
import Records
import Reports
import Transport

/// Writes `trace.perfetto-trace` from the rows of a run.
struct Timeline {
    /// Slices of one run at the most: what a viewer still opens with ease. Those from the start count.
    static let sliceLimit = 100_000

    let folder: RunFolder
    let layout: ClusterLayout

    /// Reads the records, so it must come when they are written. Answers whether every slice found room.
    func write() throws -> Bool {
        let writers: [PerfettoWriter?] = layout.nodes.map { node in
            node.role.isWorker ? PerfettoWriter(TimelineNode(index: node.index, name: node.name, host: node.host)) : nil
        }
        let indices = Dictionary(uniqueKeysWithValues: layout.nodes.map { (ArraySlice($0.name.utf8), $0.index) })
        let hasAllIterations = try forEachRow(of: folder.path + "/iterations.csv", skipsHeader: true) { row in
            guard let node = RowFields.field(row, 0).flatMap({ indices[$0] }), let span = iteration(row) else { return }
            writers[node]?.append(span)
        }
        var hasAllTransfers = true
        for path in [folder.transfers] + layout.nodes.map({ PartFiles.path(folder.parts, $0, "transfers") }) {
            let hasAll = try forEachRow(of: path, skipsHeader: false) { row in
                guard let node = RowFields.field(row, 0).flatMap({ indices[$0] }), let span = transfer(row) else { return }
                writers[node]?.append(span)
            }
            hasAllTransfers = hasAllTransfers && hasAll
        }
        let file = try OutputFile(folder.path + "/trace.perfetto-trace")
        for case let writer? in writers { try writer.bytes.withUnsafeBytes { try file.write($0) } }
        return hasAllIterations && hasAllTransfers
    }

    /// Hands each row to `body`, up to the limit. Answers whether that was all.
    private func forEachRow(of path: String, skipsHeader: Bool, body: (ArraySlice<UInt8>) -> Void) throws -> Bool {
        // A row has under 200 bytes, so this reads what is needed and not the whole of a long run.
        guard let bytes = try Files.read(path, limit: Self.sliceLimit * 200) else { return true }
        var start = skipsHeader ? (bytes.firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex - 1) + 1 : 0
        var left = Self.sliceLimit
        while start < bytes.count, let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            guard left > 0 else { return false }
            left -= 1
            body(bytes[start..<end])
            start = end + 1
        }
        return true
    }

    private func iteration(_ row: ArraySlice<UInt8>) -> IterationSpan? {
        guard let start = RowFields.time(row, field: 2), let end = RowFields.time(row, field: 3), let prefill = RowFields.number(row, field: 4),
            let decode = RowFields.number(row, field: 5), let waiting = RowFields.number(row, field: 7), let blocks = RowFields.number(row, field: 8)
        else { return nil }
        return IterationSpan(
            start: start, end: end, prefillTokens: Int(prefill), decodeRequests: Int(decode), kvBlocks: Int(blocks), waiting: Int(waiting))
    }

    private func transfer(_ row: ArraySlice<UInt8>) -> TransferSpan? {
        guard let request = RowFields.number(row, field: 1), let start = RowFields.time(row, field: 2), let end = RowFields.time(row, field: 3),
            let bytes = RowFields.number(row, field: 4)
        else { return nil }
        return TransferSpan(start: start, end: end, request: Int(request), bytes: bytes)
    }
}
