import Models
import Policies

extension ClusterPlan {
    /// What the experts of a pool with a mixture are placed on; `nil` for other pools, and where the pool of expert nodes is missing.
    ///
    /// Ranks count as spread over hosts where those hold equally many; else they all count as on one, for no policy can tell blocks apart.
    public func expertFleet(of pool: PoolPlan, in layout: ClusterLayout) -> ExpertFleet? {
        guard let gang = layout.gangs.first(where: { pools[$0.pool].name == pool.name }), let mixture = pool.mixture else { return nil }
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
            experts: pool.model.experts?.count ?? 0, ranks: gang.experts.count, hosts: isEven ? ranksByHost.count : 1,
            slotsPerRank: slotsPerRank(of: pool), groups: groups)
    }
}
