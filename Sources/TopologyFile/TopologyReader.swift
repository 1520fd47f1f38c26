import Cluster
import Quantities

/// A topology that was read and found right.
public struct Topology: Sendable, Equatable {
    public var plan: ClusterPlan
    /// The file that it was read from.
    public var path: String
    /// What is legal, but hardly meant.
    public var warnings: [Diagnostic]

    public init(plan: ClusterPlan, path: String, warnings: [Diagnostic] = []) {
        self.plan = plan
        self.path = path
        self.warnings = warnings
    }
}

/// Reads topology files.
public enum TopologyReader {
    /// Reads a topology and checks it: every mistake in one pass.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - settings: changes made before it is read, each as `path.to.key=value` with a value in YAML.
    ///   - faults: a file with faults in place of the topology's; settings change these.
    public static func read(path: String, settings: [String] = [], faults: String? = nil) -> Result<Topology, Diagnostics> {
        do throws(Diagnostic) {
            let bytes = try SourceFile.read(path, as: path, what: "a topology file")
            return read(bytes, path: path, settings: settings, faults: faults)
        } catch {
            return .failure(Diagnostics([error]))
        }
    }

    /// Reads a topology from text that stands for the file at `path`.
    public static func read(_ bytes: [UInt8], path: String, settings: [String] = [], faults: String? = nil) -> Result<Topology, Diagnostics> {
        let reading = Reading(sources: [path] + settings.map { "--set " + $0 }, directory: FilePath.directory(of: path))
        // A byte order mark, as some editors write it, is no part of the text.
        let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        let parsed = bytes[start...].withUnsafeBufferPointer { YAMLReader.read($0, source: 0) }
        for mistake in parsed.mistakes { reading.report(mistake.mark, mistake.message) }
        var root = parsed.root
        if root == nil || root?.isNull == true, parsed.mistakes.isEmpty {
            reading.report(Mark(), "found an empty file, expected a topology with the keys 'pools' and 'workload'")
            root = nil
        }
        if let faults { FaultsFile.apply(faults, to: &root, reading) }
        for (index, setting) in settings.enumerated() { Settings.apply(setting, source: Int32(index + 1), to: &root, reading) }
        var plan: ClusterPlan?
        if let root, let draft = TopologyGrammar.codec.read(root, nil, reading) {
            plan = TopologyChecks(draft, reading, name: FilePath.base(path)).plan()
        }
        let diagnostics = reading.diagnostics
        guard diagnostics.isEmpty, let plan else {
            // A tree that gave no plan has said why; this keeps the promise that a failure is never silent.
            let place = Place(file: path)
            return .failure(Diagnostics(diagnostics.isEmpty ? [Diagnostic(place: place, message: "found no topology, expected one")] : diagnostics))
        }
        return .success(Topology(plan: plan, path: path, warnings: reading.warnings))
    }
}
