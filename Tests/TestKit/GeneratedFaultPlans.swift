import Cluster
import Policies
import Quantities

/// Fault plans drawn at random, the same for the same number, whose faults hit nodes that are there: each begins after those before it are over.
public func generatedFaultPlan(_ number: UInt64, for plan: ClusterPlan) -> FaultPlan {
    var random = RandomStream(seed: number, stream: 80)
    let layout = ClusterLayout(plan)
    let workers = layout.nodes.filter(\.role.isWorker)
    func time() -> Nanoseconds { Int64(1 + random.below(5_000_000)) * [1, 1_000, 1_000_000][random.below(3)] }
    func side(_ part: (Int) -> Bool) -> [FaultTarget] { layout.nodes.filter { part($0.index) }.map { .node($0.name) } }
    func peers(_ targets: [FaultTarget]) -> [FaultTarget] {
        guard random.below(2) == 0 else { return [] }
        let hit = Fault(FaultSpec(at: 1, kind: .hang(1), targets: targets), layout).nodes
        return side { !hit.contains($0) && $0 % 2 == hit[0] % 2 }
    }
    func kind(_ targets: [FaultTarget], restart: Nanoseconds?) -> FaultKind {
        let factor = 1 + random.unit() * 9
        let link = LinkFault(latency: time() / 1_000, bandwidth: 1 - random.unit(), loss: random.unit(), retransmission: time() / 1_000 + 1)
        switch random.below(6) {
        case 0: return .kill(restart: restart)
        case 1: return .hang(time())
        case 2: return .slow(factor: factor, duration: time())
        case 3: return .preempt(grace: time(), restart: restart)
        case 4: return .link(link, peers: peers(targets), duration: time())
        default: return .partition(peers: peers(targets), duration: time())
        }
    }
    func targets() -> [FaultTarget] {
        switch random.below(6) {
        case 0: return [.host(workers[random.below(workers.count)].host)]
        case 1: return [.rack(workers[random.below(workers.count)].rack)]
        case 2: return [.node(["client", "controller"][random.below(2)])]
        case 3:
            let odd = random.below(2)
            return side { $0 % 2 == odd }
        default: return [.node(workers[random.below(workers.count)].name)]
        }
    }
    var faults = FaultPlan()
    var now: Instant = 0
    for _ in 0..<random.below(12) {
        let hit = targets()
        now += time()
        let spec = FaultSpec(at: now, kind: kind(hit, restart: time()), targets: hit)
        faults.events.append(spec)
        now = Fault(spec, layout).until
    }
    // Nothing comes after what is for good.
    if random.below(2) == 0 { faults.events.append(FaultSpec(at: now + time(), kind: .kill(restart: nil), targets: targets())) }
    for _ in 0..<random.below(4) {
        let role = layout.nodes[random.below(layout.nodes.count)].role
        let own = layout.workers(role).map { FaultTarget.node($0.name) }
        let restart = random.below(2) == 0 ? nil : time()
        faults.random.append(
            RandomFaults(
                role: role, kind: kind(own, restart: restart), meanTime: time() + 1_000, shape: random.below(2) == 0 ? 1 : 0.1 + random.unit()))
    }
    if random.below(2) == 0 { faults.until = time() }
    return faults
}

/// Recovery plans drawn at random, the same for the same number.
public func generatedRecovery(_ number: UInt64) -> RecoveryPlan {
    var random = RandomStream(seed: number, stream: 81)
    func time() -> Nanoseconds { Int64(1 + random.below(5_000)) * [1_000, 1_000_000][random.below(2)] }
    let heartbeat = time()
    return RecoveryPlan(
        policy: [PolicyChoice("recompute"), PolicyChoice("token-migration"), PolicyChoice("kv-replica", parameters: ["interval": 7])][
            random.below(3)],
        heartbeat: heartbeat, timeout: heartbeat + time(), retries: random.below(10), patience: time(), hasStandby: random.below(2) == 0,
        startUp: StartUpPlan(
            base: time(), tier: StorageTier.allCases[random.below(3)],
            bandwidth: random.below(2) == 0 ? nil : 1_000 + Int64(random.below(1_000_000_000))))
}
