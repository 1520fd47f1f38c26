import Cluster
import Quantities

extension TopologyChecks {
    /// An absence of a node, and the fault behind it.
    private struct Absence {
        var span: TimeSpan
        /// The node's hosts that are lost.
        var hosts: Set<Int>
        var cause: PlacedFault
    }

    /// Reports faults that contradict those before them at the same node, in the order of their times: what would hit a process that is not there, a
    /// second notice, and an end for good where another fault says when the node is back. Other faults may overlap, for what they come to together is
    /// plain: a node is down until the last of them is over, stopped as long as one stops it, as slow as the slowest makes it. So a host or a rack may
    /// be hit though some of its nodes are down. Warns where a role is gone for good.
    func checkOverlaps(_ events: [PlacedFault], _ layout: ClusterLayout, _ cluster: ClusterPlan) {
        var absences = [[Absence]](repeating: [], count: layout.nodes.count)
        var isGone = [Bool](repeating: false, count: layout.nodes.count)
        var living: [Role: Int] = [:]
        for node in layout.nodes { living[node.role, default: 0] += 1 }
        let order = events.indices.sorted { (events[$0].spec.at, $0) < (events[$1].spec.at, $1) }
        for place in order {
            let event = events[place]
            let fault = Fault(event.spec, layout)
            // What has no effect on one node of a group has one on the others.
            for node in fault.nodes { absences[node].removeAll { $0.span.until <= fault.at } }
            guard !reportConflicts(fault, event, absences, layout, cluster), let start = event.spec.kind.outage(at: fault.at) else { continue }
            var gone: [Role] = []
            for node in fault.nodes {
                let until = end(of: fault, node, layout, cluster)
                let hosts = Set(layout.nodes[node].hosts).intersection(fault.hosts)
                if until > start { absences[node].append(Absence(span: TimeSpan(from: start, until: until), hosts: hosts, cause: event)) }
                guard until == .never, !isGone[node] else { continue }
                isGone[node] = true
                let role = layout.nodes[node].role
                living[role, default: 0] -= 1
                if living[role] == 0 { gone.append(role) }
            }
            for role in gone { warn(role, event, start) }
        }
    }

    /// Reports the first target of a fault that earlier faults leave nothing to hit at; whether there is one.
    private func reportConflicts(
        _ fault: Fault, _ event: PlacedFault, _ absences: [[Absence]], _ layout: ClusterLayout, _ cluster: ClusterPlan
    ) -> Bool {
        for target in event.spec.targets {
            let nodes = Fault(FaultSpec(at: fault.at, kind: event.spec.kind, targets: [target]), layout).nodes
            let conflicts = nodes.compactMap { node in
                // Of a worker over several hosts another one may be lost.
                let hosts = Set(layout.nodes[node].hosts).intersection(fault.hosts)
                let isWhole = target.isNode || !event.spec.kind.endsProcesses
                let before = absences[node].filter { isWhole || $0.hosts.isSuperset(of: hosts) }
                return conflict(fault, before, isForGood: end(of: fault, node, layout, cluster) == .never).map { (node, $0) }
            }
            // A group is hit where one of its nodes is; but nobody is both gone for good and back.
            let isHit = conflicts.count < nodes.count && !conflicts.contains { $0.1.isContradiction }
            guard !isHit, let (node, found) = conflicts.first(where: { $0.1.isContradiction }) ?? conflicts.first else { continue }
            let (absence, isContradiction) = found
            let (name, kind) = (layout.nodes[node].name, event.spec.kind.name)
            let span = absence.span.until == .never ? "for good" : "until \(text(absence.span.until))"
            let how = fault.at < absence.span.from ? "has notice that it will be" : "is"
            let wanted = isContradiction ? "the key 'restart', for it cannot be gone for good and back" : "a node that is there"
            report(
                [kind], event,
                "found the fault \(kind) at \(text(fault.at)) for '\(name)', which \(how) down from \(text(absence.span.from)) \(span), expected "
                    + "\(wanted): see \(reading.place(of: absence.cause.mark))")
            return true
        }
        return false
    }

    /// The absence of a node that leaves a fault nothing to do there, and whether the two say different things of when the node is back.
    private func conflict(_ fault: Fault, _ absences: [Absence], isForGood: Bool) -> (absence: Absence, isContradiction: Bool)? {
        let present = absences.filter { $0.span.contains(fault.at) }.max { $0.span.until < $1.span.until }
        let announced = absences.first { fault.at < $0.span.from }
        switch fault.kind {
        case .link, .partition: return nil
        case .hang: return present.map { ($0, false) }
        // The machine is slow whatever runs on it: a process that begins while it is feels it.
        case .slow: return present.flatMap { $0.span.until >= fault.until ? ($0, false) : nil }
        case .preempt: return (present ?? announced).map { ($0, false) }
        case .kill:
            if let present { return (present, false) }
            // An instance may be lost before its time, and what begins there until then is taken away with it.
            guard let announced, isForGood, announced.span.until < .never else { return nil }
            return (announced, true)
        }
    }

    /// When a process that a fault has ended is there again: a controller with a standby is back when that takes over.
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

extension FaultTarget {
    fileprivate var isNode: Bool { if case .node = self { true } else { false } }
}
