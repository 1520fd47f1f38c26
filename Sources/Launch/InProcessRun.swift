import Cluster
import Nodes
import Quantities
import Records
import Time
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
    /// - Returns: how it ended, and what each node counted.
    func run(into records: RecordSet, _ events: Events) throws -> (outcome: RunOutcome, statistics: [NodeStatistics?]) {
        let rows = RecordBuffers()
        let transfers = plan.records.timeline ? try OutputFile(folder.transfers) : nil
        let layers = plan.records.layers ? try LayerParts(directory: folder.parts, layout: layout) : nil
        let commons = GangCommons()
        let hosts = layout.nodes.compactMap { node in
            NodeHost.make(node, of: plan.inOneProcess, layout: layout, records: rows, commons: commons) { source }
        }
        var clock = InProcess(hosts)
        var outcome = RunOutcome.finished
        var isGoing = true
        while isGoing {
            isGoing = clock.run(turns: 2_000)
            try take(&rows.requests) { try records.requests.write($0) }
            try take(&rows.iterations) { try records.iterations?.write($0) }
            try take(&rows.messages) { try records.messages?.write($0) }
            try take(&rows.transfers) { try transfers?.write($0) }
            try take(&rows.layers) { try layers?.write($0) }
            onStatus(RunStatus(now: clock.now, progress: hosts[ClusterLayout.client].progress))
            if events.isInterrupted() {
                outcome = .interrupted
                break
            }
        }
        try layers?.finish()
        try MergedParts(folder: folder, layout: layout).mergeLayers(into: records)
        if let problem = source.problem { outcome = .failed(problem) }
        return (outcome, hosts.map(\.statistics))
    }
}
