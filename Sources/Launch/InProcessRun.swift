import Cluster
import Nodes
import Quantities
import Records
import Time
import TraceFiles
import Transport
import Workload

/// A run with all nodes in this process.
struct InProcessRun {
    let plan: ClusterPlan
    let layout: ClusterLayout
    let folder: RunFolder
    let source: any RequestSource
    let onStatus: (RunStatus) -> Void

    /// Runs to the end, or until a signal comes.
    /// - Returns: how it ended, what each node counted, and what went wrong.
    func run(into records: RecordSet, _ events: Events) throws -> (outcome: RunOutcome, statistics: [NodeStatistics?], faults: FaultTable) {
        let rows = RecordBuffers()
        let transfers = plan.records.timeline ? try OutputFile(folder.transfers) : nil
        let layers = plan.records.layers ? try LayerParts(directory: folder.parts, layout: layout) : nil
        let faults = FaultTable(plan, layout)
        let commons = GangCommons()
        let programs = plan.asksPrograms ? try ExternalPrograms(directory: nil, logs: folder.logs) : nil
        defer { programs?.end() }
        func make(_ node: Int, _ born: Instant, _ source: @escaping () -> any RequestSource) -> NodeHost? {
            NodeHost.make(
                layout.nodes[node], of: plan.inOneProcess, layout: layout, records: rows, faults: faults, born: born,
                probe: DecisionProbe(clock: processorTime), desk: programs?.desk, commons: commons, source: source)
        }
        let hosts = layout.nodes.indices.compactMap { make($0, 0) { source } }
        let again = { [plan] in (try? requestSource(for: plan.workload, seed: plan.seed)) ?? NoRequests() }
        var clock = InProcess(hosts, faults: faults) { make($0, $1, again) }
        var outcome = RunOutcome.finished
        var isGoing = true
        while isGoing {
            isGoing = clock.run(turns: 2_000)
            if !isGoing { clock.finish() }
            try take(&rows.requests) { try records.requests.write($0) }
            try take(&rows.restarts) { try records.writeRestarts($0) }
            try take(&rows.migrations) { try records.writeMigrations($0) }
            try take(&rows.iterations) { try records.iterations?.write($0) }
            try take(&rows.messages) { try records.messages?.write($0) }
            try take(&rows.transfers) { try transfers?.write($0) }
            try take(&rows.layers) { try layers?.write($0) }
            onStatus(RunStatus(now: clock.now, progress: clock.hosts[ClusterLayout.client].progress))
            if events.isInterrupted() {
                outcome = .interrupted
                break
            }
        }
        try layers?.finish()
        try MergedParts(folder: folder, layout: layout).mergeLayers(into: records)
        if let problem = source.problem { outcome = .failed(problem) }
        return (outcome, clock.statistics, faults)
    }
}
