import Cluster
import CommandLine
import Export
import Glibc
import Launch
import Terminal
import TopologyFile

/// `testbed export`: a cluster for an engine that runs containers or batch jobs.
enum ExportFiles {
    static func run(_ command: ParsedCommand) -> Int32 {
        let (engine, file) = (command.arguments[0], command.arguments[1])
        let plan: ClusterPlan
        switch Validate.read(file, settings: command.texts("set"), faults: command.text("faults")) {
        case .success(let topology): plan = topology.plan
        case .failure(let diagnostics): return fail("\(diagnostics)\n", code: 2)
        }
        guard plan.clock != .inproc else { return fail("found the clock 'inproc', expected virtual or wall", code: 2) }
        guard engine == "kubernetes" || !command.has("leader-worker-set") else {
            return fail("found --leader-worker-set with \(engine), expected kubernetes", code: 2)
        }
        do {
            switch engine {
            case "kubernetes": return try exportKubernetes(plan, command)
            case "slurm": return try exportSlurm(plan, command)
            default: return try exportCompose(plan, command)
            }
        } catch let error as FolderError {
            return fail("\(error)", code: 2)
        } catch {
            return fail("\(error)", code: 1)
        }
    }

    /// The name of a topology that is the same wherever the program is; `nil` for one that goes along as a file.
    private static func bundled(_ command: ParsedCommand) -> String? {
        let file = command.arguments[1]
        let isBundled = command.texts("set").isEmpty && command.text("faults") == nil && !file.contains(where: { "/.".contains($0) })
        return isBundled ? file : nil
    }

    private static let wantsFolder = "found a topology that the program does not come with as it is, expected --out DIR for its files"

    // MARK: - Compose

    private static func exportCompose(_ plan: ClusterPlan, _ command: ParsedCommand) throws -> Int32 {
        if let folder = command.text("out") {
            try write(plan, to: folder)
        } else {
            guard let name = bundled(command) else { return fail(wantsFolder, code: 2) }
            StandardStream.output.write(ComposeFile(plan, launcher: .bundled(name)).text)
        }
        return 0
    }

    /// Writes all that `docker compose up` needs into a folder.
    static func write(_ plan: ClusterPlan, to folder: String) throws {
        let files = try RunFiles(plan).write(to: folder)
        try RunFiles.write(ComposeFile(plan, launcher: .files(files)).text, to: folder + "/docker-compose.yml")
        try KeyFolder.make(folder + "/keys", for: plan)
        // The containers' user is to read the keys, and nobody else.
        if geteuid() == 0 {
            try KeyFolder.give(folder + "/keys", to: 10_001)
        } else {
            try RunFiles.write("TESTBED_USER=\(geteuid()):\(getegid())\n", to: folder + "/.env")
        }
    }

    // MARK: - Kubernetes

    private static func exportKubernetes(_ plan: ClusterPlan, _ command: ParsedCommand) throws -> Int32 {
        let contents = try RunFiles(plan).contents()
        let size = contents.reduce(0) { $0 + $1.bytes.count }
        guard size <= KubernetesFiles.fileLimit else {
            let text = "found \(size) bytes of topology, tables and trace, expected \(KubernetesFiles.fileLimit) at the most, which a ConfigMap holds"
            return fail("\(command.arguments[1]): \(text)", code: 2)
        }
        let files = KubernetesFiles(plan, files: contents, leaderWorkerSets: command.has("leader-worker-set"))
        guard let folder = command.text("out") else {
            StandardStream.output.write(files.cluster)
            return 0
        }
        try RunFiles.makeFolder(folder)
        guard !KeyFolder.exists(folder + "/keys.yaml") else {
            return fail("\(folder)/keys.yaml: found keys of an earlier export, expected none", code: 2)
        }
        try RunFiles.write(files.cluster, to: folder + "/cluster.yaml")
        try RunFiles.write(files.collector, to: folder + "/collect.yaml")
        try KeyFolder.write(files.secrets(KeyFolder.texts(for: plan)), to: folder + "/keys.yaml")
        return 0
    }

    // MARK: - Slurm

    private static func exportSlurm(_ plan: ClusterPlan, _ command: ParsedCommand) throws -> Int32 {
        let tasks = SlurmTasks(plan)
        if let folder = command.text("out") {
            _ = try RunFiles(plan).write(to: folder)
            try RunFiles.write(tasks.batch(topology: "./topology.yaml"), to: folder + "/run.sbatch")
        } else {
            guard let name = bundled(command) else { return fail(wantsFolder, code: 2) }
            StandardStream.output.write(tasks.batch(topology: name))
        }
        return 0
    }
}
