import Quantities

extension FaultTable {
    /// The table of a plan: its events, and its random faults drawn by the run's seed. Targets that name no node hit nothing; a checked plan has
    /// none.
    public convenience init(_ plan: ClusterPlan, _ layout: ClusterLayout) {
        self.init(nodes: layout.nodes.count)
        var found: [Fault] = plan.faults.events.map { Fault($0, layout) }
        let horizon = plan.faults.until ?? plan.workload.duration ?? 3_600_000_000_000
        for (number, random) in plan.faults.random.enumerated() {
            for node in layout.nodes where node.role == random.role {
                var stream = RandomStream(seed: plan.seed, stream: RandomPurpose.faults(of: node.index, number))
                var time = random.interval(&stream)
                while time < horizon {
                    let fault = Fault(FaultSpec(at: time, kind: random.kind, targets: [.node(node.name)]), layout)
                    found.append(fault)
                    guard fault.until < .never else { break }
                    time = fault.until + random.interval(&stream)
                }
            }
        }
        // Stable: faults of one time in the order of the plan.
        let order = found.indices.sorted { (found[$0].at, $0) < (found[$1].at, $1) }
        for place in order {
            var fault = found[place]
            if plan.recovery.hasStandby, fault.nodes.contains(ClusterLayout.controller) { takeOver(&fault, plan) } else { add(fault) }
        }
    }

    /// A controller with a standby is back, as another process, when the standby has missed it for the time-out; or, when it was given notice and the
    /// standby with it, as soon as word of its end can be there.
    public func takeOver(_ fault: inout Fault, _ plan: ClusterPlan) {
        let latency = plan.links.control.latency
        let back: Instant
        switch fault.kind {
        case .kill: back = fault.at / plan.recovery.heartbeat * plan.recovery.heartbeat + latency + plan.recovery.timeout
        case .preempt(let grace, _): back = fault.at + grace + latency
        case .hang, .slow, .link, .partition: return add(fault)
        }
        let others = fault.nodes.filter { $0 != ClusterLayout.controller }
        if !others.isEmpty {
            var rest = fault
            rest.nodes = others
            add(rest)
        }
        fault.nodes = [ClusterLayout.controller]
        // While one takes over nobody is there to be hit.
        guard isUp(ClusterLayout.controller, at: fault.at) else { return list(fault) }
        fault.until = min(fault.until, back)
        add(fault)
    }
}

extension Fault {
    /// A fault with its nodes' indices.
    public init(_ spec: FaultSpec, _ layout: ClusterLayout) {
        let nodes = Self.nodes(spec.targets, layout)
        let hosts = Self.hosts(spec.targets, layout)
        func others(_ peers: [FaultTarget]) -> [Int] {
            peers.isEmpty ? layout.nodes.indices.filter { !nodes.contains($0) } : Self.nodes(peers, layout)
        }
        func later(_ time: Nanoseconds?) -> Instant { time.map { spec.at + min($0, .never - spec.at) } ?? .never }
        switch spec.kind {
        case .kill(let restart): self.init(at: spec.at, until: later(restart), kind: spec.kind, nodes: nodes, hosts: hosts)
        case .preempt(let grace, let restart):
            self.init(at: spec.at, until: later(restart.map { grace + $0 }), kind: spec.kind, nodes: nodes, hosts: hosts)
        case .hang(let duration), .slow(_, let duration): self.init(at: spec.at, until: later(duration), kind: spec.kind, nodes: nodes)
        case .link(_, let peers, let duration), .partition(let peers, let duration):
            self.init(at: spec.at, until: later(duration), kind: spec.kind, nodes: nodes, peers: others(peers))
        }
    }

    private static func nodes(_ targets: [FaultTarget], _ layout: ClusterLayout) -> [Int] {
        layout.nodes.indices.filter { index in
            let node = layout.nodes[index]
            return targets.contains { target in
                switch target {
                case .node(let name): node.name == name
                case .host(let host): node.hosts.contains(host)
                case .rack(let rack): node.hosts.overlaps(layout.hosts(ofRack: rack))
                }
            }
        }
    }

    /// The hosts that targets stand for: those of a node are all lost with it.
    private static func hosts(_ targets: [FaultTarget], _ layout: ClusterLayout) -> [Int] {
        targets.flatMap { target in
            switch target {
            case .node(let name): layout.nodes.first { $0.name == name }.map { Array($0.hosts) } ?? []
            case .host(let host): [host]
            case .rack(let rack): Array(layout.hosts(ofRack: rack))
            }
        }
    }
}

extension RandomFaults {
    /// A time between two faults. Weibull with the given shape, by inversion, scaled to the mean time: mean = scale * Gamma(1 + 1/shape).
    func interval(_ stream: inout RandomStream) -> Nanoseconds {
        let exponent = 1 / shape
        let draw = -naturalLog(stream.positiveUnit())
        let power = draw <= 0 ? 0 : exponential(exponent * naturalLog(draw))
        let time = Double(meanTime) * power / gamma(1 + exponent)
        return max(1, Nanoseconds(min(time, 4e18)))
    }

    /// The gamma function for x >= 1: Stirling's series (Abramowitz and Stegun 6.1.40) at x + 8, brought back by the recurrence.
    private func gamma(_ x: Double) -> Double {
        var product = 1.0
        var y = x
        while y < 8 {
            product *= y
            y += 1
        }
        let inverse = 1 / y
        let series = inverse / 12 - inverse * inverse * inverse / 360 + inverse * inverse * inverse * inverse * inverse / 1260
        return exponential((y - 0.5) * naturalLog(y) - y + 0.918_938_533_204_672_8 + series) / product
    }
}
