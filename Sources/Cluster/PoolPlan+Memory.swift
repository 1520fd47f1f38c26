import Models
import Quantities

extension PoolPlan {
    /// How the memory of one worker is divided, for a worker that holds its model whole or its share of the stages.
    public var memory: MemoryBudget { memory(weights: nil) }

    fileprivate func memory(weights: ByteCount?) -> MemoryBudget {
        MemoryBudget(
            model: model, device: device, tensorParallel: tensorParallel, pipelineParallel: pipelineParallel,
            utilization: engine.memoryUtilization, cacheMemory: engine.kvMemory, weights: weights)
    }
}

extension ClusterPlan {
    /// How the memory of one worker of a pool is divided: it holds its model whole, or what its part in a mixture asks for.
    public func memory(of pool: PoolPlan) -> MemoryBudget {
        if pool.role == .expert {
            guard let user = pools.first(where: { $0.mixture?.expertPool == pool.name }) else { return pool.memory }
            return pool.memory(weights: pool.model.expertSlotBytes(slotsPerRank(of: user)))
        }
        guard let mixture = pool.mixture else { return pool.memory }
        let experts = mixture.expertPool == nil ? pool.model.expertSlotBytes(slotsPerRank(of: pool)) : 0
        return pool.memory(weights: pool.model.attentionSideBytes + experts)
    }

    /// Nodes that share the experts of a pool with a mixture.
    public func expertRanks(of pool: PoolPlan) -> Int {
        guard let name = pool.mixture?.expertPool else { return pool.count }
        return pools.first { $0.name == name }?.count ?? 1
    }

    /// Experts whose weights each of these nodes holds, in every layer: all of one, and the redundant ones, rounded up.
    public func slotsPerRank(of pool: PoolPlan) -> Int {
        let ranks = max(1, expertRanks(of: pool))
        let slots = (pool.model.experts?.count ?? 0) + (pool.mixture?.balance.redundantExperts ?? 0)
        return (slots + ranks - 1) / ranks
    }
}
