import Cluster
import CommandLine
import Glibc
import Launch
import Quantities
import Records
import Reports
import Terminal

/// `testbed up --detach`: a cluster that stays up.
enum Detach {
    /// Starts it in the background. Answers when every node is ready, or when it has failed.
    static func run(_ plan: ClusterPlan, _ command: ParsedCommand, _ requirements: [Requirement]) throws -> Int32 {
        guard plan.clock != .inproc else { return fail("--detach: found the clock 'inproc', expected virtual or wall", code: 2) }
        guard let executable = ownExecutable() else { return fail("cannot find the program's own file", code: 1) }
        if command.has("hold"), plan.clock == .wall { return fail("--hold: found the clock 'wall', expected virtual", code: 2) }
        let registry = try ClusterRegistry()
        let running = Clusters.running(registry)
        if let name = command.text("cluster"), running.contains(where: { $0.entry.name == name }) {
            return fail("--cluster: found a cluster called '\(name)' already, expected another name", code: 2)
        }
        let run = Run(plan: plan, out: command.text("out"), executable: executable, version: Version.text)
        let outcome = try DetachedLauncher.start { report in launch(run, command, registry, requirements, report) }
        switch outcome {
        case .failed(let reason, let code): return fail(reason, code: code)
        case .up(let entry):
            print(entry, plan, asJSON: command.has("json"))
            return 0
        }
    }

    private static func print(_ entry: ClusterRegistry.Entry, _ plan: ClusterPlan, asJSON: Bool) {
        let nodes = ClusterLayout(plan).nodes.count
        let value: JSONValue = [
            "name": .string(entry.name), "launcher": .integer(Int64(entry.launcher)), "clock": .string(plan.clock.rawValue),
            "nodes": .integer(Int64(nodes)), "folder": .string(entry.folder),
        ]
        let text = "\(entry.name): \(nodes) nodes up, \(plan.clock.rawValue) clock\nrecords so far: \(entry.folder)"
        StandardStream.output.write((asJSON ? value.text(.pretty) : text) + "\n")
    }

    /// The launcher's life.
    private static func launch(
        _ run: Run, _ command: ParsedCommand, _ registry: ClusterRegistry, _ requirements: [Requirement], _ report: DetachedLauncher.Report
    ) -> Int32 {
        let cluster = ClusterControl(
            registry: registry, name: command.text("cluster"), isHeld: command.has("hold"), onUp: report.up)
        do {
            let result = try run.execute(cluster: cluster) { _ in }
            let problems = result.failure.map { [Up.Problem(text: $0, code: 1)] } ?? Up.problems(requirements, result.summary)
            let code = problems.map(\.code).max() ?? 0
            cluster.finish(failure: result.failure, folder: result.folder) { answer(result, problems, code, $0) }
            if let failure = result.failure, !cluster.isAnnounced { report.failed(failure, code: 1) }
            StandardStream.output.write(SummaryTable(result.summary, folder: result.folder, style: .plain).text)
            for problem in problems { _ = fail(problem.text, code: problem.code) }
            return code
        } catch {
            let text = "\(error)"
            let code: Int32 = error is FolderError ? 2 : 1
            cluster.finish(failure: text, folder: "") { _ in ["error": .string(text), "code": .integer(Int64(code))] }
            if !cluster.isAnnounced { report.failed(text, code: code) }
            return fail(text, code: code)
        }
    }

    /// What `down` prints.
    private static func answer(
        _ result: Run.Result, _ problems: [Up.Problem], _ code: Int32, _ format: ClusterCommand.SummaryFormat
    ) -> JSONValue {
        let text =
            format == .json
            ? result.summary.json.text(.pretty) + "\n"
            : SummaryTable(result.summary, folder: result.folder, style: Style(usesColour: format == .colour)).text
        return ["text": .string(text), "problems": .array(problems.map { .string($0.text) }), "code": .integer(Int64(code))]
    }
}
