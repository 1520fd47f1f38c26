import Cluster
import Nodes
import Quantities
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
    func run() -> RunOutcome {
        do {
            let events = try Events()
            let hosts = layout.nodes.compactMap { node in NodeHost.make(node, of: plan, layout: layout) { source } }
            let parts = try layout.nodes.map { node throws(SystemError) in
                try PartFiles(directory: folder.parts, node: node, records: plan.records)
            }
            var clock = InProcess(hosts)
            var outcome = RunOutcome.finished
            while try clock.run(turns: 20_000, afterTurn: { try parts[$0.plan.index].drain($0, force: false) }) {
                onStatus(RunStatus(now: clock.now, progress: hosts[ClusterLayout.client].progress))
                if events.isInterrupted() {
                    outcome = .interrupted
                    break
                }
            }
            for (host, part) in zip(hosts, parts) { try part.finish(host) }
            return outcome
        } catch {
            return .failed("\(error)")
        }
    }
}
