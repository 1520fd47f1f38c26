import Cluster
import Models
import Policies
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

    /// What a controller knows of a worker of this shape, see `WorkerTraits`.
    func traits(of node: Int32, _ duty: Duty) -> WorkerTraits {
        let prompt: Int64 = 1024
        var chunk = BatchShape()
        chunk.addPrefill(tokens: prompt, context: 0)
        let batch = Int64(min(engine.maxBatch, 32))
        let context = blocks.multipliedReportingOverflow(by: Int64(engine.blockSize))
        let round = BatchShape(
            prefillTokens: 0, prefillPairs: 0, prefillRequests: 0, decodeRequests: batch,
            decodeContext: context.overflow ? 0 : context.partialValue / 2)
        let promptTime = max(cost.iterationTime(chunk), 1)
        let roundTime = max(cost.iterationTime(round), 1)
        return WorkerTraits(
            node: node, prefills: duty != .decode, decodes: duty != .prefill, places: Int64(engine.maxBatch),
            prefillRate: max(1, prompt * 1_000_000_000 / promptTime), decodeRate: max(1, batch * 1_000_000_000 / roundTime), roundTime: roundTime)
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
