import Foundation
import Models
import Testing

@testable import TopologyFile

@Suite("A file", .serialized)
struct FileTests {
    private let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "testbed-files-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    private func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: folder + "/" + name))
        return folder + "/" + name
    }

    private func failure(_ path: String) -> String {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        guard case .failure(let diagnostics) = TopologyReader.read(path: path) else { return "" }
        return diagnostics.description.replacing(folder + "/", with: "")
    }

    @Test("that is not there, a folder, a device or too large is refused")
    func unreadable() throws {
        #expect(failure(folder + "/none.yaml") == "none.yaml:1:1: cannot be opened: No such file or directory, expected a topology file")
        #expect(failure("/tmp") == "/tmp:1:1: found a directory, expected a topology file")
        #expect(failure("/dev/null") == "/dev/null:1:1: found a device or a pipe, expected a topology file")
        #expect(failure("a\u{0}b").hasPrefix("a?b:1:1: found a file name with a NUL in it"))
    }

    @Test("that is empty, too large or not UTF-8 is refused at its place")
    func contents() throws {
        #expect(failure(try write("a.yaml", [])).hasPrefix("a.yaml:1:1: found an empty file"))
    }

    @Test("of more than a mebibyte is refused")
    func large() throws {
        #expect(failure(try write("a.yaml", Array(repeating: 0x20, count: 1_048_577))).hasPrefix("a.yaml:1:1: found 1048577 bytes (at most 1048576"))
    }

    @Test("that is not UTF-8 is refused at its first wrong byte")
    func encoding() throws {
        let bytes = Array("seed: 1\nname: é".utf8) + [0xFF, 0x0A]
        #expect(failure(try write("a.yaml", bytes)).hasPrefix("a.yaml:2:8: found the byte 0xff that is not UTF-8, expected a topology file in UTF-8"))
    }

    @Test("names a topology that does not name itself")
    func name() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (file, name) in [("pd 4x8.yaml", "pd-4x8"), ("a.b.yml", "a.b"), ("é.yaml", "x"), ("..yaml", "topology")] {
            let path = try write(file, Array(small.utf8))
            #expect(try TopologyReader.read(path: path).get().plan.name == name)
        }
    }

    private func table(_ rows: String, role: String = "colocated") throws -> Result<Topology, Diagnostics> {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        _ = try write("t.csv", Array(rows.utf8))
        let text = """
            model: llama-3.1-8b
            pools: {w: {role: \(role), device: h100-sxm, cost-table: t.csv}}
            workload: {arrivals: {poisson: 5/s}, requests: 10}
            """
        return TopologyReader.read(path: try write("a.yaml", Array(text.utf8)))
    }

    @Test("with measured times becomes a table, sorted, with nanoseconds rounded half up")
    func measured() throws {
        let rows =
            "phase,size,context,time_us\r\n# a comment\n\ndecode,8,1024,12.5\ndecode,1,1024,10\nprefill,512,0,20000.1236\nprefill,512,0,20000.1234\n"
        let found = try table(rows).get().plan.pools[0].measuredTable
        #expect(found?.path == folder + "/t.csv")
        #expect(found?.decode == [.init(size: 1, context: 1024, time: 10_000), .init(size: 8, context: 1024, time: 12_500)])
        #expect(found?.prefill == [.init(size: 512, context: 0, time: 20_000_123), .init(size: 512, context: 0, time: 20_000_124)])
    }

    @Test("with broken measured times is refused, line by line")
    func brokenTable() throws {
        let rows = """
            phase,size,context,time_us
            prefil,1,0,1
            prefill,0,0,1
            prefill,1,5,1
            decode,1,5,0
            decode,1,5
            decode,1,5,1e3
            """
        guard case .failure(let diagnostics) = try table(rows) else {
            Issue.record("a broken table was read")
            return
        }
        let lines = diagnostics.list.map { $0.description.replacing(folder + "/", with: "") }
        #expect(
            lines.map { $0.prefix { $0 != " " } } == ["t.csv:2:1:", "t.csv:3:9:", "t.csv:4:11:", "t.csv:5:12:", "t.csv:6:1:", "t.csv:7:12:"],
            "\(lines)")
    }

    @Test("with measured times must have what its workers run")
    func phases() throws {
        guard case .failure(let diagnostics) = try table("phase,size,context,time_us\nprefill,1,0,1\n") else {
            Issue.record("a table without decode rows was accepted")
            return
        }
        #expect(diagnostics.list.count == 1 && diagnostics.description.contains("found no row for decode in the table"))
        guard case .failure(let others) = try table("size,context\n") else { return }
        #expect(others.description.contains("t.csv:1:1: found 'size,context', expected the header 'phase,size,context,time_us'"))
    }
}

@Suite("Recorded loads")
struct RecordedLoadTests {
    private let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "testbed-loads-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    /// A row for every expert of every layer of Mixtral 8x7B, the last layer first.
    private static let right: [String] =
        (0..<32).reversed().flatMap { layer in (0..<8).map { "\(layer),\($0),\(layer * 100 + $0)" } }

