import Cluster
import Quantities
import Reports

/// What went wrong at each node of a run, for its timeline.
struct FaultHistory {
    let plan: ClusterPlan
    let layout: ClusterLayout
    let table: FaultTable
    /// When the run ended: nothing is shown after it.
    let end: Instant

    /// By node, in the order of their starts.
    func spans() -> [[FaultSpan]] {
        var spans = [[FaultSpan]](repeating: [], count: layout.nodes.count)
        guard !table.isEmpty else { return spans }
        let startUps = StartUps(plan, layout)
        for node in layout.nodes {
            for outage in table.outages[node.index] {
                spans[node.index].append(FaultSpan(.killed, start: outage.from, end: outage.until))
                guard outage.until < .never else { continue }
                let serves = node.role.isWorker ? startUps.end(of: node.index, born: outage.until, table) : outage.until
                if serves > outage.until { spans[node.index].append(FaultSpan(.startUp, start: outage.until, end: serves)) }
                // It may have been ended again meanwhile.
                if table.isUp(node.index, at: serves) { spans[node.index].append(FaultSpan(.back, start: serves, end: serves)) }
            }
            for freeze in table.freezes[node.index] { spans[node.index].append(FaultSpan(.hung, start: freeze.from, end: freeze.until)) }
            for notice in table.notices[node.index] { spans[node.index].append(FaultSpan(.notice, start: notice.at, end: notice.deadline)) }
        }
        for fault in table.faults {
            for node in fault.nodes {
                switch fault.kind {
                case .kill, .preempt, .hang: continue
                case .slow(let factor, _):
                    spans[node].append(FaultSpan(.slow, start: fault.at, end: fault.until, slowdown: FaultTable.thousandths(factor)))
                case .link: spans[node].append(FaultSpan(.link, start: fault.at, end: fault.until))
                case .partition: spans[node].append(FaultSpan(.partition, start: fault.at, end: fault.until))
                }
            }
        }
        for verdict in table.verdicts(plan, layout) {
            spans[verdict.node].append(FaultSpan(verdict.isSilent ? .detected : .back, start: verdict.at, end: verdict.at))
        }
        return spans.map { spans in
            let shown = spans.filter { $0.start <= end }.map { FaultSpan($0.kind, start: $0.start, end: min($0.end, end), slowdown: $0.slowdown) }
            return shown.enumerated().sorted { ($0.element.start, $0.offset) < ($1.element.start, $1.offset) }.map(\.element)
        }
    }
}
