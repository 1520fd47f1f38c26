import Cluster
import Models
import Quantities
import Workload

extension TopologyChecks {
    /// The keys that a worker's memory depends on.
    private static let keys = ["model", "device", "tensor-parallel", "pipeline-parallel", "engine"]

    /// Weights, reserve and cache must fit into a pool's devices.
    func checkMemory(_ plan: PoolPlan, _ pool: PoolDraft) {
        guard !isBroken(Self.keys, of: pool) else { return }
        let budget = plan.memory
        let places = ["engine.kv-memory", "engine.memory-utilization", "device", "model", "tensor-parallel"]
        let weights = "\(Self.text(budget.weightsPerDevice)) of weights and \(Self.text(budget.reservePerDevice)) of reserve on each device"
        guard budget.fits else {
            let cache = plan.engine.kvMemory.map { ", and \(Self.text($0 / Int64(budget.devices))) of cache" } ?? ""
            let share = plan.engine.kvMemory == nil ? " at memory-utilization \(plainText(plan.engine.memoryUtilization))" : ""
            report(
                plan.engine.kvMemory == nil ? Array(places.dropFirst()) : places, of: pool,
                "the model \(plan.model.name) does not fit in the pool '\(pool.name)': found \(weights)\(cache), expected at most "
                    + "\(Self.text(budget.limitPerDevice)) on \(plan.device.name)\(share)" + remedy(plan))
            return
        }
        guard budget.cacheBlocks(of: plan.engine.blockSize) > 0 else {
            report(
                ["engine.kv-memory", "engine.block-size", "engine"], of: pool,
                "the cache of the pool '\(pool.name)' holds no block: found \(Self.text(budget.cachePerWorker)) for blocks of \(plan.engine.blockSize) tokens, "
                    + "expected room for at least one")
            return
        }
        checkLengths(plan, pool)
        if plan.engine.maxBatch > plan.engine.tokenBudget {
            report(
                ["engine.max-batch", "engine.token-budget"], of: pool,
                "found max-batch \(plan.engine.maxBatch) above token-budget \(plan.engine.tokenBudget), expected a token for each request at least")
        }
    }

    /// The smallest tensor parallelism that would do, when one does.
    private func remedy(_ plan: PoolPlan) -> String {
        guard plan.engine.kvMemory == nil else { return "" }
        for factor in [2, 4, 8, 16] {
            var larger = plan
            larger.tensorParallel = factor
            guard factor > plan.tensorParallel, plan.model.queryHeads.isMultiple(of: factor), larger.memory.fits else { continue }
            return "; it fits with tensor-parallel \(factor)"
        }
        return ""
    }

    /// A pool must accept some request, and no longer ones than the model was made for.
    private func checkLengths(_ plan: PoolPlan, _ pool: PoolDraft) {
        let model = plan.model
        if let limit = plan.engine.maxModelLength, limit > model.contextLimit {
            report(
                ["engine.max-model-length"], of: pool,
                "found max-model-length \(limit), expected at most the context limit \(model.contextLimit) of \(model.name)")
        }
        let product = plan.memory.cacheBlocks(of: plan.engine.blockSize).multipliedReportingOverflow(by: Int64(plan.engine.blockSize))
        let held = product.overflow ? .max : Int(clamping: product.partialValue)
        if let limit = plan.engine.maxModelLength, limit > held {
            report(
                ["engine.max-model-length"], of: pool,
                "found max-model-length \(limit), expected at most the \(held) tokens that the cache of the pool '\(pool.name)' holds")
        }
        guard let workload = draft.workload.plan, !reading.isBroken("workload") else { return }
        if case .trace = workload.arrivals { return }
        let limit = min(plan.engine.maxModelLength ?? model.contextLimit, held)
        let shortest = workload.promptTokens.shortest(scale: workload.promptScale) + workload.outputTokens.shortest(scale: workload.outputScale)
        guard shortest > limit else { return }
        reading.report(
            at: ["workload.prompt-tokens", "workload.output-tokens", "workload"],
            "found requests of at least \(shortest) tokens, expected some of at most \(limit): the pool '\(pool.name)' accepts no longer ones")
    }

    /// A size for people: whole, or with one decimal.
    private static func text(_ bytes: ByteCount) -> String {
        let gigabyte: ByteCount = 1_000_000_000
        guard bytes >= gigabyte else { return UnitScale.bytes.format(bytes) }
        return UnitScale.bytes.format((bytes + 50_000_000) / 100_000_000 * 100_000_000)
    }
}

extension LengthDistribution {
    /// The shortest length that can be drawn, in tokens, scaled.
    fileprivate func shortest(scale: Double) -> Int {
        let length =
            switch self {
            case .fixed(let tokens): tokens
            case .uniform(let from, _): from
            case .logNormal: 1
            case .empirical(let lengths): lengths.map(\.tokens).min() ?? 1
            }
        return Int(max(1, min((Double(length) * scale).rounded(.toNearestOrAwayFromZero), 10_000_000)))
    }
}
