import Cluster
import Comparison
import Launch
import Quantities
import Records
import Terminal
import Transport

/// The runs of a comparison: those that are on the disk, and the others, side by side.
final class ComparedRuns {
    private let variants: Variants
    private let design: Comparison.Design
    private let root: String
    private let executable: String
    private let jobs: Int
    private var progress: ComparisonProgress
    /// By variant and seed.
    private var runs: [[ComparedRun?]]
    private var isStopped = false

    init(variants: Variants, design: Comparison.Design, root: String, executable: String, jobs: Int, isQuiet: Bool) {
        self.variants = variants
        self.design = design
        self.root = root
        self.executable = executable
        self.jobs = jobs
        runs = variants.plans.map { _ in design.seeds.map { _ in nil } }
        progress = ComparisonProgress(
            total: variants.plans.count * design.seeds.count, ProgressDisplay.Mode(StandardStream.error.capabilities, quiet: isQuiet))
    }

    /// Runs what is not there yet; `nil` when it was interrupted, which it says.
    func run() throws -> [[ComparedRun?]]? {
        // All variants of one seed before the next one: what is there after a while compares all.
        let count = variants.plans.count
        let isWhole = try ForkedJobs.run(
            count * design.seeds.count, sideBySide: jobs, body: { [self] in carryOut($0 % count, seed: $0 / count) },
            onEnd: { [self] in take($1, variant: $0 % count, seed: $0 / count) },
            onTick: { [self] in progress.draw(running: $0, now: monotonicNow()) })
        progress.clear()
        guard isWhole else {
            warn("interrupted: \(progress.done) of \(progress.total) runs are done; the same command goes on from there")
            return nil
        }
        return runs
    }

    // MARK: - In a job's process

    private func carryOut(_ variant: Int, seed: Int) -> JSONValue {
        var plan = variants.plans[variant]
        plan.seed = design.seeds[seed]
        let run = Run(plan: plan, out: nil, root: root, executable: executable, version: Version.text)
        if let earlier = EarlierRun(of: run) { return answer(earlier.summary, earlier.folder, isEarlier: true) }
        do {
            let result = try run.execute { _ in }
            if result.wasInterrupted { return ["interrupted": .bool(true)] }
            if let failure = result.failure { return ["error": .string(failure)] }
            return answer(result.summary.json, result.folder, isEarlier: false)
        } catch {
            return ["error": .string("\(error)")]
        }
    }

    private func answer(_ summary: JSONValue, _ folder: String, isEarlier: Bool) -> JSONValue {
        let value = summary.numbersByPath.first { $0.path == design.metric.path }?.value
        let bound = value == nil ? nil : Bound.limit(on: design.metric.path, ofRun: folder)
        return [
            "folder": .string(folder), "earlier": .bool(isEarlier), "value": .number(orNull: value), "bound": .number(orNull: bound),
            "decisions": summary["decisions"] ?? .null, "fell_back": .bool(Self.fellBack(summary["external"])),
        ]
    }

    // MARK: - In the program's process

    private func take(_ ending: ForkedJobs.Ending, variant: Int, seed: Int) {
        func report(_ reason: String) {
            progress.clear()
            _ = fail("\(Variants.label(variants.values[variant])), seed \(design.seeds[seed]): \(reason)", code: 1)
        }
        switch ending {
        case .died(let reason): if !isStopped { report("the run's process \(reason)") }
        case .answered(let answer):
            if answer["interrupted"] != nil {
                isStopped = true
                return
            }
            guard let folder = answer["folder"]?.asText else { return report(answer["error"]?.asText ?? "the run gave no answer") }
            runs[variant][seed] = ComparedRun(
                folder: folder, value: answer["value"]?.asNumber, bound: answer["bound"]?.asNumber, decisions: Self.decisions(answer["decisions"]),
                fellBack: answer["fell_back"] == .bool(true))
            progress.add(isEarlier: answer["earlier"] == .bool(true))
            if answer["value"]?.asNumber == nil { report("the run gives \(design.metric.path) no value") }
            return
        }
        progress.addFailed()
    }

    /// Whether a program outside was given up.
    private static func fellBack(_ external: JSONValue?) -> Bool {
        guard case .object(let kinds)? = external else { return false }
        return kinds.contains { $0.value["fell_back"] == .bool(true) }
    }

    private static func decisions(_ value: JSONValue?) -> [ComparedRun.Decisions] {
        guard case .object(let members)? = value else { return [] }
        return members.map {
            ComparedRun.Decisions(
                kind: $0.key, policy: $0.value["policy"]?.asText ?? "", p50: $0.value["p50_s"]?.asNumber, p99: $0.value["p99_s"]?.asNumber)
        }
    }
}

/// How far a comparison has come, on standard error.
struct ComparisonProgress {
    let total: Int
    private(set) var done = 0
    private var earlier = 0
    private var failed = 0
    private let mode: ProgressDisplay.Mode
    private var began: Int64?
    private var lastDrawing: Int64?
    private var lineIsOpen = false

    init(total: Int, _ mode: ProgressDisplay.Mode) {
        self.total = total
        self.mode = mode
    }

    mutating func add(isEarlier: Bool) {
        done += 1
        if isEarlier { earlier += 1 }
    }

    mutating func addFailed() { failed += 1 }

    /// Draws, unless it is too early for that: ten times a second on a terminal, each ten seconds in a log.
    mutating func draw(running: Int, now: Int64) {
        let start = began ?? now
        began = start
        switch mode {
        case .quiet: return
        case .live(let columns, let style):
            guard lastDrawing.map({ now - $0 >= 100_000_000 }) ?? true else { return }
            lineIsOpen = true
            let line = String(text(running, elapsed: seconds(now - start)).prefix(columns - 1))
            StandardStream.error.write("\r" + style.faint(line) + "\u{1b}[K")
        case .lines:
            guard now - (lastDrawing ?? start) >= 10_000_000_000 else { return }
            StandardStream.error.write(text(running, elapsed: seconds(now - start)) + "\n")
        }
        lastDrawing = now
    }

    private func text(_ running: Int, elapsed: Double) -> String {
        var parts = ["\(done + failed)/\(total) runs"]
        if earlier > 0 { parts.append("\(earlier) there before") }
        if failed > 0 { parts.append("\(failed) failed") }
        parts.append("\(running) under way")
        let new = done + failed - earlier
        if new > 0 { parts.append("ETA \(Figures.clock((elapsed / Double(new) * Double(total - done - failed)).rounded(.up)))") }
        return parts.joined(separator: "  ")
    }

    /// Leaves the line clean for what is printed next.
    mutating func clear() {
        guard lineIsOpen else { return }
        StandardStream.error.write("\r\u{1b}[K")
        (lineIsOpen, lastDrawing) = (false, nil)
    }
}
