import Cluster
import Models
import Quantities

/// Attention and expert nodes of a plan, at the cost model, the memory and the links of the runs.
///
/// Where no prefill pool computes the prompts, every iteration has its share of them: as many prompts begin as outputs end.
///
/// What a run does beside: prompts come in pieces, not as a steady stream; requests come and go, so that nodes are not equally full; a message waits for others at its port.
public final class ClusterModel: DisaggregatedModel {
    public let plan: ClusterPlan
    let demand: Demand
    /// Places of the attention pool and of its expert pool.
    let attention: Int
    let expert: Int
    let mixture: MixturePlan
    /// Prompts that are computed for each token that is decoded; 0 where a prefill pool computes them.
    private let promptsPerToken: Double
    private let draws: GateDraws
    private var costs: [(parallel: Int, cost: ExpertCost)] = []
    private var loads: [LoadsEntry] = []
    private var limits: [(shape: DisaggregatedShape, limit: Int)] = []
    private var ways: [(shape: DisaggregatedShape, ways: ExpertWays)] = []

    private struct LoadsEntry {
        var nodes: Int
        var parallel: Int
        var slots: Int
        var loads: ExpertLoads?
    }

    /// `nil` for a plan without an attention pool and its expert pool, or a model without experts.
    public init?(plan: ClusterPlan, demand: Demand, mixture: MixturePlan? = nil) {
        guard let attention = plan.pools.firstIndex(where: { $0.role == .attention }), let own = plan.pools[attention].mixture else { return nil }
        guard let expert = plan.pools.firstIndex(where: { $0.role == .expert && $0.name == own.expertPool }) else { return nil }
        guard plan.pools[attention].model.expertLayers > 0, (plan.pools[attention].model.experts?.count ?? 0) > 0 else { return nil }
        self.plan = plan
        self.demand = demand
        self.attention = attention
        self.expert = expert
        self.mixture = mixture ?? own
        guard let draws = GateDraws((mixture ?? own).gate, model: plan.pools[attention].model, seed: plan.seed) else { return nil }
        self.draws = draws
        promptsPerToken = plan.pools.contains { $0.role == .prefill } ? 0 : 1 / max(1, demand.meanOutput)
    }

    var model: ModelShape { plan.pools[attention].model }
    var experts: Int { model.experts?.count ?? 1 }
    /// Devices of the pools that are not searched.
    public var otherDevices: Int {
        plan.pools.indices.reduce(0) { $1 == attention || $1 == expert ? $0 : $0 + plan.pools[$1].devices * plan.pools[$1].count }
    }

    /// The plan with this shape, whose attention nodes take at most `batch` requests at a time.
    public func plan(_ shape: DisaggregatedShape, batch: Int? = nil) -> ClusterPlan {
        var plan = plan
        var mixture = mixture
        mixture.microBatches = shape.microBatches
        mixture.balance.redundantExperts = shape.slots * shape.expertNodes - experts
        plan.pools[attention].mixture = mixture
        plan.pools[attention].count = shape.attentionNodes
        plan.pools[attention].tensorParallel = shape.attentionParallel
        plan.pools[expert].count = shape.expertNodes
        plan.pools[expert].tensorParallel = shape.expertParallel
        if let batch {
            plan.pools[attention].engine.maxBatch = batch
            plan.pools[attention].engine.tokenBudget = max(plan.pools[attention].engine.tokenBudget, batch)
        }
        return plan
    }

    public func batchLimit(_ shape: DisaggregatedShape) -> Int {
        // The number of attention nodes and of micro-batches changes nobody's memory.
        var key = shape
        (key.attentionNodes, key.microBatches) = (1, 1)
        if let known = limits.first(where: { $0.shape == key }) { return known.limit }
        let plan = plan(key)
        let pool = plan.pools[attention]
        let blocks = plan.memory(of: pool).cacheBlocks(of: pool.engine.blockSize) / PrefillDecodePlacement.blocks(demand.finalContext, pool)
        let fits = plan.memory(of: plan.pools[expert]).fits && entry(shape).loads != nil
        let limit = fits ? Int(min(blocks, 16_384)) : 0
        limits.append((key, limit))
        return limit
    }

