import Cluster
import Quantities

extension TopologyChecks {
    /// A fault with its place: a path in the topology, or a row of a trace.
    struct PlacedFault {
        var spec: FaultSpec
        /// What its keys are under; `nil` for a row of a trace.
        var path: String?
        var mark: Mark
    }

    /// What `recovery` says must leave a dead node time to be noticed.
    func checkRecovery() {
        guard !reading.isBroken("recovery") else { return }
        let recovery = draft.recovery
        if recovery.timeout < recovery.heartbeat {
            reading.report(
                at: ["recovery.timeout", "recovery.heartbeat"],
                "found a timeout of \(text(recovery.timeout)) with a heartbeat every \(text(recovery.heartbeat)), expected no less: every node would "
                    + "count as dead")
        }
    }

    /// The faults with what they hit resolved, and a trace as its events.
    func checkedFaults(_ cluster: ClusterPlan) -> FaultPlan {
        var plan = FaultPlan(events: draft.faults.events, random: draft.faults.random, until: draft.faults.until)
        // What nodes there are is not known from pools with mistakes.
        let isUnknown = ["pools", "defaults", "hosts", "model", "recovery", "faults.events", "faults.random", "faults.trace"].contains(
            where: reading.isBroken)
        let nodes = cluster.pools.reduce(PoolGrammar.reserved.count) { $0 + $1.size }
        guard !isUnknown, nodes <= Limits.nodes else { return plan }
        let layout = ClusterLayout(cluster)
        let names = TargetNames(layout, draft.pools)
        let duration = cluster.workload.duration
        var events = plan.events.enumerated().map { number, spec in
            let path = "faults.events.\(number)"
            return PlacedFault(spec: spec, path: path, mark: reading.mark(at: [path]))
        }
        // What was recorded may be longer than the run.
        let recorded = (draft.faults.trace?.events ?? []).filter { $0.fault.at <= duration ?? .never }
        events += recorded.map { PlacedFault(spec: $0.fault, path: nil, mark: $0.mark) }
        if events.count > FaultGrammar.limit {
            reading.report(
                at: ["faults.trace", "faults.events"], "found \(events.count) faults with those of the trace, expected at most \(FaultGrammar.limit)")
            return plan
        }
        var isRight = true
        for place in events.indices {
            isRight = resolve(&events[place], names, layout) && isRight
            let event = events[place]
            guard event.path != nil, let duration, event.spec.at > duration else { continue }
            report(["at"], event, "found a fault at \(text(event.spec.at)), expected one within the \(text(duration)) of the workload")
        }
        plan.events = events.map(\.spec)
        plan.random = draft.faults.random.enumerated().map { number, random in checked(random, "faults.random.\(number)", names, layout, cluster) }
        if isRight { checkOverlaps(events, layout, cluster) }
        return plan
    }

    /// Resolves what a fault hits; whether every name is known, and no node stands twice.
    private func resolve(_ event: inout PlacedFault, _ names: TargetNames, _ layout: ClusterLayout) -> Bool {
        let key = event.spec.kind.name
        var seen: [Int: String] = [:]
        guard let targets = resolve(event.spec.targets, key, event, names, layout, &seen) else { return false }
        event.spec.targets = targets
        guard let (peersKey, peers) = event.spec.kind.peers else { return true }
        guard let others = resolve(peers, peersKey, event, names, layout, &seen) else { return false }
        event.spec.kind = event.spec.kind.with(peers: others)
        if peers.isEmpty, seen.count == layout.nodes.count {
            report([key], event, "found every node of the cluster, expected one at least on the other side")
            return false
        }
        return true
    }

    /// Resolves one side of a fault. `seen` holds the nodes that stand already, with the target that they stand in.
    private func resolve(
        _ targets: [FaultTarget], _ key: String, _ event: PlacedFault, _ names: TargetNames, _ layout: ClusterLayout, _ seen: inout [Int: String]
    ) -> [FaultTarget]? {
        var resolved: [FaultTarget] = []
        var onHosts: Set<Int> = []
        for (number, target) in targets.enumerated() {
            let keys = ["\(key).\(number)", key]
            guard let known = names.resolve(target.text) else {
                report(keys, event, names.unknown(target.text))
                continue
            }
            var nodes = Fault(FaultSpec(at: 1, kind: .kill(restart: nil), targets: [known]), layout).nodes
            if nodes.isEmpty {
                report(keys, event, "found no worker with a device on \(quoted(known.text)), expected one at least")
                continue
            }
            // A worker may lose several of its hosts.
            if case .host = known, !resolved.contains(known) {
                nodes.removeAll { onHosts.contains($0) }
                onHosts.formUnion(nodes)
            }
            if let twice = nodes.first(where: { seen[$0] != nil }), let other = seen[twice] {
                let name = layout.nodes[twice].name
                let within = other == name ? "" : " in \(quoted(other))"
                report(keys, event, "found the node '\(name)' twice, expected it once: it stands before this\(within)")
                continue
            }
            for node in nodes { seen[node] = known.text }
            resolved.append(known)
        }
        return resolved.count == targets.count ? resolved : nil
    }

