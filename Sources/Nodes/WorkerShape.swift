import Cluster
import Models
import Quantities

/// What a worker's engine is made of: the plan of its pool, turned into blocks, times and bytes.
public struct WorkerShape: Sendable {
    public let engine: EnginePlan
    public let cost: CostModel
    public let model: ModelShape
    /// Pipeline stages.
    public let stages: Int
    /// Transformer layers.
    public let layers: Int
    /// Cache blocks.
    public let blocks: Int64
    /// Longest prompt plus output in tokens.
    public let lengthLimit: Int

    /// Never fails: a plan is checked when it is read; one whose model does not fit has no blocks and rejects every request.
    public init(_ pool: PoolPlan, of plan: ClusterPlan) {
        engine = pool.engine
        model = pool.model
        stages = pool.pipelineParallel
        layers = pool.model.layers
        cost = CostModel(
            model: pool.model, device: pool.device, tensorParallel: pool.tensorParallel, pipelineParallel: pool.pipelineParallel,
            table: pool.measuredTable)
        blocks = plan.memory(of: pool).cacheBlocks(of: pool.engine.blockSize)
        let held = Int(clamping: blocks) * pool.engine.blockSize
        lengthLimit = min(pool.engine.maxModelLength ?? pool.model.contextLimit, held)
    }

    /// Bytes of the cache of `tokens` tokens.
    func cacheBytes(_ tokens: Int32) -> ByteCount { model.cacheBytes(context: Int64(tokens)) }
}

extension NodeHost {
    /// No iteration of a pool's workers is shorter.
    public static func leastIteration(of place: Int, _ plan: ClusterPlan, _ layout: ClusterLayout) -> Nanoseconds {
        let pool = plan.pools[place]
        if pool.mixture != nil, let gang = layout.gangs.first(where: { $0.pool == place }) {
            return GangShape(gang, plan: plan, layout: layout)?.leastIteration ?? 1
        }
        return CostModel(
            model: pool.model, device: pool.device, tensorParallel: pool.tensorParallel, pipelineParallel: pool.pipelineParallel,
            table: pool.measuredTable
        ).minimumIterationTime
    }
}
