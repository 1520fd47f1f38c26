import Cluster
import Quantities

extension TopologyChecks {
    /// What goes on at a node while its faults are looked at in order of their times.
    private struct NodeState {
        /// Its last absence, and the fault behind it.
        var down = TimeSpan(from: 0, until: 0)
        var cause: PlacedFault?
        /// By kind, until when its last fault of that kind goes on, and that fault.
        var going: [String: (until: Instant, fault: PlacedFault)] = [:]
    }

    /// No fault may hit a process that is not there, or one that the same kind of fault has hit and not left. Warns where a role is gone for good.
    func checkOverlaps(_ events: [PlacedFault], _ layout: ClusterLayout, _ cluster: ClusterPlan) {
        var states = [NodeState](repeating: NodeState(), count: layout.nodes.count)
        var living: [Role: Int] = [:]
        for node in layout.nodes { living[node.role, default: 0] += 1 }
        let order = events.indices.sorted { (events[$0].spec.at, $0) < (events[$1].spec.at, $1) }
        for place in order {
            let event = events[place]
            let kind = event.spec.kind
            // Links may be worse in many ways at once.
            if case .link = kind { continue }
            if case .partition = kind { continue }
            let fault = Fault(event.spec, layout)
            var gone: [Role] = []
            for node in fault.nodes {
                guard !isHit(fault, event, &states[node], layout.nodes[node].name) else { continue }
                guard let start = kind.outage(at: fault.at) else { continue }
                let until = end(of: fault, node, layout, cluster)
                states[node].down = TimeSpan(from: start, until: until)
                states[node].cause = event
                guard until == .never else { continue }
                let role = layout.nodes[node].role
                living[role, default: 0] -= 1
                if living[role] == 0 { gone.append(role) }
            }
            for role in gone { warn(role, event, kind.outage(at: fault.at) ?? fault.at) }
        }
    }

    /// Whether a node cannot be hit by a fault because of an earlier one, after a report.
    private func isHit(_ fault: Fault, _ event: PlacedFault, _ state: inout NodeState, _ name: String) -> Bool {
        let kind = event.spec.kind.name
        let down = state.down
        let ends = event.spec.kind.outage(at: fault.at) != nil
        if let cause = state.cause, fault.at < down.until, ends || fault.at >= down.from {
            let end = down.until == .never ? "for good" : "until \(text(down.until))"
            let how = fault.at < down.from ? "has notice that it will be" : "is"
            report(
                [kind], event,
                "found the fault \(kind) at \(text(fault.at)) for '\(name)', which \(how) down from \(text(down.from)) \(end), expected a node that is "
                    + "there: see \(reading.place(of: cause.mark))")
            return true
        }
        if ends { return false }
        // A process that has ended since is no longer hit.
        if let other = state.going[kind], fault.at < other.until, down.from <= other.fault.spec.at || fault.at < down.from {
            report(
                [kind], event,
                "found the fault \(kind) at \(text(fault.at)) for '\(name)', which a fault of this kind has hit until \(text(other.until)), expected "
                    + "it later: see \(reading.place(of: other.fault.mark))")
            return true
        }
        state.going[kind] = (fault.until, event)
        return false
    }

    /// When a process that a fault has ended is there again: a controller with a standby is back as soon as that has missed it.
    private func end(of fault: Fault, _ node: Int, _ layout: ClusterLayout, _ cluster: ClusterPlan) -> Instant {
        guard node == ClusterLayout.controller, cluster.recovery.hasStandby else { return fault.until }
        var fault = fault
        FaultTable(nodes: layout.nodes.count).takeOver(&fault, cluster)
        return fault.until
    }

    private func warn(_ role: Role, _ event: PlacedFault, _ time: Instant) {
        let what: String
        switch role {
        case .client: return
        case .controller: what = "the controller is gone for good from \(text(time)) on, and no standby takes over"
        default: what = "the last \(role.rawValue) worker is gone for good from \(text(time)) on"
        }
        let path = event.path.map { ["\($0).\(event.spec.kind.name)", $0] }
        reading.warn(
            path.map { reading.mark(at: $0) } ?? event.mark,
            "\(what): requests that need it will be rejected or fail, unless the fault has the key 'restart'")
    }
}

extension FaultKind {
    /// When a fault at a time ends the process, if it does.
    fileprivate func outage(at time: Instant) -> Instant? {
        switch self {
        case .kill: time
        case .preempt(let grace, _): time + grace
        case .hang, .slow, .link, .partition: nil
        }
    }
}
