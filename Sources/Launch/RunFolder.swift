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
    var logs: String { path + "/logs" }
    func log(of node: NodePlan) -> String { "\(path)/logs/\(node.name).log" }

    /// The resolved topology that the folder holds.
    func readPlan() throws -> ClusterPlan {
        switch TopologyReader.read(path: topology) {
        case .success(let topology): return topology.plan
        case .failure(let diagnostics): throw SystemError("\(diagnostics)")
        }
    }

    /// What a run leaves in its folder. Nothing else in a folder is ever removed or replaced.
    static let names = [
        "topology.yaml", "summary.json", "requests.csv", "restarts.csv", "migrations.csv", "throughput.csv", "iterations.csv", "messages.csv",
        "layers.csv", "trace.perfetto-trace", "manifest.json", "logs",
    ]

    /// Moves the run to its final place, over what an earlier one left there.
    func moved(to target: String) throws(SystemError) -> RunFolder {
        // As a whole where there is nothing yet; file by file into a folder that is there: it may be a mount point, the present
        // directory, or another run may be doing the same.
        if rename(path, target) == 0 { return RunFolder(existing: target) }
        let code = errno
        guard Files.isDirectory(target) else { throw SystemError("rename \(path) to \(target)", code: code) }
        for name in Self.names {
            Files.remove(target + "/" + name)
            guard Files.exists(path + "/" + name) else { continue }
            guard rename(path + "/" + name, target + "/" + name) == 0 else { throw SystemError("rename \(path)/\(name) to \(target)", code: errno) }
        }
        Files.remove(path)
        return RunFolder(existing: target)
    }
}

/// Why a folder cannot be a run's.
public struct FolderError: Error, CustomStringConvertible {
    public var description: String
}

/// Where a run's folder comes to lie.
struct FolderChoice {
    /// The final place.
    let path: String
    /// Where the run writes meanwhile, under a name of this process, so that two equal runs do not disturb each other: in the final
    /// folder where there is one, else beside it.
    let working: String

    /// - Parameters:
    ///   - out: the folder that the user named, or `nil` for one under `root` by name, seed and digest of the topology.
    /// - Throws: when the folder that the user named holds anything but an earlier run.
    init(plan: ClusterPlan, resolved: String, out: String?, root: String = "runs") throws(FolderError) {
        if let out {
            path = Self.trimmed(out)
            try Self.check(path)
        } else {
            let digest = Digest()
            digest.update(resolved)
            path = "\(Self.trimmed(root))/\(plan.name)-\(plan.seed)-\(digest.hexadecimal.prefix(8))"
            guard !Files.exists(path) || Files.isDirectory(path) else {
                throw FolderError(description: "\(path): found a file, expected room for the run's folder")
            }
        }
        working = Files.isDirectory(path) ? "\(path)/\(Self.partial)\(getpid())" : "\(path)\(Self.partial)\(getpid())"
    }

    private static let partial = ".partial-"

    private static func trimmed(_ path: String) -> String {
        var trimmed = path
        while trimmed.utf8.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
        return trimmed
    }

    private static func check(_ path: String) throws(FolderError) {
        func refuse(_ found: String) -> FolderError {
            FolderError(description: "--out \(path): found \(found), expected a new or empty folder, or one with an earlier run and nothing else")
        }
        guard !path.isEmpty else { throw refuse("no name") }
        guard Files.exists(path) else { return }
        guard Files.isDirectory(path) else { throw refuse("a file") }
        let entries = Files.list(path).filter { !$0.hasPrefix(partial) }
        if let other = entries.first(where: { !RunFolder.names.contains($0) }) { throw refuse("a folder with '\(other)' in it") }
        if let first = entries.first, !entries.contains("manifest.json") { throw refuse("a folder with '\(first)' in it and no run") }
    }

    /// Makes the working folder with the resolved topology in it.
    func make(resolved: String) throws -> RunFolder {
        try Files.makeDirectories(working)
        let folder = RunFolder(existing: working)
        try Files.makeDirectory(folder.parts, mayExist: true)
        try Files.makeDirectory(folder.logs, mayExist: true)
        try Files.write(Array(resolved.utf8), to: folder.topology)
        return folder
    }
}
