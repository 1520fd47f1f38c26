import Cluster
import Nodes
import Quantities
import Records
import Time
import TraceFiles
import Workload

/// A run with all nodes in this process that leaves no record: for searches that need figures of many small runs.
public enum MemoryRun {
    /// Requests from a list, in order of arrival.
    private final class Listed: RequestSource {
        private let requests: [RequestSpec]
        private var given = 0

        init(_ requests: [RequestSpec]) { self.requests = requests }

        func next() -> RequestSpec? {
            guard given < requests.count else { return nil }
            given += 1
            return requests[given - 1]
        }
    }

    /// Serves requests on a plan's cluster, in place of its workload.
    /// - Returns: the summary that `inproc` has, without energy and digest.
    public static func summary(of plan: ClusterPlan, serving requests: [RequestSpec]) -> Summary {
        var plan = plan
        plan.clock = .inproc
        plan.records = RecordPlan(iterations: false, messages: false, timeline: false)
        let layout = ClusterLayout(plan)
        let rows = RecordBuffers()
        let faults = FaultTable(plan, layout)
        let commons = GangCommons()
        func make(_ node: Int, _ born: Instant) -> NodeHost? {
            NodeHost.make(
                layout.nodes[node], of: plan.inOneProcess, layout: layout, records: rows, faults: faults, born: born, commons: commons
            ) { Listed(requests) }
        }
        var clock = InProcess(layout.nodes.indices.compactMap { make($0, 0) }, faults: faults) { make($0, $1) }
        while clock.run(turns: 20_000) {
            rows.requests.removeAll()
            rows.restarts.removeAll()
        }
        clock.finish()
        return SummaryBuilder(plan, layout).build(
            clock.statistics, wall: 0, incomplete: false, digest: "", faults: faults, energy: { _, _, _ in 0 })
    }
}
