import Models
import Policies

extension ClusterPlan {
    /// What the experts of a pool with a mixture are placed on; `nil` for other pools, and where the pool of expert nodes is missing.
    ///
    /// Ranks count as spread over hosts where those hold equally many; else they all count as on one, for no policy can tell blocks apart.
    public func expertFleet(of pool: PoolPlan, in layout: ClusterLayout) -> ExpertFleet? {
        layout.gangs.first { pools[$0.pool].name == pool.name }.flatMap { expertFleet(of: $0, in: layout) }
    }

    /// What the experts of a gang are placed on. One that has lost ranks has more experts on each of those that are left, as far as the spare places
    /// do not hold them.
    public func expertFleet(of gang: Gang, in layout: ClusterLayout) -> ExpertFleet? {
        let pool = pools[gang.pool]
        guard let mixture = pool.mixture, !gang.experts.isEmpty else { return nil }
        let experts = pool.model.experts?.count ?? 0
        var ranksByHost: [Int] = []
        var last: Int?
        for node in gang.experts {
            if layout.nodes[node].host != last { ranksByHost.append(0) }
            ranksByHost[ranksByHost.count - 1] += 1
            last = layout.nodes[node].host
        }
        let isEven = ranksByHost.allSatisfy { $0 == ranksByHost.first }
        let groups: Int
        if case .groups(let count, _) = mixture.gate.selection { groups = count } else { groups = 1 }
        return ExpertFleet(
            experts: experts, ranks: gang.experts.count, hosts: isEven ? ranksByHost.count : 1,
            slotsPerRank: max(slotsPerRank(of: pool), (experts + gang.experts.count - 1) / gang.experts.count), groups: groups)
    }
}

extension ClusterPlan {
    /// Whether a worker rests from the start.
    public func isSpare(_ node: NodePlan) -> Bool { node.pool.map { node.ordinal >= pools[$0].count } ?? false }

    /// Whether workers may leave or rest while others go on: they say so, and requests are given up.
    public var workersLeave: Bool { PreemptionRegistry.announces(recovery.preemption) || pools.contains { $0.size > $0.count } }
}
