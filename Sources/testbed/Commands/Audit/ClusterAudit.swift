import Auditing
import Cluster
import CommandLine
import Glibc
import Launch
import Policies
import Quantities
import Records
import Terminal
import TopologyFile
import TraceFiles
import Transport
import Workload

/// Searches the workload of a small cluster on which a policy does worst beside the best of the others, and replays one.
struct ClusterAudit {
    private static let requestCount = 160
    /// Workloads that are tried side by side before the best is taken; not by the number of cores, so that the outcome is the same everywhere.
    private static let generation = 8

    private let choice: PolicyChoice
    private let isRouting: Bool
    private let command: ParsedCommand

    init(_ choice: PolicyChoice, isRouting: Bool, _ command: ParsedCommand) {
        self.choice = choice
        self.isRouting = isRouting
        self.command = command
    }

    func run() throws -> Int32 {
        if command.text("predictor") != nil || command.integer("nodes") != nil || command.text("family") != nil {
            throw PolicyAudit.Misuse(text: "found --predictor, --nodes or --family with runs of a cluster, expected them with instances only")
        }
        if let path = command.text("replay") { return try replay(path) }
        let save = command.text("save")
        if let save {
            guard save.hasSuffix(".yaml") else {
                throw PolicyAudit.Misuse(text: "--save: found '\(save)', expected a topology's file, FILE.yaml; the trace goes to FILE.csv")
            }
            try PolicyAudit.writable(save)
        }
        let seed = command.integer("seed") ?? 1
        let trial = ClusterTrial(try AdversarialTopology.plan(choice, isRouting: isRouting), choice, isRouting: isRouting)
        guard let (pattern, outcome, tried) = try search(trial, seed: seed, workloads: Int(command.integer("instances") ?? 200)) else { return 130 }
        if let save {
            try ResultFile.write(AdversarialTopology.text(choice, isRouting: isRouting, outcome, trace: save), to: save)
            try ResultFile.write(AdversarialTopology.trace(pattern.requests(Self.requestCount)), to: AdversarialTopology.tracePath(save))
        }
        show(outcome, tried: tried, seed: seed, pattern: pattern)
        return 0
    }

    // MARK: - Search

    private func search(_ trial: ClusterTrial, seed: UInt64, workloads: Int) throws -> (WorkloadPattern, TrialOutcome, Int)? {
        var random = RandomStream(seed: seed, stream: 300)
        var progress = AuditProgress(isQuiet: command.has("quiet"))
        defer { progress.clear() }
        var best: (pattern: WorkloadPattern, outcome: TrialOutcome)?
        var tried = 0
        var patterns = WorkloadPattern.starts(min(workloads, 3 * Self.generation), &random)
        while tried < workloads {
            let batch = Array(patterns.prefix(workloads - tried))
            guard let outcomes = try outcomes(trial, of: batch, &progress, tried) else { return nil }
            tried += batch.count
            for (pattern, outcome) in zip(batch, outcomes) {
                guard let ratio = outcome?.ratio, let outcome else { continue }
                if best.map({ ratio >= $0.outcome.ratio ?? 0 }) ?? true { best = (pattern, outcome) }
            }
            guard let start = best?.pattern else { break }
            patterns = (0..<Self.generation).map { _ in start.changed(&random) }
        }
        guard let best else { throw SystemError("no run of the search served all its requests") }
        return (best.pattern, best.outcome, tried)
    }

    private func outcomes(
        _ trial: ClusterTrial, of patterns: [WorkloadPattern], _ progress: inout AuditProgress, _ before: Int
    ) throws -> [TrialOutcome?]? {
        var outcomes = [TrialOutcome?](repeating: nil, count: patterns.count)
        progress.draw("\(before) workloads")
        let isWhole = try ForkedJobs.run(
            patterns.count, sideBySide: processorCount,
            body: { trial.outcome(patterns[$0].requests(Self.requestCount)).json },
            onEnd: { number, ending in if case .answered(let value) = ending { outcomes[number] = TrialOutcome(value) } }, onTick: { _ in })
        return isWhole ? outcomes : nil
    }

    // MARK: - Replay

