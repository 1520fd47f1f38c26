import Cluster
import CommandLine
import Comparison
import Glibc
import Launch
import Quantities
import Records
import Terminal
import TopologyFile
import TraceFiles
import Transport
import Workload

/// `testbed compare FILE`: runs variants on the same requests and prints which is better.
enum Compare {
    /// What is wrong with the command line.
    struct Misuse: Error { var text: String }

    static func run(_ command: ParsedCommand) -> Int32 {
        do {
            let variants = try Variants(command)
            variants.warnings.forEach { StandardStream.error.write("\($0)\n") }
            let design = try design(command, variants)
            let baseline = try command.text("baseline").map { text in try variants.place(of: text) }
            try check(variants)
            if let path = command.text("csv") { try writable(path) }
            guard let executable = ownExecutable() else { return fail("cannot find the program's own file", code: 1) }
            let batch = ComparedRuns(
                variants: variants, design: design, root: command.text("out") ?? "runs", executable: executable,
                jobs: jobs(command, clock: variants.plans[0].clock), isQuiet: command.has("quiet"))
            guard let runs = try batch.run() else { return 130 }
            let comparison = Comparison(design, values: variants.values, runs: runs, baseline: baseline)
            if let path = command.text("csv") { try ResultFile.write(comparison.csv, to: path) }
            let style = StandardStream.output.capabilities.style
            StandardStream.output.write(command.has("json") ? comparison.json.text(.pretty) + "\n" : comparison.text(style))
            return verdict(on: comparison, variants)
        } catch let error as Diagnostics {
            return fail("\(error)\n", code: 2)
        } catch let error as TraceError {
            return fail("\(error)", code: 2)
        } catch let error as Misuse {
            return fail(error.text, code: 2)
        } catch {
            return fail("\(error)", code: 1)
        }
    }

    // MARK: - What is asked for

    private static func design(_ command: ParsedCommand, _ variants: Variants) throws -> Comparison.Design {
        let metric = try metric(command, variants)
        let first = command.integer("seed") ?? variants.plans[0].seed
        let count = command.integer("seeds") ?? 5
        guard first <= UInt64.max - (count - 1) else {
            throw Misuse(text: "--seeds: found \(count) seeds from \(first) on, expected none above \(UInt64.max)")
        }
        guard variants.plans.count * Int(count) <= 1_000_000 else {
            throw Misuse(text: "found \(variants.plans.count) variants of \(count) runs each, expected no more than 1,000,000 runs")
        }
        let workload = variants.plans[0].workload
        let isRecorded = if case .trace = workload.arrivals { true } else { false }
        return Comparison.Design(
            name: variants.plans[0].name, clock: variants.plans[0].clock.rawValue, variations: variants.variations, metric: metric,
            seeds: (0..<count).map { first + $0 }, confidence: command.number("confidence") ?? 0.95,
            isRecordedWorkload: isRecorded, isVariedWorkload: variants.plans.contains { $0.workload != workload })
    }

    /// The metric, which the summary of every variant must have.
    private static func metric(_ command: ParsedCommand, _ variants: Variants) throws -> Metric {
        let path = command.text("metric") ?? "e2e_s.mean"
        let (lower, higher) = (command.has("lower-is-better"), command.has("higher-is-better"))
        guard !lower || !higher else { throw Misuse(text: "found --lower-is-better with --higher-is-better, expected one of them") }
        let requirement = Requirement(path: path, relation: .less, bound: 0)
        for (plan, values) in zip(variants.plans, variants.values) {
            let figures = SummaryBuilder(plan, ClusterLayout(plan)).blank.json.numbersByPath
            guard case .unknownPath(let nearest) = requirement.verdict(on: figures) else { continue }
            let hint = nearest.map { "; did you mean '\($0)'?" } ?? ""
            let place = variants.plans.count > 1 ? " in the summary of \(Variants.label(values))" : ""
            throw Misuse(text: "--metric: found no figure '\(path)'\(place), expected one of summary.json, such as ttft_s.p99\(hint)")
        }
        return Metric(path, lowerIsBetter: lower ? true : higher ? false : nil)
    }

    /// Reads each trace once, so that a broken line is found before anything runs.
    private static func check(_ variants: Variants) throws {
        var checked: [WorkloadPlan] = []
        for plan in variants.plans where !checked.contains(plan.workload) {
            guard plan.workload.arrivals != .nothing else { throw Misuse(text: "found a workload without requests, expected some to compare by") }
            _ = try Up.scanTrace(plan)
            checked.append(plan.workload)
        }
    }

    private static func writable(_ path: String) throws {
        do { try ResultFile.check(path) } catch { throw Misuse(text: "--csv: \(error)") }
    }

    /// Processes under real clocks would disturb each other, and have processes of their own.
    private static func jobs(_ command: ParsedCommand, clock: ClockMode) -> Int {
        if let jobs = command.integer("jobs") { return Int(jobs) }
        return clock == .inproc ? processorCount : 1
    }

    // MARK: - What came of it

    /// Says what is wrong with the runs; the exit code.
    private static func verdict(on comparison: Comparison, _ variants: Variants) -> Int32 {
        for (variant, seed) in comparison.beaten {
            _ = fail("\(Variants.label(variants.values[variant])), seed \(seed): better than its bound: a bound or a record is wrong", code: 1)
        }
        return comparison.beaten.isEmpty && comparison.rows.allSatisfy { $0.count == comparison.design.seeds.count } ? 0 : 1
    }
}
