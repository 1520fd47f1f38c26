import Quantities
import Records
import Terminal

/// The summary of a run for people, in at most 80 columns where names allow. Machines read `summary.json`.
public struct SummaryTable: Sendable {
    /// More workers than this are shown as pools.
    static let mostWorkers = 16
    /// A p99 slip beyond this share of the median iteration distorts what was measured.
    static let tolerableSlip = 0.1

    let summary: Summary
    private let folder: String?
    let style: Style

    /// - Parameters:
    ///   - folder: the run's folder as it is to be printed; `nil` when nothing was kept.
    public init(_ summary: Summary, folder: String?, style: Style = .plain) {
        self.summary = summary
        self.folder = folder
        self.style = style
    }

    /// The text, each line ended by a newline: warnings first, the run's folder last.
    public var text: String {
        var lines = warnings.map(style.yellow)
        lines += heading
        lines += [""] + times
        lines += [""] + notes
        if let barrier = summary.barrier { lines += [""] + Self.barriers(barrier, summary.experts) }
        if !summary.faults.isEmpty { lines += [""] + faults }
        if !summary.workers.isEmpty { lines += [""] + workers }
        if let folder { lines += ["", folder] }
        return lines.map { $0 + "\n" }.joined()
    }

    /// What a reader must know before any figure.
    private var warnings: [String] {
        var lines: [String] = []
        if summary.incomplete { lines.append("INCOMPLETE: the run was interrupted; figures cover what ended before.") }
        if let share = summary.slip.shareOfMedianIteration, summary.clock == "wall", share > Self.tolerableSlip {
            lines.append("SLIPPED: the host fell behind the model by \(Figures.share(share)) of a median iteration (p99).")
            lines.append("         Times below are too long by about that; a larger --dilation helps.")
        }
        for external in summary.external where external.fellBack {
            let since = external.since.map { " from \(Figures.time($0)) on" } ?? ""
            lines.append(
                "FELL BACK: \(Self.words(external.kind)) by a program: \(Self.reasons(external)); \(external.fallbackPolicy) made "
                    + "\(Figures.count(external.fallback)) of \(Figures.count(external.answered + external.fallback)) decisions\(since).")
        }
        return lines
    }

    private static func reasons(_ external: Summary.External) -> String {
        [(external.late, "late"), (external.wrong, "wrong"), (external.gone, "gone")].filter { $0.0 > 0 }
            .map { "\(Figures.count($0.0)) of \(Figures.count(external.programs)) \($0.1)" }.joined(separator: ", ")
    }

    private static func words(_ kind: DecisionKind) -> String { kind.name.map { $0 == "_" ? "-" : String($0) }.joined() }

    private static func line(_ external: Summary.External) -> String {
        let times = external.answers.map { ": p50 \(Figures.time($0.p50)), p99 \(Figures.time($0.p99)) on the host" } ?? ""
        return "\(words(external.kind)): \(Figures.count(external.asked)) asked, \(Figures.count(external.answered)) answered\(times)"
    }

    private var heading: [String] {
        var speed = ""
        if summary.wall > 0 { speed = " in \(Figures.time(summary.wall)), \(Figures.number(summary.duration / summary.wall))x real time" }
        return [
            "\(style.bold(summary.name))  \(summary.clock) clock, seed \(summary.seed), \(Figures.count(Int64(summary.nodes))) nodes",
            "\(Figures.time(summary.duration)) emulated\(speed)",
        ]
    }

    private var times: [String] {
        var table = TextTable(
            [.init("latency")] + ["mean", "p50", "p90", "p99", "max"].map { TextTable.Column(Self.padded($0), .right) })
        for (name, distribution) in [("TTFT", summary.ttft), ("TBT", summary.tbt), ("E2E", summary.e2e), ("KV transfer", summary.network.kvTransfer)]
        {
            table.add([name] + Self.cells(distribution))
        }
        return table.lines(style: style)
    }

    private static func cells(_ distribution: Distribution?) -> [String] {
        guard let distribution else { return Array(repeating: "-", count: 5) }
        return [distribution.mean, distribution.p50, distribution.p90, distribution.p99, distribution.max].map(Figures.time)
    }

    /// Columns of times keep their width from run to run.
    private static func padded(_ heading: String) -> String { String(repeating: " ", count: max(0, 8 - heading.count)) + heading }