    /// Faults at random need nodes, and other sides without them.
    private func checked(_ random: RandomFaults, _ path: String, _ names: TargetNames, _ layout: ClusterLayout, _ cluster: ClusterPlan)
        -> RandomFaults
    {
        let place = PlacedFault(spec: FaultSpec(at: 1, kind: random.kind, targets: []), path: path, mark: reading.mark(at: [path]))
        let own = layout.workers(random.role)
        guard !own.isEmpty else {
            let roles = Role.allCases.filter { role in layout.nodes.contains { $0.role == role } }.map(\.rawValue)
            report([random.kind.name], place, "found the role \(random.role.rawValue), which no node has, expected one of \(listed(roles))")
            return random
        }
        guard let (key, peers) = random.kind.peers else { return random }
        var seen = Dictionary(own.map { ($0.index, random.role.rawValue) }) { first, _ in first }
        guard let others = resolve(peers, key, place, names, layout, &seen) else { return random }
        var random = random
        random.kind = random.kind.with(peers: others)
        return random
    }

    /// Notes a mistake at the first of these keys of a fault that the file gives, or at the fault.
    func report(_ keys: [String], _ event: PlacedFault, _ message: String) {
        guard let path = event.path else { return reading.report(event.mark, message) }
        reading.report(at: keys.map { "\(path).\($0)" } + [path], message)
    }

    func text(_ time: Nanoseconds) -> String { UnitScale.duration.format(time) }
}

extension FaultKind {
    /// The other side, and the key that names it.
    fileprivate var peers: (key: String, targets: [FaultTarget])? {
        switch self {
        case .link(_, let peers, _): ("to", peers)
        case .partition(let peers, _): ("from", peers)
        case .kill, .hang, .slow, .preempt: nil
        }
    }

    fileprivate func with(peers: [FaultTarget]) -> FaultKind {
        switch self {
        case .link(let link, _, let duration): .link(link, peers: peers, duration: duration)
        case .partition(_, let duration): .partition(peers: peers, duration: duration)
        case .kill, .hang, .slow, .preempt: self
        }
    }
}

/// What faults may name.
struct TargetNames {
    private let nodes: Set<String>
    private let hosts: Int
    private let racks: Int
    /// For errors: `decode-0 to decode-7`.
    private let ranges: [String]
    private let all: [String]

    init(_ layout: ClusterLayout, _ pools: [PoolDraft]) {
        let names = layout.nodes.map(\.name)
        nodes = Set(names)
        hosts = layout.hostCount
        racks = layout.rackCount
        func range(_ name: String, _ count: Int) -> String { count == 1 ? "\(name)-0" : "\(name)-0 to \(name)-\(count - 1)" }
        ranges = PoolGrammar.reserved + pools.map { range($0.name, $0.size) } + [range("host", hosts), range("rack", racks)]
        all = names + (0..<hosts).map { "host-\($0)" } + (0..<racks).map { "rack-\($0)" }
    }

    /// What a name means; `nil` when it means nothing. A node that is called like a host comes first.
    func resolve(_ name: String) -> FaultTarget? {
        if nodes.contains(name) { return .node(name) }
        for (prefix, count) in [("host-", hosts), ("rack-", racks)] where name.hasPrefix(prefix) {
            guard let number = Int(name.dropFirst(prefix.count)), (0..<count).contains(number), name == "\(prefix)\(number)" else { continue }
            return prefix == "host-" ? .host(number) : .rack(number)
        }
        return nil
    }

    func unknown(_ name: String) -> String {
        let kind = name.hasPrefix("host-") ? "host" : name.hasPrefix("rack-") ? "rack" : "node"
        return "found no \(kind) \(quoted(name)), expected one of \(listed(ranges))" + suggestion(nearest(name, among: all))
    }
}
