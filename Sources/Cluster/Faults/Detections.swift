import Quantities

extension FaultTable {
    /// When the failure detector first says of one of the nodes of each fault that it is silent, because of that fault; `nil` where it never does.
    ///
    /// In the order of `faults`. A dead controller is noticed by its standby, which takes over when it has missed it for the time-out.
    public func detections(_ plan: ClusterPlan, _ layout: ClusterLayout) -> [Instant?] {
        let verdicts = verdicts(plan, layout).filter(\.isSilent)
        return faults.map { fault in
            if fault.nodes.contains(ClusterLayout.controller), fault.kind.endsProcesses, plan.recovery.hasStandby {
                return fault.until < .never ? fault.until : nil
            }
            let isLink =
                switch fault.kind {
                case .link, .partition: true
                case .kill, .hang, .slow, .preempt: false
                }
            if case .slow = fault.kind { return nil }
            let nodes = isLink ? fault.nodes + fault.peers : fault.nodes
            // Once the node can be heard again, silence has another reason.
            let end = fault.until + min(plan.links.control.latency + plan.recovery.timeout, .never - fault.until)
            return verdicts.filter { $0.at >= fault.at && $0.at <= end && nodes.contains($0.node) }.map(\.at).min()
        }
    }

    /// What the failure detector says, by all incarnations of the controller.
    public func verdicts(_ plan: ClusterPlan, _ layout: ClusterLayout) -> [Heartbeats.Verdict] {
        let births: [Instant] = [0] + outages[ClusterLayout.controller].map(\.until).filter { $0 < .never }
        let heartbeats = Heartbeats(plan)
        return births.flatMap { heartbeats.verdicts(self, layout, born: $0) }
    }
}

extension FaultKind {
    /// Whether processes end by it.
    public var endsProcesses: Bool { outage(at: 0) != nil }

    /// When a fault at a time ends processes, if it does.
    public func outage(at time: Instant) -> Instant? {
        switch self {
        case .kill: time
        case .preempt(let grace, _): time + grace
        case .hang, .slow, .link, .partition: nil
        }
    }
}
