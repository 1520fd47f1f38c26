import Cluster
import Models
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
    plan.recovery.patience = [100_000_000, 5_000_000_000][random.below(2)]
    plan.recovery.hasStandby = random.below(2) == 0
    plan.recovery.startUp = StartUpPlan(base: time(300_000_000), tier: StorageTier.allCases[random.below(3)])
    return plan
}