    private var notes: [String] {
        var table = TextTable([.init(""), .init("")])
        table.add(["requests", requests])
        let throughput = summary.throughput
        table.add([
            "throughput",
            "\(Figures.number(throughput.requestsPerSecond)) requests/s, \(Figures.number(throughput.outputTokensPerSecond)) output tokens/s, "
                + "\(Figures.number(throughput.totalTokensPerSecond)) with prompts",
        ])
        if let goodput = summary.goodput {
            table.add([
                "goodput", "\(Figures.number(goodput.requestsPerSecond)) requests/s: \(Figures.share(goodput.attainment)) met \(goodput.objective)",
            ])
        }
        table.add(["network", "\(Figures.count(summary.network.messages)) messages for \(Figures.bytes(summary.network.bytesModelled))"])
        if let recovery = summary.recovery { table.add(["recovery", Self.line(recovery)]) }
        let perToken = summary.energyPerOutputToken.map { ", \(Figures.energy($0)) per output token" } ?? ""
        table.add(["energy", Figures.energy(summary.energy) + perToken])
        if summary.clock == "wall" { table.add(["slip", slip]) }
        for decisions in summary.decisions where decisions.count > 0 { table.add(["decisions", Self.line(decisions)]) }
        for external in summary.external { table.add(["program", Self.line(external)]) }
        if !summary.digest.isEmpty { table.add(["digest", summary.digest]) }
        return table.lines()
    }

    private static func line(_ decisions: Summary.Decisions) -> String {
        let times = [decisions.p50, decisions.p99].map { Figures.time($0 ?? 0) }
        return "\(words(decisions.kind)) by \(decisions.policy): p50 \(times[0]), p99 \(times[1]) of processor time"
    }

    private var requests: String {
        let requests = summary.requests
        var parts = ["\(Figures.count(Int64(requests.offered))) offered", "\(Figures.count(Int64(requests.done))) done"]
        parts.append("\(Figures.count(Int64(requests.rejected))) rejected")
        parts.append("\(Figures.count(Int64(requests.failed))) failed")
        if requests.duplicated > 0 { parts.append("\(Figures.count(Int64(requests.duplicated))) tokens twice") }
        return parts.joined(separator: ", ")
    }

    private var slip: String {
        let slip = summary.slip
        let share = slip.shareOfMedianIteration.map { " (\(Figures.share($0)) of a median iteration)" } ?? ""
        let clocks = slip.clockUncertainty.map { ", \(Figures.time($0)) of each for the hosts' clocks" } ?? ""
        return "p50 \(Figures.time(slip.p50)), p99 \(Figures.time(slip.p99))\(share), max \(Figures.time(slip.max))\(clocks)"
    }

    private var workers: [String] {
        let isPooled = summary.workers.count > Self.mostWorkers
        let hasBarriers = summary.barrier != nil
        var table = TextTable(
            [.init(isPooled ? "pool" : "worker"), .init("role"), .init("busy", .right)] + (hasBarriers ? [.init("barrier", .right)] : [])
                + [.init("KV peak", .right), .init("preemptions", .right), .init("iterations", .right)])
        let rows = isPooled ? Pool.pools(of: summary.workers) : summary.workers.map(Pool.init)
        for row in rows { table.add(row.cells(withBarrier: hasBarriers)) }
        return table.lines(style: style)
    }
}

/// Workers of one pool taken together: the mean of their load, the highest peak, the sum of their counts.
private struct Pool {
    var name: String
    var role: String
    var count = 1
    var busy: Double
    var barrier: Double
    var kvPeak: Double
    var preemptions: Int64
    var iterations: Int64

    init(_ worker: Summary.Worker) {
        name = worker.name
        role = worker.role
        busy = worker.busyFraction
        barrier = worker.barrierIdleFraction
        kvPeak = worker.kvPeakFraction
        preemptions = worker.preemptions
        iterations = worker.iterations
    }

    func cells(withBarrier: Bool) -> [String] {
        [count > 1 ? "\(name) (\(count))" : name, role, Figures.share(busy / Double(count))]
            + (withBarrier ? [Figures.share(barrier / Double(count))] : [])
            + [Figures.share(kvPeak), Figures.count(preemptions), Figures.count(iterations)]
    }

    /// Pools in the order in which their first workers come. A worker is called after its pool: `decode-3` is one of `decode`.
    static func pools(of workers: [Summary.Worker]) -> [Pool] {
        var pools: [Pool] = []
        for worker in workers {
            let name = worker.name.lastIndex(of: "-").map { String(worker.name[..<$0]) } ?? worker.name
            guard let place = pools.lastIndex(where: { $0.name == name && $0.role == worker.role }) else {
                var pool = Pool(worker)
                pool.name = name
                pools.append(pool)
                continue
            }
            pools[place].count += 1
            pools[place].busy += worker.busyFraction
            pools[place].barrier += worker.barrierIdleFraction
            pools[place].kvPeak = max(pools[place].kvPeak, worker.kvPeakFraction)
            pools[place].preemptions += worker.preemptions
            pools[place].iterations += worker.iterations
        }
        return pools
    }
}
