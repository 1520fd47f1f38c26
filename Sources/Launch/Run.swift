import Cluster
import Glibc
import Models
import Nodes
import Quantities
import Records
import Reports
import TopologyFile
import TraceFiles
import Transport
import Workload

/// A run from its plan to its folder.
public struct Run {
    public let plan: ClusterPlan
    /// The folder that the user named.
    public let out: String?
    /// Where the run's folder is made when nobody named one.
    public let root: String
    /// The program that node processes run: this one.
    public let executable: String
    /// Version for the manifest.
    public let version: String

    /// The nodes' hosts, where those are not this one.
    public var hosts: RemoteHosts?
    /// Told whom the run waits for.
    public var onWait: ((String) -> Void)?

    /// What a run came to.
    public struct Result {
        public var summary: Summary
        public var folder: String
        /// Why it failed, if it did.
        public var failure: String?
        public var wasInterrupted: Bool
        /// Windows that were granted, for benchmarks; 0 for clocks that grant none.
        public var grants: Int64
        /// Events that nodes handled.
        public var events: Int64
        /// Host time from the start of the first process until every node was ready; 0 for clocks without processes.
        public var startUp: Nanoseconds
    }

    public init(plan: ClusterPlan, out: String?, root: String = "runs", executable: String, version: String) {
        self.plan = plan
        self.out = out
        self.root = root
        self.executable = executable
        self.version = version
    }

    /// Runs. Throws only for what keeps a run from starting or its records from being written; `FolderError` for a folder that the
    /// user must not have meant.
    /// - Parameters:
    ///   - onStatus: called now and then, for a progress line.
    ///   - cluster: what a detached cluster is told; without one the run ends by itself.
    public func execute(cluster: ClusterControl? = nil, onStatus: @escaping (RunStatus) -> Void) throws -> Result {
        let layout = ClusterLayout(plan)
        let source = try requestSource(for: plan.workload, seed: plan.seed)
        let resolved = TopologyWriter.text(plan)
        let choice = try FolderChoice(plan: plan, resolved: resolved, out: out, root: root)
        // From here to the end a signal is taken note of and no longer ends the process.
        let events = try Events()
        let folder = try choice.make(resolved: resolved)
        defer { hosts?.dismiss() }
        do {
            try cluster?.begin(in: folder, movedTo: choice.path, plan)
            return try execute(in: folder, movedTo: choice.path, layout, source, events, cluster, onStatus: onStatus)
        } catch {
            throw SystemError("\(error)\nwhat was written is in \(folder.path)")
        }
    }

