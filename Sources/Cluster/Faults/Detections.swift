import Quantities

extension FaultTable {
    /// When the failure detector first says of one of the nodes of each fault that it is silent, because of that fault; `nil` where it never does.
    ///
    /// In the order of `faults`. A dead controller is noticed by its standby, which takes over when it has missed it for the time-out.
    public func detections(_ plan: ClusterPlan, _ layout: ClusterLayout) -> [Instant?] {
        let births: [Instant] = [0] + outages[ClusterLayout.controller].map(\.until).filter { $0 < .never }
        let heartbeats = Heartbeats(plan)
        let verdicts = births.flatMap { heartbeats.verdicts(self, layout, born: $0) }.filter(\.isSilent)
        return faults.map { fault in
            if fault.nodes.contains(ClusterLayout.controller), case .kill = fault.kind, plan.recovery.hasStandby {
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
}
