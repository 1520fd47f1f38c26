import Quantities

/// What the controller's failure detector says, and when.
///
/// Every node sends the controller a beat each interval, and counts as dead when none has come for the time-out. A beat that comes in time changes
/// nothing, so beats are not sent one by one: from the table of faults follows which of them would be missing, and when that is noticed. So
/// they cost nothing, and their times are those that single messages of no length would have.
public struct Heartbeats {
    /// Of one node.
    public struct Verdict: Sendable, Equatable {
        public var at: Instant
        public var node: Int
        /// Whether the node counts as dead from now on; otherwise it has been heard again, though it counts as dead.
        public var isSilent: Bool

        public init(at: Instant, node: Int, isSilent: Bool) {
            self.at = at
            self.node = node
            self.isSilent = isSilent
        }
    }

    private let interval: Nanoseconds
    private let timeout: Nanoseconds
    private let latency: Nanoseconds

    public init(_ plan: ClusterPlan) {
        interval = max(1, plan.recovery.heartbeat)
        timeout = plan.recovery.timeout
        latency = plan.links.control.latency
    }

    /// The verdicts on the workers by a controller born at `born`, in order of time, then node.
    public func verdicts(_ table: FaultTable, _ layout: ClusterLayout, born: Instant) -> [Verdict] {
        guard !table.isEmpty else { return [] }
        var found: [Verdict] = []
        let death = table.death(of: ClusterLayout.controller, after: born)
        for node in layout.nodes where node.role.isWorker {
            for (span, isOutage) in table.silences(of: node.index, at: ClusterLayout.controller) where span.until > born {
                // The last beat before: at a multiple of the interval, or at birth.
                let last = (span.from - 1) / interval * interval + latency
                let silent = thaw(table, max(last, born) + timeout)
                let heard = span.until < .never ? span.until + latency : .never
                guard silent < heard, silent < death else { continue }
                found.append(Verdict(at: silent, node: node.index, isSilent: true))
                // A new process speaks for itself.
                if heard < death, !isOutage { found.append(Verdict(at: thaw(table, heard), node: node.index, isSilent: false)) }
            }
        }
        return found.sorted { ($0.at, $0.node, $0.isSilent ? 0 : 1) < ($1.at, $1.node, $1.isSilent ? 0 : 1) }
    }

    /// A controller that stands still notices later.
    private func thaw(_ table: FaultTable, _ time: Instant) -> Instant { table.thaw(ClusterLayout.controller, time) }
}
