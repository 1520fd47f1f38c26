import Cluster
import Quantities
import Records
import Reports
import Transport

/// Writes `trace.perfetto-trace` from the rows of a run.
struct Timeline {
    /// Slices of one run at the most: what a viewer still opens with ease. Each node gets an equal share, from the start on.
    static let sliceLimit = 100_000

    let folder: RunFolder
    let layout: ClusterLayout

    /// Reads the nodes' parts, so it must come before they are removed. Answers whether every slice found room.
    func write() throws -> Bool {
        let file = try OutputFile(folder.path + "/trace.perfetto-trace")
        let workers = layout.nodes.filter(\.role.isWorker)
        var isComplete = true
        for node in workers {
            let writer = PerfettoWriter(TimelineNode(index: node.index, name: node.name, host: node.host))
            var left = Self.sliceLimit / max(1, workers.count)
            try rows(of: node, "iterations", left: &left) { if let span = iteration($0) { writer.append(span) } }
            if left == 0 { isComplete = false }
            left = Self.sliceLimit / max(1, workers.count)
            try rows(of: node, "transfers", left: &left) { if let span = transfer($0) { writer.append(span) } }
            if left == 0 { isComplete = false }
            try writer.bytes.withUnsafeBytes { try file.write($0) }
        }
        return isComplete
    }

    /// Hands the fields of each row to `body`, `left` rows at the most.
    private func rows(of node: NodePlan, _ kind: String, left: inout Int, body: ([Substring]) -> Void) throws(SystemError) {
        // A line has well under 200 bytes, so this reads what is needed and not the whole of a long run.
        let bytes = try Files.read(PartFiles.path(folder.parts, node, kind), limit: left * 200) ?? []
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            guard left > 0 else { return }
            left -= 1
            body(line.split(separator: ",", omittingEmptySubsequences: false))
        }
    }

    private func iteration(_ fields: [Substring]) -> IterationSpan? {
        guard fields.count == 11, let start = time(fields[2]), let end = time(fields[3]), let prefill = Int(fields[4]),
            let decode = Int(fields[5]), let waiting = Int(fields[7]), let blocks = Int(fields[8])
        else { return nil }
        return IterationSpan(start: start, end: end, prefillTokens: prefill, decodeRequests: decode, kvBlocks: blocks, waiting: waiting)
    }

    private func transfer(_ fields: [Substring]) -> TransferSpan? {
        guard fields.count == 4, let request = Int(fields[0]), let start = time(fields[1]), let end = time(fields[2]), let bytes = Int64(fields[3])
        else { return nil }
        return TransferSpan(start: start, end: end, request: request, bytes: bytes)
    }

    /// Seconds with nine decimals, as records have them, in nanoseconds.
    private func time(_ field: Substring) -> Instant? {
        let parts = field.split(separator: ".")
        guard parts.count == 2, parts[1].utf8.count == 9, let whole = Int64(parts[0]), let fraction = Int64(parts[1]) else { return nil }
        return whole * nanosecondsPerSecond + fraction
    }
}
