import Cluster
import Models
import Quantities
import Workload

extension TopologyChecks {
    /// The keys that a worker's memory depends on.
    private static let keys = ["model", "device", "tensor-parallel", "pipeline-parallel", "engine"]

    /// Weights, reserve and cache must fit into a pool's devices.
    func checkMemory(_ plan: PoolPlan, _ pool: PoolDraft, in cluster: ClusterPlan) {
        guard !isBroken(Self.keys, of: pool), let (holder, places) = holder(of: plan, pool, in: cluster) else { return }
        let budget = cluster.memory(of: plan)
        guard budget.fits else {
            let slots = holder.map { heldExperts(by: plan, for: $0, in: cluster) } ?? ""
            let weights =
                "\(Self.text(budget.weightsPerDevice)) of weights\(slots) and \(Self.text(budget.reservePerDevice)) of reserve on each device"
            let cache = plan.engine.kvMemory.map { ", and \(Self.text($0 / Int64(budget.devices))) of cache" } ?? ""
            let share = plan.engine.kvMemory == nil ? " at memory-utilization \(plainText(plan.engine.memoryUtilization))" : ""
            report(
                (plan.engine.kvMemory == nil ? [] : ["engine.kv-memory"]) + places, of: pool,
                "the model \(plan.model.name) does not fit in the pool '\(pool.name)': found \(weights)\(cache), expected at most "
                    + "\(Self.text(budget.limitPerDevice)) on \(plan.device.name)\(share)" + remedy(plan, holder, in: cluster))
            return
        }
        // Expert nodes have no cache and no requests of their own.
        if plan.role == .expert { return }
        guard budget.cacheBlocks(of: plan.engine.blockSize) > 0 else {
            report(
                ["engine.kv-memory", "engine.block-size", "engine"], of: pool,
                "the cache of the pool '\(pool.name)' holds no block: found \(Self.text(budget.cachePerWorker)) for blocks of \(plan.engine.blockSize) tokens, "
                    + "expected room for at least one")
            return
        }
        checkLengths(plan, pool, budget)
        if plan.engine.maxBatch > plan.engine.tokenBudget {
            report(
                ["engine.max-batch", "engine.token-budget"], of: pool,
                "found max-batch \(plan.engine.maxBatch) above token-budget \(plan.engine.tokenBudget), expected a token for each request at least")
        }
    }

    /// The pool whose mixture says which experts the pool's workers hold, if they hold only some, and the keys to blame for their weights; `nil` where
    /// that is not known.
    private func holder(of plan: PoolPlan, _ pool: PoolDraft, in cluster: ClusterPlan) -> (PoolPlan?, [String])? {
        let places = ["engine.memory-utilization", "device", "model", "tensor-parallel"]
        guard Self.hasMixture(pool) else { return (nil, places) }
        guard plan.model.expertLayers > 0, plan.pipelineParallel == 1, !isBroken(["role", "count", "experts"], of: pool) else { return nil }
        if plan.role == .expert {
            guard let user = cluster.pools.first(where: { $0.mixture?.expertPool == plan.name }) else { return nil }
            guard let draft = draft.pools.first(where: { $0.name == user.name }), !isBroken(["model", "experts"], of: draft) else { return nil }
            return (user, places)
        }
        if let name = plan.mixture?.expertPool {
            return cluster.pools.contains { $0.name == name && $0.role == .expert } ? (nil, places) : nil
        }
        let redundant = plan.mixture?.balance.redundantExperts ?? 0
        // More than one replica on each rank has been refused for that.
        guard redundant <= (plan.model.experts?.count ?? 0) * (plan.count - 1) else { return nil }
        return (plan, redundant > 0 ? ["experts.balance.redundant"] + places : places)
    }

    /// Which of the model's experts a worker holds, in brackets.
    private func heldExperts(by plan: PoolPlan, for user: PoolPlan, in cluster: ClusterPlan) -> String {
        let slots = cluster.slotsPerRank(of: user)
        return " (\(slots) of \(plan.model.experts?.count ?? 0) experts in each layer)"
    }

    /// The smallest tensor parallelism, or number of workers that share the experts, that would do, when one does.
    private func remedy(_ plan: PoolPlan, _ holder: PoolPlan?, in cluster: ClusterPlan) -> String {
        guard plan.engine.kvMemory == nil, let place = cluster.pools.firstIndex(where: { $0.name == plan.name }) else { return "" }
        var larger = cluster
        if let holder {
            let all = (plan.model.experts?.count ?? 0) + (holder.mixture?.balance.redundantExperts ?? 0)
            for count in plan.count + 1..<max(plan.count + 2, min(all, Limits.nodes) + 1) where all.isMultiple(of: count) {
                larger.pools[place].count = count
                if larger.memory(of: larger.pools[place]).fits { return "; it fits with \(count) workers" }
            }
            larger = cluster
        }
        for factor in [2, 4, 8, 16] {
            larger.pools[place].tensorParallel = factor
            guard factor > plan.tensorParallel, plan.model.queryHeads.isMultiple(of: factor), larger.memory(of: larger.pools[place]).fits else {
                continue
            }
            return "; it fits with tensor-parallel \(factor)"
        }
        return ""
    }

    /// A pool must accept some request, and no longer ones than the model was made for.
    private func checkLengths(_ plan: PoolPlan, _ pool: PoolDraft, _ budget: MemoryBudget) {
        let model = plan.model
        if let limit = plan.engine.maxModelLength, limit > model.contextLimit {
            report(
                ["engine.max-model-length"], of: pool,
                "found max-model-length \(limit), expected at most the context limit \(model.contextLimit) of \(model.name)")
        }
        let product = budget.cacheBlocks(of: plan.engine.blockSize).multipliedReportingOverflow(by: Int64(plan.engine.blockSize))
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
