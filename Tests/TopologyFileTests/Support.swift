import Cluster
import Foundation
import Quantities

@testable import TopologyFile

/// The folder of the package.
let packageRoot = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

/// The bundled topologies and those of the experiments, by path.
func bundledPaths() throws -> [String] {
    try ["/Topologies", "/Topologies/experiments"].flatMap { name in
        let folder = packageRoot + name
        return try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") }.sorted().map { folder + "/" + $0 }
    }
}

/// Reads text as if it were a file among the bundled ones.
func read(_ text: String, settings: [String] = []) -> Result<ClusterPlan, Diagnostics> {
    TopologyReader.read(Array(text.utf8), path: packageRoot + "/Topologies/test.yaml", settings: settings).map(\.plan)
}

/// The mistakes of a text as `line:column: message`.
func mistakes(_ text: String, settings: [String] = []) -> [String] {
    guard case .failure(let diagnostics) = read(text, settings: settings) else { return [] }
    return diagnostics.list.map { diagnostic in
        let place = diagnostic.place.file.hasPrefix("--set") ? "\(diagnostic.place)" : "\(diagnostic.place.line):\(diagnostic.place.column)"
        return "\(place): \(diagnostic.message)"
    }
}

/// Eight ranks that share the experts of Mixtral 8x7B as `experts` says.
func mixture(_ experts: String) -> String {
    """
    model: mixtral-8x7b
    pools: {rank: {role: ep, count: 8, device: h100-sxm, experts: \(experts)}}
    workload: {arrivals: {poisson: 5/s}, requests: 10}
    """
}

/// A small topology that is right.
let small = """
    model: llama-3.1-8b
    pools:
      worker: {role: colocated, device: h100-sxm}
    workload: {arrivals: {poisson: 5/s}, requests: 10}
    """
