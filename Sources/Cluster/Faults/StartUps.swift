import Models
import Quantities

/// How long new processes of workers take until they serve.
///
/// The process and its runtime start (`base`); then it loads its weights from the host's storage tier, one process of a host after the other, in the
/// order of their births (ServerlessLLM's estimate: what waits there already, then bytes over the tier's bandwidth).
public struct StartUps {
    private let plan: ClusterPlan
    private let layout: ClusterLayout

    public init(_ plan: ClusterPlan, _ layout: ClusterLayout) {
        self.plan = plan
        self.layout = layout
    }

    /// Bytes of weights that a worker loads.
    public func weights(of node: Int) -> ByteCount {
        guard let pool = layout.nodes[node].pool.map({ plan.pools[$0] }) else { return 0 }
        return plan.memory(of: pool).weightsPerDevice * ByteCount(pool.devices)
    }

    /// When a process that was born at a time serves.
    public func end(of node: Int, born: Instant, _ table: FaultTable) -> Instant {
        let host = layout.nodes[node].host
        var births: [(born: Instant, node: Int)] = []
        for other in layout.nodes where other.host == host && other.role.isWorker {
            births += table.outages[other.index].compactMap { $0.until <= born ? ($0.until, other.index) : nil }
        }
        births.sort { ($0.born, $0.node) < ($1.born, $1.node) }
        var free: Instant = 0
        var end = born + plan.recovery.startUp.base + plan.recovery.startUp.loading(weights(of: node))
        for birth in births where (birth.born, birth.node) <= (born, node) {
            free = max(free, birth.born + plan.recovery.startUp.base) + plan.recovery.startUp.loading(weights(of: birth.node))
            if birth.born == born, birth.node == node { end = free }
        }
        return end
    }
}
