import Cluster
import Quantities
import Records
import Reports
import Transport

/// Writes `trace.perfetto-trace` from the rows of a run.
struct Timeline {
    /// Slices of one kind and run at the most: what a viewer still opens with ease. Those from the start count.
    static let sliceLimit = 100_000
    /// Bytes that a row has at the most, on average: what is beyond so many is not read.
    private static let rowLimit = 320

    let folder: RunFolder
    let layout: ClusterLayout
    /// By node, what went wrong.
    let faults: [[FaultSpan]]

    /// Reads the records, so it must come when they are written. Answers whether every slice found room.
    func write() throws -> Bool {
        let hosts = (layout.nodes.map(\.host).max() ?? -1) + 1
        let writers: [PerfettoWriter?] = layout.nodes.map { node in
            // Client and controller compute nothing: they are shown where something was wrong with them.
            guard node.role.isWorker || !faults[node.index].isEmpty else { return nil }
            return PerfettoWriter(
                TimelineNode(
                    index: node.index, name: node.name, host: node.role.isWorker ? node.host : hosts,
                    hostName: node.role.isWorker ? nil : "front end", servesRequests: node.role.servesRequests))
        }
        for (writer, spans) in zip(writers, faults) { for span in spans { writer?.append(span) } }
        let indices = Dictionary(uniqueKeysWithValues: layout.nodes.map { (ArraySlice($0.name.utf8), $0.index) })
        let hasAllIterations = try forEachRow(of: folder.path + "/iterations.csv", skipsHeader: true) { row in
            guard let node = RowFields.field(row, 0).flatMap({ indices[$0] }), let span = iteration(row) else { return }
            writers[node]?.append(span)
        }
        let hasAllLayers = try forEachRow(of: folder.path + "/layers.csv", skipsHeader: true) { row in
            guard let node = RowFields.field(row, 0).flatMap({ indices[$0] }), let span = layer(row) else { return }
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
        return hasAllIterations && hasAllLayers && hasAllTransfers
    }

    /// Hands each row to `body`, up to the limit. Answers whether that was all.
    private func forEachRow(of path: String, skipsHeader: Bool, body: (ArraySlice<UInt8>) -> Void) throws -> Bool {
        // This reads what is needed and not the whole of a long run.
        let limit = Self.sliceLimit * Self.rowLimit
        guard let bytes = try Files.read(path, limit: limit) else { return true }
        var start = skipsHeader ? (bytes.firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex - 1) + 1 : 0
        var left = Self.sliceLimit
        while start < bytes.count, let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            guard left > 0 else { return false }
            left -= 1
            body(bytes[start..<end])
            start = end + 1
        }
        return bytes.count < limit
    }

    private func iteration(_ row: ArraySlice<UInt8>) -> IterationSpan? {
        guard let start = RowFields.time(row, field: 2), let end = RowFields.time(row, field: 3), let prefill = RowFields.number(row, field: 4),
            let decode = RowFields.number(row, field: 5), let waiting = RowFields.number(row, field: 7), let blocks = RowFields.number(row, field: 8)
        else { return nil }
        var span = IterationSpan(
            start: start, end: end, prefillTokens: Int(prefill), decodeRequests: Int(decode), kvBlocks: Int(blocks), waiting: Int(waiting))
        // Empty for a worker that computes alone.
        if let routed = RowFields.number(row, field: 16) { span.routedTokens = Int(routed) }
        span.idle = (13...15).reduce(0) { $0.addingClamped(RowFields.time(row, field: $1) ?? 0) }
        return span
    }

    private func layer(_ row: ArraySlice<UInt8>) -> LayerSpan? {
        guard let layer = RowFields.number(row, field: 2), let part = RowFields.field(row, 4), let start = RowFields.time(row, field: 5),
            let end = RowFields.time(row, field: 6), let tokens = RowFields.number(row, field: 7)
        else { return nil }
        return LayerSpan(start: start, end: end, isAttention: part.elementsEqual("attention".utf8), layer: Int(layer), tokens: Int(tokens))
    }

    private func transfer(_ row: ArraySlice<UInt8>) -> TransferSpan? {
        guard let request = RowFields.number(row, field: 1), let start = RowFields.time(row, field: 2), let end = RowFields.time(row, field: 3),
            let bytes = RowFields.number(row, field: 4)
        else { return nil }
        return TransferSpan(start: start, end: end, request: Int(request), bytes: bytes)
    }
}
