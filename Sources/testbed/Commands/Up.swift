import Cluster
import CommandLine
import Glibc
import Launch
import Quantities
import Records
import Reports
import Terminal
import TopologyFile
import TraceFiles
import Transport
import Workload

/// `testbed up FILE`: runs a cluster's workload to its end.
enum Up {
    static func run(_ command: ParsedCommand) -> Int32 {
        let topology: Topology
        switch Validate.read(command.arguments[0], settings: settings(command), faults: command.text("faults")) {
        case .success(let read): topology = read
        case .failure(let diagnostics): return fail("\(diagnostics)\n", code: 2)
        }
        Validate.warn(topology)
        var plan = topology.plan
        if let records = command.list("record") {
            plan.records = RecordPlan(
                iterations: records.contains("iterations"), messages: records.contains("messages"), timeline: records.contains("timeline"),
                layers: records.contains("layers"))
        }
        if command.has("idle") { plan.workload = WorkloadPlan(arrivals: .nothing) }
        if let problem = misuse(command, plan) { return fail(problem, code: 2) }
        do {
            let requirements = try command.texts("require").map { text throws(UsageError) in try Requirement(text) }
            if let code = refusal(of: requirements, plan) { return code }
            let scan = try scanTrace(plan)
            if command.has("dry-run") {
                StandardStream.output.write(TopologyWriter.text(plan))
                return 0
            }
            if command.has("detach") { return try Detach.run(plan, command, requirements) }
            return try run(plan, command, requirements, expected: scan)
        } catch let error as TraceError {
            return fail("\(error)", code: 2)
        } catch let error as FolderError {
            return fail("\(error)", code: 2)
        } catch let error as EngineError {
            return fail("\(error)", code: 2)
        } catch {
            return fail("\(error)", code: 1)
        }
    }

    /// What only makes sense for a cluster that stays up.
    private static func misuse(_ command: ParsedCommand, _ plan: ClusterPlan) -> String? {
        if let problem = Hosts.misuse(command, plan) { return problem }
        guard !command.has("detach") else { return nil }
        for option in ["idle", "cluster", "hold"] where command.has(option) { return "found --\(option) without --detach, expected both or none" }
        return plan.workload.arrivals == .nothing ? "\(command.arguments[0]): found a workload without requests, expected --detach" : nil
    }

    /// The options that change the topology, as settings.
    private static func settings(_ command: ParsedCommand) -> [String] {
        var settings = command.texts("set")
        for option in ["clock", "dilation", "seed"] {
            if let value = command.text(option) { settings.append("\(option)=\(value)") }
        }
        if let value = command.text("requests") { settings.append("workload.requests=\(value)") }
        return settings
    }

    /// Reads the whole trace once, so that a broken line is found before anything is launched.
    static func scanTrace(_ plan: ClusterPlan) throws -> TraceScan? {
        guard case .trace(let source) = plan.workload.arrivals else { return nil }
        let scan = try TraceFile.scan(source, for: plan.workload)
        if scan.badLines > 0 { warn("\(source.path): \(scan.badLines) broken lines skipped") }
        return scan
    }

    private static func run(
        _ plan: ClusterPlan, _ command: ParsedCommand, _ requirements: [Requirement], expected: TraceScan?
    ) throws -> Int32 {
        let capabilities = StandardStream.error.capabilities
        var state = ProgressState(expectedRequests: plan.workload.requestLimit ?? expected?.rows, expectedTime: expected?.duration)
        var display = ProgressDisplay(ProgressDisplay.Mode(capabilities, quiet: command.has("quiet")))
        guard let executable = ownExecutable() else { return fail("cannot find the program's own file", code: 1) }
        var run = Run(plan: plan, out: command.text("out"), executable: executable, version: Version.text)
        let hosts = try Hosts.listen(plan, command)
        defer {
            hosts?.hosts.finish()
            if let folder = hosts?.made { KeyFolder.remove(folder) }
        }
        run.hosts = hosts?.hosts
        run.onWait = warn
        let result = try run.execute { status in
            let now = monotonicNow()
            state.take(
                ProgressState.Sample(
                    hostTime: now, virtualTime: status.now, done: Int(status.progress.ended), offered: Int(status.progress.offered)))
            if let text = display.draw(state, now: now) { StandardStream.error.write(text) }
        }
        if let text = display.clear() { StandardStream.error.write(text) }
        print(result, asJSON: command.has("json"))
        if let failure = result.failure { return fail(failure, code: 1) }
        if result.wasInterrupted { return 130 }
        let problems = problems(requirements, result.summary)
        for problem in problems { _ = fail(problem.text, code: problem.code) }
        return problems.map(\.code).max() ?? 0
    }

    private static func print(_ result: Run.Result, asJSON: Bool) {
        let text =
            asJSON
            ? result.summary.json.text(.pretty) + "\n"
            : SummaryTable(result.summary, folder: result.folder, style: StandardStream.output.capabilities.style).text
        StandardStream.output.write(text)
    }

    /// Prints the requirements on figures that no summary of the plan has; the exit code, if there are any.
    private static func refusal(of requirements: [Requirement], _ plan: ClusterPlan) -> Int32? {
        let figures = SummaryBuilder(plan, ClusterLayout(plan)).blank.json.numbersByPath
        var code: Int32?
        for requirement in requirements {
            guard case .unknownPath(let nearest) = requirement.verdict(on: figures) else { continue }
            code = fail(unknown(requirement, nearest), code: 2)
        }
        return code
    }

    private static func unknown(_ requirement: Requirement, _ nearest: String?) -> String {
        let hint = nearest.map { ", did you mean '\($0)'?" } ?? ""
        return "required \(requirement.text): unknown figure '\(requirement.path)'\(hint)"
    }

    /// Something that makes the exit code another than 0.
    struct Problem {
        var text: String
        var code: Int32
    }

    /// The requirements that do not hold.
    static func problems(_ requirements: [Requirement], _ summary: Summary) -> [Problem] {
        let figures = summary.json.numbersByPath
        return requirements.compactMap { requirement in
            switch requirement.verdict(on: figures) {
            case .holds: nil
            case .fails(let actual): Problem(text: "required \(requirement.text): found \(actual)", code: 1)
            case .noValue: Problem(text: "required \(requirement.text): the run gives no value", code: 1)
            case .unknownPath(let nearest): Problem(text: unknown(requirement, nearest), code: 2)
            }
        }
    }
}

/// Prints an error and answers the exit code.
func fail(_ message: String, code: Int32) -> Int32 {
    StandardStream.error.write(message.hasSuffix("\n") ? message : "testbed: \(message)\n")
    return code
}

/// Prints a warning.
func warn(_ message: String) { StandardStream.error.write("testbed: \(message)\n") }

/// The path of this program's file.
func ownExecutable() -> String? {
    var path = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &path, path.count - 1)
    guard count > 0 else { return nil }
    return String(decoding: path[0..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
