import Cluster
import Glibc
import Quantities
import Records
import TopologyFile
import Workload

/// A run that is on the disk already.
public struct EarlierRun: Sendable {
    public let folder: String
    /// The contents of its `summary.json`.
    public let summary: JSONValue

    /// The run that `run` would repeat; `nil` when there is none that is whole and whose account balances.
    ///
    /// Not one that is older than a file that the topology reads, or than the program: either may have changed what comes of it. Nor one in which a
    /// program outside was given up.
    public init?(of run: Run) {
        // Nobody knows what has become of a program that somebody else started.
        guard !run.plan.programs.contains(where: { $0.endpoint != nil }) else { return nil }
        let resolved = TopologyWriter.text(run.plan)
        guard let folder = try? FolderChoice(plan: run.plan, resolved: resolved, out: nil, root: run.root).path,
            let found = try? Files.read(folder + "/topology.yaml"), found == Array(resolved.utf8),
            let manifest = Self.object(folder + "/manifest.json"), manifest["complete"] == .bool(true),
            manifest["fell_back"] != .bool(true),
            manifest["version"]?.asText == run.version, let summary = Self.object(folder + "/summary.json"), Self.isBalanced(summary),
            let written = Self.modified(folder + "/manifest.json")
        else { return nil }
        for input in [run.executable] + Self.inputs(of: run.plan) {
            guard let changed = Self.modified(input), changed < written else { return nil }
        }
        self.folder = folder
        self.summary = summary
    }

    private static func object(_ path: String) -> JSONValue? {
        guard let bytes = try? Files.read(path) else { return nil }
        return JSONValue(reading: bytes)
    }

    /// Whether every request came to its end, and no token twice.
    private static func isBalanced(_ summary: JSONValue) -> Bool {
        guard let requests = summary["requests"], let offered = requests["offered"]?.asInteger else { return false }
        let ended = ["done", "rejected", "failed"].reduce(0) { $0 + (requests[$1]?.asInteger ?? 0) }
        return offered == ended && requests["duplicated"]?.asInteger == 0
    }

    /// Files beside the topology that decide what comes of a run. Measured tables, loads and faults are in the resolved topology.
    private static func inputs(of plan: ClusterPlan) -> [String] {
        let programs = plan.programs.flatMap { $0.command.filter(Files.exists) }
        guard case .trace(let source) = plan.workload.arrivals else { return programs }
        return [source.path] + programs
    }

    /// When a file was last written, in nanoseconds of the system's calendar; `nil` when there is none.
    private static func modified(_ path: String) -> Int64? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
    }
}

/// A file that the user named for a result.
public enum ResultFile {
    /// Throws when it cannot be written, which is better known before the work than after it. Makes it when it is not there.
    public static func check(_ path: String) throws { _ = try OutputFile(path, appends: true) }

    /// Writes the whole file, in place of what was there.
    public static func write(_ text: String, to path: String) throws { try Files.write(Array(text.utf8), to: path) }
}
