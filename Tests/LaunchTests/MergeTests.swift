import Cluster
import Foundation
import Quantities
import TestKit
import Testing

@testable import Launch

@Suite("Merging the nodes' rows")
struct MergeTests {
    private struct Row {
        var time: Instant
        var node: Int
        var text: String
    }

    private let layout = ClusterLayout(testPlan([testPool(.prefill, count: 2), testPool(.decode, count: 2)]))

    /// Rows of a worker in the order of their ends, some of them long, many of them at one time.
    private func rows(of node: Int, count: Int, _ random: inout RandomStream) -> [Row] {
        var time: Instant = 0
        return (0..<count).map { number in
            time += Instant(random.below(3)) * 500_000_000
            let padding = random.below(50) == 0 ? String(repeating: "9", count: random.below(3000)) : "1"
            return Row(time: time, node: node, text: "\(layout.nodes[node].name),\(number),0.000000000,\(decimal(time)),\(padding)\n")
        }
    }

    private func merged(_ parts: [Int: String], in directory: String) throws -> String {
        let folder = RunFolder(existing: directory)
        try Files.makeDirectory(folder.parts, mayExist: true)
        for (node, text) in parts { try write(text, to: PartFiles.path(folder.parts, layout.nodes[node], "iterations")) }
        let records = try RecordSet(folder: folder, records: RecordPlan(iterations: true, messages: false, timeline: false))
        try MergedParts(folder: folder, layout: layout).merge(into: records)
        let text = try read(directory + "/iterations.csv")
        return String(text[(text.firstIndex(of: "\n").map(text.index(after:)) ?? text.endIndex)...])
    }

    @Test("gives them by time, then node, then in each node's own order", arguments: UInt64(0)..<6)
    func model(seed: UInt64) throws {
        var random = RandomStream(seed: seed, stream: 1)
        // The last seeds pass the reader's buffer of 256 KiB many times.
        let size = seed < 4 ? 30 : 12_000
        let all = (2..<6).map { rows(of: $0, count: random.below(size), &random) }
        // Nodes are in order and so are their rows: a sort that keeps the order of equals is the model.
        let expected = all.flatMap { $0 }.enumerated().sorted { left, right in
            (left.element.time, left.element.node, left.offset) < (right.element.time, right.element.node, right.offset)
        }
        let parts = Dictionary(uniqueKeysWithValues: zip(2..<6, all.map { $0.map(\.text).joined() }))
        let text = try withDirectory { try merged(parts, in: $0) }
        #expect(text == expected.map(\.element.text).joined())
    }

    @Test("leaves out what a node was writing when it died, and keeps all before it", arguments: UInt64(0)..<8)
    func truncated(seed: UInt64) throws {
        var random = RandomStream(seed: seed, stream: 2)
        let (whole, cut) = (rows(of: 2, count: 20, &random), rows(of: 4, count: 20, &random))
        let bytes = Array(cut.map(\.text).joined().utf8)
        let kept = String(decoding: bytes.prefix(random.below(bytes.count)), as: UTF8.self)
        let lines = kept.filter { $0 == "\n" }.count
        let expected = (whole + cut.prefix(lines)).sorted { ($0.time, $0.node) < ($1.time, $1.node) }
        let text = try withDirectory { try merged([2: whole.map(\.text).joined(), 4: kept], in: $0) }
        // Sorting does not keep the order of equals, so compare by node.
        for node in [2, 4] {
            let name = layout.nodes[node].name + ","
            let found = text.split(separator: "\n").filter { $0.hasPrefix(name) }.map { $0 + "\n" }
            #expect(found == expected.filter { $0.node == node }.map { $0.text[...] }.sorted { number($0) < number($1) })
        }
        #expect(text.split(separator: "\n").count == expected.count)
    }

    private func number(_ row: Substring) -> Int { Int(row.split(separator: ",")[1]) ?? -1 }

    @Test("bears parts that are missing, empty, or not rows at all")
    func damaged() throws {
        let good = "prefill-0,0,0.000000000,1.000000000,1\n"
        let text = try withDirectory {
            try merged([2: good, 3: "", 4: "\n\n\n", 5: String(repeating: "x", count: 600_000)], in: $0)
        }
        #expect(text == good)
        #expect(try withDirectory { try merged([:], in: $0) } == "")
    }

    @Test("the digest is that of the file")
    func digest() throws {
        try withDirectory { directory in
            let folder = RunFolder(existing: directory)
            let file = try RecordFile(folder: folder, name: "x.csv", header: "a,b\n")
            for number in 0..<100 { try Array("\(number),\(number)\n".utf8).withUnsafeBytes { try file.write($0) } }
            let whole = Digest()
            whole.update(try read(directory + "/x.csv"))
            #expect(file.digest == whole.hexadecimal)
            #expect(file.size == Int64(try read(directory + "/x.csv").utf8.count))
        }
    }
}

@Suite("Fields of a row")
struct RowFieldsTests {
    private func row(_ text: String) -> ArraySlice<UInt8> { Array(text.utf8)[...] }

    @Test("are found by number and read as what they are")
    func fields() {
        let text = row("decode-7,12,0.000000001,123456789.987654321,,x")
        #expect(RowFields.field(text, 0) == row("decode-7"))
        #expect(RowFields.number(text, field: 1) == 12)
        #expect(RowFields.time(text, field: 2) == 1)
        #expect(RowFields.time(text, field: 3) == 123_456_789_987_654_321)
        #expect(RowFields.field(text, 4)?.isEmpty == true)
        #expect(RowFields.field(text, 6) == nil)
    }

    @Test(
        "are no number and no time where they are not written as one",
        arguments: [
            "", ".", "1", "-1", "1.0", ".000000000", "1,000000000", "x.000000000", "1.00000000x", "12345678901234567890.000000000", "1.0000000000",
        ])
    func notATime(text: String) {
        #expect(RowFields.time(row(text), field: 0) == nil)
        if text != "1" { #expect(RowFields.number(row(text), field: 0) == nil || text.hasPrefix("1,")) }
    }

    @Test("times come back as they were written")
    func roundTrip() {
        var random = RandomStream(seed: 1, stream: 1)
        for _ in 0..<500 {
            let time = Instant(random.next() >> UInt64(5 + random.below(58)))
            #expect(RowFields.time(row(decimal(time)), field: 0) == time)
        }
    }
}