    private func execute(
        in folder: RunFolder, movedTo path: String, _ layout: ClusterLayout, _ source: any RequestSource, _ events: Events,
        _ cluster: ClusterControl?, onStatus: @escaping (RunStatus) -> Void
    ) throws -> Result {
        NodeProcess.raiseDescriptorLimit()
        let started = monotonicNow()
        var (grants, startUp): (Int64, Nanoseconds) = (0, 0)
        let records = try RecordSet(folder: folder, records: plan.records)
        let outcome: RunOutcome
        let statistics: [NodeStatistics?]
        let faults: FaultTable
        if plan.clock == .inproc {
            (outcome, statistics, faults) = try InProcessRun(plan: plan, layout: layout, folder: folder, source: source, onStatus: onStatus)
                .run(into: records, events)
        } else {
            let run = try ProcessRun(
                plan: plan, layout: layout, folder: folder, executable: executable, events: events, cluster: cluster,
                hosts: hosts, onStatus: onStatus)
            run.onWait = onWait
            let ending = run.run()
            // When everybody goes at once, the run may have come to its end with the last of them.
            outcome = ending == .finished ? hosts?.loss.map { .failed($0) } ?? ending : ending
            (grants, startUp) = (run.grantCount, run.startUp)
            faults = run.faults
            try MergedParts(folder: folder, layout: layout).merge(into: records)
            statistics = try layout.nodes.map { node throws(SystemError) in try PartFiles.statistics(folder.parts, node) }
        }
        if let client = statistics[ClusterLayout.client]?.client, faults.faults.contains(where: { $0.at <= client.lastEnd }) {
            try records.write(client.series)
        }
        let isIncomplete = outcome != .finished && !(outcome == .ended && hasEnded(statistics))
        let history = FaultHistory(plan: plan, layout: layout, table: faults, end: statistics[ClusterLayout.client]?.client?.lastEnd ?? 0)
        let hasWholeTimeline = plan.records.timeline ? try Timeline(folder: folder, layout: layout, faults: history.spans()).write() : false
        Files.remove(folder.parts)
        let wall = seconds(monotonicNow() - started)
        let summary = SummaryBuilder(plan, layout).build(
            statistics, wall: wall, incomplete: isIncomplete, digest: records.digest, faults: faults,
            clockUncertainty: hosts?.clockUncertainty, energy: energy)
        try Files.write(Array((summary.json.text(.pretty) + "\n").utf8), to: folder.path + "/summary.json")
        let manifest = Manifest(
            plan: plan, layout: layout, records: records, version: version, incomplete: isIncomplete, hasWholeTimeline: hasWholeTimeline,
            external: summary.external, hosts: hosts?.json)
        try Files.write(Array((manifest.json.text(.pretty) + "\n").utf8), to: folder.path + "/manifest.json")
        let final = try folder.moved(to: path)
        return Result(
            summary: summary, folder: final.path, failure: failure(in: outcome, summary, statistics, final, layout),
            wasInterrupted: outcome == .interrupted, grants: grants, events: statistics.reduce(0) { $0.addingClamped($1?.events ?? 0) },
            startUp: startUp)
    }

    func energy(of node: NodePlan, _ counted: WorkerStatistics, over duration: Nanoseconds) -> Double {
        guard let pool = node.pool.map({ plan.pools[$0] }) else { return 0 }
        // A rank that waits at a barrier draws what an idle one does.
        let (prefill, decode) = counted.computing
        return EnergyModel(device: pool.device, devices: pool.devices).joules(prefill: prefill, decode: decode, total: counted.present(of: duration))
    }

    /// Why a run failed, with the end of the log of the node that failed; `nil` when it did not.
    private func failure(
        in outcome: RunOutcome, _ summary: Summary, _ statistics: [NodeStatistics?], _ folder: RunFolder, _ layout: ClusterLayout
    ) -> String? {
        switch outcome {
        case .finished: return imbalance(summary, statistics)
        case .interrupted: return nil
        // What was open when somebody ended it does not count against it.
        case .ended: return hasEnded(statistics) ? imbalance(summary, statistics) : tokenImbalance(statistics)
        case .failed(let reason):
            guard let node = layout.nodes.first(where: { reason.hasPrefix("node \($0.name) ") || reason.hasPrefix("node \($0.name):") }),
                let log = try? Files.read(folder.log(of: node)), !log.isEmpty
            else { return reason }
            let lines = String(decoding: log, as: UTF8.self).printable.split(separator: "\n").suffix(10)
            return reason + "\nthe end of its log:\n" + lines.map { "  " + $0 }.joined(separator: "\n")
        }
    }

    /// Whether every request offered has come to its end.
    private func hasEnded(_ statistics: [NodeStatistics?]) -> Bool {
        guard let client = statistics[ClusterLayout.client]?.client else { return false }
        return client.offered == client.done + client.rejected + client.failed
    }

    /// What does not add up at the end of a run that came to its end; `nil` when all does.
    private func imbalance(_ summary: Summary, _ statistics: [NodeStatistics?]) -> String? {
        let requests = summary.requests
        let ended = requests.done + requests.rejected + requests.failed
        if requests.offered != ended { return "the account does not balance: \(requests.offered) requests offered, \(ended) ended" }
        return tokenImbalance(statistics)
    }

    private func tokenImbalance(_ statistics: [NodeStatistics?]) -> String? {
        let client = statistics[ClusterLayout.client]?.client
        if let client, client.duplicatedTokens + client.missingTokens > 0 {
            return "the account does not balance: \(client.duplicatedTokens) tokens duplicated, \(client.missingTokens) missing"
        }
        return nil
    }
}