    private func replay(_ path: String) throws -> Int32 {
        guard command.text("save") == nil else { throw PolicyAudit.Misuse(text: "found --save with --replay, expected one of them") }
        let plan = try Validate.read(path, settings: ["clock=inproc"]).get().plan
        guard plan.workload.closedLoop == nil, plan.workload.arrivals != .nothing else {
            throw PolicyAudit.Misuse(
                text: "\(path): found a workload whose arrivals depend on the policy, expected one that every policy meets alike")
        }
        if case .trace(let source) = plan.workload.arrivals { _ = try TraceFile.scan(source, for: plan.workload) }
        let source = try requestSource(for: plan.workload, seed: plan.seed)
        var requests: [RequestSpec] = []
        while requests.count < 100_000, let request = source.next() { requests.append(request) }
        let trial = ClusterTrial(plan, choice, isRouting: isRouting)
        show(trial.outcome(requests), tried: nil, seed: plan.seed, pattern: nil)
        return 0
    }

    // MARK: - Report

    private func show(_ outcome: TrialOutcome, tried: Int?, seed: UInt64, pattern: WorkloadPattern?) {
        let style = StandardStream.output.capabilities.style
        StandardStream.output.write(
            command.has("json") ? json(outcome, tried, seed, pattern).text(.pretty) + "\n" : text(outcome, tried, seed, pattern, style))
    }

    private func text(_ outcome: TrialOutcome, _ tried: Int?, _ seed: UInt64, _ pattern: WorkloadPattern?, _ style: Style) -> String {
        let search = tried.map { "\(Figures.count(Int64($0))) workloads, " } ?? ""
        var lines = ["\(choice.text)  \(search)\(outcome.requests) requests, seed \(seed)", ""]
        var table = TextTable([
            .init("policy"), .init("mean latency", .right), .init("ratio to the bound", .right), .init("TTFT p99", .right),
        ])
        let order = outcome.figures.indices.sorted {
            (outcome.figures[$0].latency ?? .infinity, $0) < (outcome.figures[$1].latency ?? .infinity, $1)
        }
        for figures in order.map({ outcome.figures[$0] }) {
            guard let latency = figures.latency, let ttft = figures.ttft else {
                table.add([figures.policy, "not all served", "-", "-"])
                continue
            }
            let ratio = outcome.bound > 0 ? Figures.fixed(latency / outcome.bound, decimals: 3) : "-"
            table.add([figures.policy, Figures.time(latency), ratio, Figures.time(ttft)])
        }
        lines += table.lines(style: style) + ["", "bound  \(Figures.time(outcome.bound))"]
        if let ratio = outcome.ratio, let best = outcome.best {
            lines.append("\(choice.text) has \(Figures.fixed(ratio, decimals: 3)) times the mean latency of \(best.policy), the best of the others")
        }
        if let pattern {
            let slots = pattern.slots.map { "\($0.prompt)/\($0.output) +\($0.gap)ms" }.joined(separator: ", ")
            lines.append("repeated (prompt/output, time to the next): \(slots)")
        }
        return lines.map { $0 + "\n" }.joined()
    }

    private func json(_ outcome: TrialOutcome, _ tried: Int?, _ seed: UInt64, _ pattern: WorkloadPattern?) -> JSONValue {
        [
            "policy": .string(choice.text), "seed": .integer(Int64(clamping: seed)), "requests": .integer(Int64(outcome.requests)),
            "workloads": tried.map { .integer(Int64($0)) } ?? .null, "ratio": .number(orNull: outcome.ratio),
            "best": outcome.best.map { .string($0.policy) } ?? .null, "bound_s": .number(outcome.bound),
            "policies": .array(
                outcome.figures.map {
                    ["name": .string($0.policy), "e2e_mean_s": .number(orNull: $0.latency), "ttft_p99_s": .number(orNull: $0.ttft)]
                }),
            "pattern": pattern.map { pattern in
                .array(
                    pattern.slots.map {
                        ["prompt": .integer(Int64($0.prompt)), "output": .integer(Int64($0.output)), "gap_s": .number(Double($0.gap) / 1_000)]
                    })
            } ?? .null,
        ]
    }
}
