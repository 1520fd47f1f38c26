import Auditing
import Bounds
import CommandLine
import Glibc
import Launch
import Policies
import Quantities
import Terminal
import TopologyFile
import TraceFiles

/// `testbed audit POLICY`: instances and workloads on which a policy fails.
enum PolicyAudit {
    /// What is wrong with the command line.
    struct Misuse: Error { var text: String }

    static func run(_ command: ParsedCommand) -> Int32 {
        do {
            let families = [SchedulingRegistry.descriptions, RoutingRegistry.descriptions]
            let (choice, description) = try ChoiceText.parse(command.arguments[0], what: "scheduling or routing policy", families.flatMap { $0 })
            let isRouting = RoutingRegistry.descriptions.contains(description)
            if isRouting || command.has("cluster") || command.text("replay")?.hasSuffix(".csv") == false {
                return try ClusterAudit(choice, isRouting: isRouting, command).run()
            }
            return try instances(command, choice, description)
        } catch let error as Misuse {
            return fail(error.text, code: 2)
        } catch let error as Diagnostic {
            return fail("\(error)", code: 2)
        } catch let error as Diagnostics {
            return fail("\(error)\n", code: 2)
        } catch let error as TraceError {
            return fail("\(error)", code: 2)
        } catch let error as SolverError {
            return fail("the solver gave up (\(error))", code: 1)
        } catch {
            return fail("\(error)", code: 1)
        }
    }

    // MARK: - Instances of one worker

    private static func instances(_ command: ParsedCommand, _ choice: PolicyChoice, _ description: PolicyDescription) throws -> Int32 {
        let seed = command.integer("seed") ?? 1
        let told = try predictor(command, description)
        guard let teller = Teller(told, seed: seed) else {
            throw Misuse(text: "--predictor: found '\(told.name)', whose answers change as tokens appear, expected one that answers once")
        }
        guard let policy = AuditedPolicy(choice, teller: teller) else { throw Misuse(text: "found no policy '\(choice.name)'") }
        var effort = Audit.Effort(instances: Int(command.integer("instances") ?? 200))
        if let states = command.integer("states") { effort.limits.states = Int(states) }
        if let nodes = command.integer("nodes") { effort.limits.nodes = Int(nodes) }
        if command.integer("requests") != nil, command.text("family").flatMap(PublishedStudy.init(rawValue:)) == nil {
            throw Misuse(text: "found --requests without --family study-at-start or study-arrivals, expected it with one of them")
        }
        if let path = command.text("replay") {
            guard command.text("save") == nil else { throw Misuse(text: "found --save with --replay, expected one of them") }
            let instance = try InstanceFile.read(path)
            let finding = try policy.judge(instance, limits: effort.limits)
            return InstanceReport.show(finding, policy, asJSON: command.has("json"))
        }
        if let path = command.text("save") { try writable(path) }
        var progress = AuditProgress(isQuiet: command.has("quiet"))
        let onProgress: (Int) -> Bool = { count in
            progress.draw("\(count) instances")
            return true
        }
        let report: AuditReport
        if let family = command.text("family") {
            let requests = command.integer("requests").map { Int($0) }
            guard let found = try Audit.run(policy, family: family, requests: requests, effort: effort, seed: seed, onProgress: onProgress) else {
                throw Misuse(text: "--family: found '\(family)', expected a family of instances")
            }
            report = found
        } else {
            report = try Audit.run(policy, effort: effort, seed: seed, onProgress: onProgress)
        }
        progress.clear()
        if let path = command.text("save"), let exhibit = report.exhibit { try ResultFile.write(InstanceFile.text(exhibit.instance), to: path) }
        return InstanceReport.show(report, policy, seed: seed, told: command.text("predictor") ?? told.text, asJSON: command.has("json"))
    }

    /// What the policy is told: what was asked for, else what its guarantee speaks of.
    private static func predictor(_ command: ParsedCommand, _ description: PolicyDescription) throws -> PolicyChoice {
        if let text = command.text("predictor") {
            let (choice, found) = try ChoiceText.parse(text, what: "predictor", PredictorRegistry.descriptions, option: "--predictor: ")
            if found.name == "none", description.needsPrediction {
                throw Misuse(
                    text: "--predictor: found 'none' for '\(description.name)', which decides on predicted lengths, expected one that predicts")
            }
            return choice
        }
        if description.guarantees.contains(where: { $0.conditions.contains(.boundsHold) }) || description.name == "a-min" {
            return PolicyChoice("interval", parameters: ["ratio": 0.25])
        }
        return PolicyChoice("oracle")
    }

    static func writable(_ path: String) throws {
        do { try ResultFile.check(path) } catch { throw Misuse(text: "--save: \(error)") }
    }
}

/// How far a search has come, on a terminal.
struct AuditProgress {
    private let style: Style?
    private var last: Int64 = 0
    private var isOpen = false

    init(isQuiet: Bool) {
        if case .live(_, let style) = ProgressDisplay.Mode(StandardStream.error.capabilities, quiet: isQuiet) {
            self.style = style
        } else {
            style = nil
        }
    }

    mutating func draw(_ text: String) {
        guard let style else { return }
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let now = Int64(time.tv_sec) * 10 + Int64(time.tv_nsec) / 100_000_000
        guard now != last else { return }
        (last, isOpen) = (now, true)
        StandardStream.error.write("\r" + style.faint(text) + "\u{1b}[K")
    }

    mutating func clear() {
        if isOpen { StandardStream.error.write("\r\u{1b}[K") }
        isOpen = false
    }
}
