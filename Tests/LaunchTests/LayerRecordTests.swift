import Cluster
import Foundation
import Quantities
import Records
import Reports
import TestKit
import Testing

@testable import Launch

@Suite("Records of layers")
struct LayerRecordTests {
    private let layout: ClusterLayout
    private let plan: ClusterPlan

    init() {
        plan = testPlan(testGangs, records: RecordPlan(iterations: true, timeline: true, layers: true))
        layout = ClusterLayout(plan)
    }

    private func name(_ node: Int) -> [UInt8] { Array(layout.nodes[node].name.utf8) }

    /// Rows of three iterations of two layers on every rank, each in the order of its ends.
    private func rows(of node: Int, _ random: inout RandomStream) -> [[LayerRow]] {
        var time: Instant = 0
        return (0..<3).map { iteration in
            (0..<4).map { part in
                var row = LayerRow(iteration: Int64(iteration), layer: Int64(part / 2), microBatch: 0, isAttention: part % 2 == 0)
                row.awaitedRank = Nanoseconds(random.below(3))
                row.awaitedNetwork = Nanoseconds(random.below(3))
                row.start = time + row.awaitedRank + row.awaitedNetwork
                row.end = row.start + Nanoseconds(random.below(4))
                row.tokens = Int64(random.below(100))
                row.last = Int64(2 + random.below(3))
                time = row.end
                return row
            }
        }
    }

    private func text(_ rows: [LayerRow], of node: Int) -> String {
        var text = TextBuffer()
        for row in rows { row.write(to: &text, node: name(node)) }
        return String(decoding: text.bytes, as: UTF8.self)
    }

    @Test("one process and many leave the same, though one writes iterations whole", arguments: UInt64(0)..<4)
    func equality(seed: UInt64) throws {
        var random = RandomStream(seed: seed, stream: 8)
        let nodes = Array(2..<layout.nodes.count)
        let all = nodes.map { rows(of: $0, &random) }
        let expected = zip(nodes, all).flatMap { node, rows in rows.joined().map { (time: $0.end, node: node, text: text([$0], of: node)) } }
            .enumerated().sorted { ($0.element.time, $0.element.node, $0.offset) < ($1.element.time, $1.element.node, $1.offset) }
            .map(\.element.text).joined()
        let apart = try withDirectory { directory in
            let folder = RunFolder(existing: directory)
            try Files.makeDirectory(folder.parts)
            for (node, rows) in zip(nodes, all) {
                try write(text(Array(rows.joined()), of: node), to: PartFiles.path(folder.parts, layout.nodes[node], "layers"))
            }
            let records = try RecordSet(folder: folder, records: plan.records)
            try MergedParts(folder: folder, layout: layout).merge(into: records)
            #expect(records.files.map(\.name).contains("layers.csv"))
            return try read(directory + "/layers.csv")
        }
        let together = try withDirectory { directory in
            let folder = RunFolder(existing: directory)
            try Files.makeDirectory(folder.parts)
            let parts = try LayerParts(directory: folder.parts, layout: layout)
            for iteration in 0..<3 {
                let piece = zip(nodes, all).map { text($1[iteration], of: $0) }.joined()
                try Array(piece.utf8).withUnsafeBytes { try parts.write($0) }
            }
            try parts.finish()
            let records = try RecordSet(folder: folder, records: plan.records)
            try MergedParts(folder: folder, layout: layout).mergeLayers(into: records)
            return try read(directory + "/layers.csv")
        }
        #expect(apart == together)
        #expect(apart == LayerRow.header + expected)
    }

    @Test("rows have a field for each column and read back what was written")
    func fields() {
        var layer = LayerRow(iteration: 7, layer: 5, microBatch: 1, isAttention: false)
        layer.start = 1_500_000_000
        layer.end = 1_500_000_123
        layer.tokens = 640
        layer.last = 3
        let row = Array(text([layer], of: 2).utf8).dropLast()
        let columns = LayerRow.header.trimmingCharacters(in: .newlines).split(separator: ",").map(String.init)
        #expect(RowFields.field(row, columns.count) == nil)
        func place(_ column: String) -> Int { columns.firstIndex(of: column) ?? -1 }
        #expect(RowFields.time(row, field: place("end_s")) == layer.end)
        #expect(place("end_s") == 6)
        #expect(RowFields.number(row, field: place("tokens")) == 640)
        #expect(RowFields.number(row, field: place("last")) == 3)
        let iteration = iterations(of: 2).text.split(separator: "\n")[0]
        #expect(iteration.filter { $0 == "," }.count == IterationRow.header.filter { $0 == "," }.count)
    }