    public func pipeline(_ shape: DisaggregatedShape, batch: Int) -> PipelineModel {
        let part = demand.part(of: batch, microBatches: shape.microBatches, promptsPerToken: promptsPerToken)
        let tokens = Int(part.tokens)
        let cost = attentionCost(shape)
        let shared = cost.sharedExpertTime(tokens: part.tokens)
        var attend = cost.attentionTime(part) + cost.routerTime(tokens: Int64(tokens))
        let ways = ways(of: shape)
        let loads = entry(shape).loads
        var work = loads?.time(tokens: tokens * shape.attentionNodes) ?? 0
        let routed = loads?.largestRouted(tokens: tokens * shape.attentionNodes) ?? 0
        if let loads, loads.isGlobal {
            // Where every expert node has all tokens it decides by itself; else attention nodes tell each other what they have.
            if mixture.transfer == .pointToPoint { attend += loads.decisionTime + ways.countTime } else { work += loads.decisionTime }
        }
        let times = ways.times(tokens: tokens, routed: routed)
        return PipelineModel(
            attention: attend + shared, hidden: shared, experts: work, dispatch: times.dispatch, combine: times.combine, port: times.port,
            layers: model.expertLayers, microBatches: shape.microBatches)
    }

    public func overhead(_ shape: DisaggregatedShape, batch: Int) -> Nanoseconds {
        let part = demand.part(of: batch, microBatches: shape.microBatches, promptsPerToken: promptsPerToken)
        let cost = attentionCost(shape)
        let dense = model.denseLayers > 0 ? cost.attentionTime(part) + cost.denseTime(tokens: part.tokens) : 0
        return Nanoseconds(shape.microBatches * model.denseLayers) * dense
            + cost.headTime(rows: part.decodeRequests + part.prefillRequests) + ways(of: shape).gap
    }

    public func price(_ shape: DisaggregatedShape) -> Double? {
        let prices = (plan.pools[attention].device.price, plan.pools[expert].device.price)
        guard prices.0 > 0, prices.1 > 0 else { return nil }
        return prices.0 * Double(shape.attentionNodes * shape.attentionParallel) + prices.1 * Double(shape.expertNodes * shape.expertParallel)
    }

    /// Most experts of every layer that an expert node of `parallel` devices can hold; 0 when not one.
    public func mostSlots(parallel: Int) -> Int {
        Bisection.largest(in: 1...experts) { slots in
            var pool = plan.pools[expert]
            pool.tensorParallel = parallel
            return MemoryBudget(
                model: model, device: pool.device, tensorParallel: parallel, pipelineParallel: 1, utilization: pool.engine.memoryUtilization,
                cacheMemory: pool.engine.kvMemory, weights: model.expertSlotBytes(slots)
            ).fits
        } ?? 0
    }

    /// Distinct experts on the expert node that has most of them, by the tokens of all attention nodes.
    public func largestDistinct(_ shape: DisaggregatedShape, tokens: Int) -> Double? { entry(shape).loads?.largestDistinct(tokens: tokens) }

    // MARK: - Parts

    private func attentionCost(_ shape: DisaggregatedShape) -> ExpertCost {
        if let known = costs.first(where: { $0.parallel == shape.attentionParallel }) { return known.cost }
        let pool = plan.pools[attention]
        let cost = ExpertCost(model: model, device: pool.device, attentionParallel: shape.attentionParallel)
        costs.append((shape.attentionParallel, cost))
        return cost
    }

    private func entry(_ shape: DisaggregatedShape) -> LoadsEntry {
        if let known = loads.first(where: {
            $0.nodes == shape.expertNodes && $0.parallel == shape.expertParallel && $0.slots == shape.slots
        }) {
            return known
        }
        let plan = plan(shape)
        let cost = ExpertCost(
            model: model, device: plan.pools[expert].device, attentionParallel: shape.expertParallel, expertParallel: shape.expertParallel)
        var found: ExpertLoads?
        if shape.slots * shape.expertNodes >= experts, let fleet = plan.expertFleet(of: plan.pools[attention], in: ClusterLayout(plan)),
            let mixture = plan.pools[attention].mixture
        {
            found = ExpertLoads(draws, balance: mixture.balance, fleet: fleet, cost: cost, seed: plan.seed)
        }
        let entry = LoadsEntry(nodes: shape.expertNodes, parallel: shape.expertParallel, slots: shape.slots, loads: found)
        loads.append(entry)
        return entry
    }

    private func ways(of shape: DisaggregatedShape) -> ExpertWays {
        if let last = ways.last, last.shape == shape { return last.ways }
        let found = ExpertWays(plan(shape), attention: attention, expert: expert)
        ways = [(shape, found)]
        return found
    }
}
