import Cluster
import CommandLine
import Export
import Glibc
import Launch
import Terminal
import TopologyFile

/// `testbed export`: a cluster for an engine that runs containers.
enum ExportFiles {
    static func run(_ command: ParsedCommand) -> Int32 {
        let file = command.arguments[1]
        let plan: ClusterPlan
        switch Validate.read(file, settings: command.texts("set"), faults: command.text("faults")) {
        case .success(let topology): plan = topology.plan
        case .failure(let diagnostics): return fail("\(diagnostics)\n", code: 2)
        }
        guard plan.clock != .inproc else { return fail("found the clock 'inproc', expected virtual or wall", code: 2) }
        do {
            if let folder = command.text("out") {
                try write(plan, to: folder)
            } else {
                let isBundled = command.texts("set").isEmpty && command.text("faults") == nil && !file.contains(where: { "/.".contains($0) })
                guard isBundled else {
                    return fail("found a topology that the image does not hold as it is, expected --out DIR for its files", code: 2)
                }
                StandardStream.output.write(ComposeFile(plan, topology: .bundled(file)).text)
            }
            return 0
        } catch let error as FolderError {
            return fail("\(error)", code: 2)
        } catch {
            return fail("\(error)", code: 1)
        }
    }

    /// Writes all that `docker compose up` needs into a folder.
    static func write(_ plan: ClusterPlan, to folder: String) throws {
        let files = try RunFiles(plan).write(to: folder)
        try RunFiles.write(ComposeFile(plan, topology: .files(files)).text, to: folder + "/docker-compose.yml")
        try KeyFolder.make(folder + "/keys", for: plan)
        // The containers' user is to read the keys, and nobody else.
        if geteuid() == 0 {
            try KeyFolder.give(folder + "/keys", to: 10_001)
        } else {
            try RunFiles.write("TESTBED_USER=\(geteuid()):\(getegid())\n", to: folder + "/.env")
        }
    }
}
