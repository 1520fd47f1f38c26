import Foundation
import Testing

@testable import TopologyFile

@Suite("The library")
struct LibraryTests {
    init() { setenv("TESTBED_HOME", packageRoot, 1) }

    @Test("finds the bundled topologies and says what each shows")
    func bundled() throws {
        let names = TopologyLibrary.all.map(\.name)
        #expect(names == names.sorted())
        for name in [
            "pd-4x8", "pd-1x1", "colo-8", "colo-8-whole-prompts", "pd-layerwise", "pd-tight-memory", "pd-burst", "closed-loop", "pd-8x8-pipeline",
            "moe-ep8", "moe-ep32", "afd-4a4e", "afd-2a2f-step3", "pd-afd-deepseek-v3", "ep144-deepseek-v3", "pd-4x8-faults",
            "moe-ep8-faults", "standby",
        ] {
            #expect(names.contains(name))
        }
        for entry in TopologyLibrary.all { #expect(entry.summary.count > 20 && entry.summary.count < 140, "\(entry)") }
    }

    @Test("finds a file as given, then a bundled one by its base name with or without ending")
    func find() throws {
        let path = packageRoot + "/Topologies/pd-1x1.yaml"
        #expect(try TopologyLibrary.find(path).get() == path)
        for name in ["pd-1x1", "pd-1x1.yaml", "topologies/pd-1x1.yaml", "pd-1x1.yml"] {
            #expect(try TopologyLibrary.find(name).get().hasSuffix("/Topologies/pd-1x1.yaml"))
        }
        guard case .failure(let diagnostics) = TopologyLibrary.find("pd-4x9") else {
            Issue.record("found what is not there")
            return
        }
        #expect(diagnostics.description.hasPrefix("pd-4x9:1:1: found no such file, expected a topology file or a bundled topology ("))
        #expect(diagnostics.description.hasSuffix("did you mean 'pd-4x8'?"))
    }

    @Test("ships files that fit on one screen")
    func size() throws {
        for path in try bundledPaths() {
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(text.split(separator: "\n", omittingEmptySubsequences: false).count <= 26 && text.hasPrefix("# "), "\(path)")
        }
    }
}
