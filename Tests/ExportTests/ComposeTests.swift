import Cluster
import Export
import Foundation
import Testing
import TopologyFile

@Suite("A cluster for Docker Compose")
struct ComposeTests {
    private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    private func plan(_ name: String) throws -> ClusterPlan {
        switch TopologyReader.read(path: "\(root)/Topologies/\(name).yaml") {
        case .success(let topology): return topology.plan
        case .failure(let diagnostics): throw diagnostics
        }
    }

    @Test("lies ready as it is exported")
    func ready() throws {
        let text = try String(contentsOfFile: root + "/Docker/compose.pd-4x8.yml", encoding: .utf8)
        #expect(try ComposeFile(plan("pd-4x8"), topology: .bundled("pd-4x8")).text == text)
    }

    @Test("has a container for each node by its name, with its own secret and no other, and one for the launcher", arguments: ["moe-ep8", "standby"])
    func services(name: String) throws {
        let plan = try plan(name)
        let text = ComposeFile(plan, topology: .files(["topology.yaml", "trace"])).text
        let lines = text.split(separator: "\n").map(String.init)
        for node in ClusterLayout(plan).nodes {
            let start = try #require(lines.firstIndex(of: "  \(node.name):"))
            let service = lines[start..<(start + 9)]
            #expect(service.contains("    secrets: [\(node.name)]"))
            #expect(service.contains { $0.contains("\"join\", \"\(node.name)\"") && $0.contains("\"\(node.name):7001\"") })
            #expect(lines.contains("  \(node.name): {file: ./keys/\(node.name).key}"))
        }
        #expect(lines.contains { $0.hasPrefix("    command: [\"up\", \"/cluster/topology.yaml\"") })
        #expect(lines.contains { $0.contains("./trace:/cluster/trace:ro") })
    }
}
