import CSystem
import Cluster
import Glibc
import Quantities
import Records
import TopologyFile
import Transport

/// The folder of a run and what lies in it.
public struct RunFolder: Sendable {
    public let path: String

    /// A run's folder that is there already.
    public init(existing path: String) { self.path = path }

    /// Where nodes put their rows until the run is over.
    var parts: String { path + "/parts" }
    /// Cache transfers, for the timeline.
    var transfers: String { parts + "/transfers" }
    var topology: String { path + "/topology.yaml" }
    func log(of node: NodePlan) -> String { "\(path)/logs/\(node.name).log" }

    /// The resolved topology that the folder holds.
    func readPlan() throws -> ClusterPlan {
        switch TopologyReader.read(path: topology) {
        case .success(let topology): return topology.plan
        case .failure(let diagnostics): throw SystemError("\(diagnostics)")
        }
    }

    /// The same folder under its final name.
    func moved(to target: String) throws(SystemError) -> RunFolder {
        if Files.exists(target) { Files.removeTree(target) }
        guard rename(path, target) == 0 else { throw SystemError("rename \(path) to \(target)", code: errno) }
        return RunFolder(existing: target)
    }
}

/// Where a run's folder comes to lie.
struct FolderChoice {
    /// The final place.
    let path: String
    /// Where the run writes meanwhile: beside it, under a name of this process, so that two equal runs do not disturb each other.
    let working: String

    /// - Parameters:
    ///   - out: the folder that the user named, or `nil` for one under `runs/` by name, seed and digest of the topology.
    init(plan: ClusterPlan, resolved: String, out: String?) throws(SystemError) {
        if let out {
            let isRun = Files.exists(out + "/manifest.json") || Files.exists(out + "/topology.yaml")
            guard isRun || Files.list(out).isEmpty else {
                throw SystemError("--out \(out): found a folder with other files in it, expected a new or empty folder, or an earlier run")
            }
            path = out
        } else {
            let digest = Digest()
            digest.update(resolved)
            path = "runs/\(plan.name)-\(plan.seed)-\(digest.hexadecimal.prefix(8))"
        }
        var trimmed = path
        while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
        working = "\(trimmed).partial-\(getpid())"
    }

    /// Makes the working folder with the resolved topology in it.
    func make(resolved: String) throws -> RunFolder {
        try Files.makeDirectories(working)
        let folder = RunFolder(existing: working)
        try Files.makeDirectory(folder.parts, mayExist: true)
        try Files.makeDirectory(working + "/logs", mayExist: true)
        try Files.write(Array(resolved.utf8), to: folder.topology)
        return folder
    }
}