    @Test("the longest row that can be fits its memory")
    func longest() {
        var row = IterationRow(
            iteration: .min, start: .min, end: .min, prefillTokens: .min, decodeTokens: .min, requests: .min, waiting: .min, kvBlocks: .min,
            kvBlocksTotal: .min, preemptions: .min)
        var shares = IterationShares()
        (shares.attention, shares.experts, shares.awaitingAttention) = (.min, .min, .min)
        (shares.awaitingExperts, shares.awaitingNetwork, shares.routedTokens) = (.min, .min, .min)
        row.shares = shares
        var text = TextBuffer()
        row.write(to: &text, node: Array(repeating: UInt8(ascii: "x"), count: 1000))
        #expect(text.count <= RowWriter.capacity)
        #expect(text.bytes.filter { $0 == UInt8(ascii: ",") }.count == 16)
    }

    /// Two iterations of a rank as rows, and as a timeline has them.
    private func iterations(of node: Int) -> (text: String, spans: [IterationSpan]) {
        var text = TextBuffer()
        var spans: [IterationSpan] = []
        for number in 0..<2 as Range<Int64> {
            let serves = layout.nodes[node].role.servesRequests
            var row = IterationRow(
                iteration: number, start: number * 1000, end: number * 1000 + 900, prefillTokens: 0, decodeTokens: serves ? 8 : 0,
                requests: serves ? 8 : 0, waiting: number, kvBlocks: 40, kvBlocksTotal: 100, preemptions: 0)
            var shares = IterationShares()
            (shares.attention, shares.experts) = (300, 400)
            (shares.awaitingAttention, shares.awaitingExperts, shares.awaitingNetwork) = (50, 60, 90)
            shares.routedTokens = 64 + Int64(node)
            row.shares = shares
            row.write(to: &text, node: name(node))
            var span = IterationSpan(
                start: row.start, end: row.end, prefillTokens: 0, decodeRequests: serves ? 8 : 0, kvBlocks: 40, waiting: Int(number))
            span.routedTokens = 64 + node
            span.idle = 200
            spans.append(span)
        }
        return (String(decoding: text.bytes, as: UTF8.self), spans)
    }

    @Test("the timeline has the iterations of ranks and, with layers.csv, what they are made of", arguments: [false, true])
    func timeline(hasLayers: Bool) throws {
        var random = RandomStream(seed: 5, stream: 8)
        let nodes = Array(2..<layout.nodes.count)
        let layers = nodes.map { Array(rows(of: $0, &random).joined()) }
        var expected: [UInt8] = []
        for (node, rows) in zip(nodes, layers) {
            let plan = layout.nodes[node]
            let writer = PerfettoWriter(
                TimelineNode(index: node, name: plan.name, host: plan.host, servesRequests: plan.role.servesRequests))
            for span in iterations(of: node).spans { writer.append(span) }
            for row in rows where hasLayers {
                writer.append(
                    LayerSpan(start: row.start, end: row.end, isAttention: row.isAttention, layer: Int(row.layer), tokens: Int(row.tokens)))
            }
            expected += writer.bytes
        }
        try withDirectory { directory in
            try write(IterationRow.header + nodes.map { iterations(of: $0).text }.joined(), to: directory + "/iterations.csv")
            if hasLayers { try write(LayerRow.header + zip(nodes, layers).map { text($1, of: $0) }.joined(), to: directory + "/layers.csv") }
            #expect(try Timeline(folder: RunFolder(existing: directory), layout: layout, faults: layout.nodes.map { _ in [] }).write())
            #expect(try Data(contentsOf: URL(fileURLWithPath: directory + "/trace.perfetto-trace")) == Data(expected))
        }
    }

    @Test("a rank draws idle power while it waits, and an expert node that of decoding while it computes")
    func energy() {
        let run = Run(plan: plan, out: nil, executable: "", version: "")
        var counted = WorkerStatistics()
        var barrier = BarrierStatistics()
        barrier.attention = 1_000_000_000
        barrier.experts = 2_000_000_000
        barrier.awaitingNetwork = 4_000_000_000
        barrier.span = 7_000_000_000
        counted.barrier = barrier
        counted.busyPrefill = 500_000_000
        counted.busyDecode = 2_500_000_000
        // One device: 700 W while it prefills, 380 W while it decodes, 70 W else.
        #expect(abs(run.energy(of: layout.nodes[2], counted, over: 10_000_000_000) - (0.5 * 700 + 2.5 * 380 + 7 * 70)) < 1e-9)
        (counted.busyPrefill, counted.busyDecode) = (0, 0)
        counted.barrier?.attention = 0
        let expert = layout.nodes[layout.nodes.count - 1]
        #expect(expert.role == .expert)
        #expect(abs(run.energy(of: expert, counted, over: 10_000_000_000) - (2 * 380 + 8 * 70)) < 1e-9)
    }

    @Test("a time too long for any clock is no time")
    func absurdTimes() {
        #expect(RowFields.time(Array("999999999999999999.000000000".utf8)[...], field: 0) == nil)
        #expect(RowFields.time(Array("9223372036.854775807".utf8)[...], field: 0) == .max)
    }
}
