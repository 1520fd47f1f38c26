import Cluster
import Models
import Policies
import Quantities

/// Faults drawn at random for a plan, the same for the same number: every kind, on nodes of every role, in the first seconds of the run.
public func generatedFaults(_ number: UInt64, for plan: ClusterPlan, span: Nanoseconds = 3_000_000_000) -> ClusterPlan {
    var plan = plan
    var random = RandomStream(seed: number, stream: 91)
    let layout = ClusterLayout(plan)
    func time(_ limit: Nanoseconds) -> Nanoseconds { 1 + Nanoseconds(random.below(Int(limit))) }
    func node() -> FaultTarget { .node(layout.nodes[random.below(layout.nodes.count)].name) }
    func kind() -> FaultKind {
        let restart: Nanoseconds? = random.below(3) == 0 ? nil : time(2_000_000_000)
        switch random.below(8) {
        case 0, 1, 2: return .kill(restart: restart)
        case 3: return .hang(time(2_000_000_000))
        case 4: return .slow(factor: 1 + random.unit() * 4, duration: time(2_000_000_000))
        case 5: return .preempt(grace: time(1_000_000_000), restart: restart)
        case 6:
            return .link(
                LinkFault(
                    latency: Nanoseconds(random.below(3)) * 5_000_000, bandwidth: random.below(2) == 0 ? 1 : 0.1,
                    loss: random.below(2) == 0 ? 0 : 0.3,
                    retransmission: 50_000_000), peers: random.below(2) == 0 ? [] : [node()], duration: time(2_000_000_000))
        default: return .partition(peers: random.below(2) == 0 ? [] : [node()], duration: time(2_000_000_000))
        }
    }
    plan.faults.events = (0..<(1 + random.below(4))).map { _ in
        let target = random.below(6) == 0 ? FaultTarget.host(0) : node()
        return FaultSpec(at: time(span), kind: kind(), targets: [target])
    }
    plan.faults.until = span
    plan.recovery.timeout = [50_000_000, 300_000_000, 1_000_000_000][random.below(3)]
    plan.recovery.heartbeat = [10_000_000, 50_000_000][random.below(2)]
    plan.recovery.retries = random.below(4)
    var extra = RandomStream(seed: number, stream: 92)
    // Ranks keep their caches.
    let copies = layout.gangs.isEmpty ? 3 : 2
    plan.recovery.policy =
        [
            PolicyChoice("recompute"), PolicyChoice("token-migration"),
            PolicyChoice("kv-replica", parameters: ["interval": Double(1 + extra.below(80))]),
        ][extra.below(copies)]
    plan.recovery.patience = [100_000_000, 5_000_000_000][random.below(2)]
    plan.recovery.hasStandby = random.below(2) == 0
    plan.recovery.startUp = StartUpPlan(base: time(300_000_000), tier: StorageTier.allCases[random.below(3)])
    return plan
}

/// Workers that come and go in such a plan: another policy for what happens between notices and ends, more notices, and workers that rest until a scaling
/// policy has them serve. Gangs stay as they are.
public func withDepartures(_ number: UInt64, _ plan: ClusterPlan, span: Nanoseconds = 3_000_000_000) -> ClusterPlan {
    var plan = plan
    var random = RandomStream(seed: number, stream: 92)
    let preemptions = PreemptionRegistry.descriptions.map { PolicyChoice($0.name) }
    plan.recovery.preemption = preemptions[Int(number % UInt64(preemptions.count))]
    if plan.recovery.preemption.name == "spotserve" { plan.recovery.preemption.parameters["matching"] = Double(random.below(3)) }
    if random.below(2) == 0, plan.pools.allSatisfy({ $0.mixture == nil }) {
        let scalings = ScalingRegistry.descriptions.map { PolicyChoice($0.name) }
        plan.controller.scaling = scalings[random.below(scalings.count)]
        if plan.controller.scaling.name != "none" { plan.controller.scaling.parameters["hold"] = [0, 0.2][random.below(2)] }
        if plan.controller.scaling.name == "threshold" { plan.controller.scaling.parameters["up"] = 2 }
        if plan.controller.scaling.name == "threshold" { plan.controller.scaling.parameters["down"] = 1 }
        for place in plan.pools.indices { plan.pools[place].most = plan.pools[place].count + random.below(3) }
    }
    // Workers that leave give their requests up by other means.
    plan.controller.migration = PolicyChoice("none")
    if plan.copiesCaches { plan.recovery.policy = PolicyChoice("token-migration") }
    let workers = ClusterLayout(plan).nodes.filter(\.role.isWorker)
    for _ in 0..<random.below(4) {
        let worker = workers[random.below(workers.count)]
        let grace = 1 + Nanoseconds(random.below(1_500_000_000))
        let restart: Nanoseconds? = random.below(3) == 0 ? nil : 1 + Nanoseconds(random.below(1_000_000_000))
        plan.faults.events.append(
            FaultSpec(at: 1 + Nanoseconds(random.below(Int(span))), kind: .preempt(grace: grace, restart: restart), targets: [.node(worker.name)]))
    }
    return plan
}
