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