    /// Reads a topology with these rows; the folder is gone afterwards.
    private func read(_ rows: [String], header: String = "layer,expert,tokens") throws -> Result<Topology, Diagnostics> {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let lines = [header] + rows
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: folder + "/loads.csv"))
        try Data(mixture("{gate: {popularity: {recorded: loads.csv}}}").utf8).write(to: URL(fileURLWithPath: folder + "/a.yaml"))
        return TopologyReader.read(path: folder + "/a.yaml")
    }

    private func mistakes(_ rows: [String], header: String = "layer,expert,tokens") throws -> [String] {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        guard case .failure(let diagnostics) = try read(rows, header: header) else { return [] }
        return diagnostics.list.map { $0.description.replacing(folder + "/", with: "") }
    }

    @Test("are read in any order, and stand in the resolved topology, which needs the file no more")
    func right() throws {
        let plan = try read(Self.right).get().plan
        let expected = (0..<32).map { layer in (0..<8).map { Double(layer * 100 + $0) } }
        #expect(plan.pools[0].mixture?.gate.popularity == .recorded(expected))
        let back = try TopologyReader.read(Array(TopologyWriter.text(plan).utf8), path: "/elsewhere/topology.yaml").get().plan
        #expect(back == plan)
    }

    @Test("with a broken line are refused, line by line")
    func broken() throws {
        var rows = Self.right
        rows[0] = "31,0,-5"
        rows[1] = "31,1,many"
        rows[2] = "31,2,2.5"
        rows[3] = "-1,3,1"
        rows[4] = "31,70000,1"
        rows[5] = "31,5"
        rows[6] = "31,7,1"
        #expect(
            try mistakes(rows) == [
                "loads.csv:2:6: found '-5', expected a whole number of tokens from 0 to 1000000000000",
                "loads.csv:3:6: found 'many', expected a whole number of tokens from 0 to 1000000000000",
                "loads.csv:4:6: found '2.5', expected a whole number of tokens from 0 to 1000000000000",
                "loads.csv:5:1: found '-1', expected a layer from 0 to 1999",
                "loads.csv:6:4: found '70000', expected an expert from 0 to 65535",
                "loads.csv:7:1: found 2 fields, expected 3: layer,expert,tokens",
                "loads.csv:9:1: found a second row for expert 7 of layer 31, expected one",
            ])
        #expect(try mistakes([]) == ["loads.csv:1:1: found no row, expected 'layer,expert,tokens' and at least one row"])
        #expect(
            try mistakes(Self.right, header: "layer,expert") == ["loads.csv:1:1: found 'layer,expert', expected the header 'layer,expert,tokens'"])
    }

    @Test("of another shape than the model's are refused, with what is missing and what is too much")
    func shape() throws {
        var rows = Self.right
        rows[0] = "32,0,1"
        rows[9] = "30,8,1"
        #expect(
            try mistakes(rows) == [
                "loads.csv:2:1: found layer 32, expected 0 to 31: mixtral-8x7b has 32 layers with experts",
                "loads.csv:3:1: found no row for expert 0 of layer 31, expected one for each of its 8 experts",
                "loads.csv:10:1: found no row for expert 1 of layer 30, expected one for each of its 8 experts",
                "loads.csv:11:4: found expert 8, expected 0 to 7: mixtral-8x7b has 8 experts in a layer",
            ])
        #expect(
            try mistakes(Array(Self.right.dropFirst(8))) == [
                "loads.csv:249:1: found no row for layer 31, expected one for each of its 8 experts"
            ])
        let idle = Self.right.map { $0.hasPrefix("7,") ? String($0.prefix(4)) + "0" : $0 }
        #expect(try mistakes(idle) == ["loads.csv:194:1: found 0 tokens for every expert of layer 7, expected more for one"])
        // A file for another model does not fill the screen.
        let few = try mistakes(["0,0,1"])
        #expect(few.count == 21 && few.last?.hasSuffix("found 18 more mistakes in these loads, expected none") == true, "\(few)")
    }

    @Test("for a model with more experts than a resolved topology can hold are refused")
    func large() throws {
        let model = "model: {base: mixtral-8x7b, layers: 2000, experts: {count: 60000}}"
        try Data("layer,expert,tokens\n0,0,1\n".utf8).write(to: URL(fileURLWithPath: folder + "/loads.csv"))
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let text = mixture("{gate: {popularity: {recorded: loads.csv}}}").replacing("model: mixtral-8x7b", with: model)
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/a.yaml"))
        guard case .failure(let diagnostics) = TopologyReader.read(path: folder + "/a.yaml") else {
            Issue.record("a model of 120 million experts was accepted")
            return
        }
        #expect(
            diagnostics.list.last?.message
                == "found loads for 60000 experts in each of the 2000 layers of mixtral-8x7b, expected at most 64000 in all")
    }

    @Test("that are not there are refused at the place that names them")
    func missing() {
        expect(
            mixture("{gate: {popularity: {recorded: nowhere.csv}}}"), [("nowhere.csv", "found no file at 'nowhere.csv', expected recorded loads")])
    }
}
