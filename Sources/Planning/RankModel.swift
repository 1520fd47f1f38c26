import Cluster
import Models
import Quantities

/// Ranks with attention and experts, at the cost model, the memory and the links of the runs.
///
/// Where no prefill pool computes the prompts, every iteration has its share of them. What a run does beside is as for `ClusterModel`: prompts come in pieces,
/// requests come and go, and ranks are not equally full. Where a rank has fewer tokens for an expert than that has copies, a run reads fewer copies than
/// this, which divides the tokens of all ranks together.
public final class RankModel: ExpertParallelModel {
    public let plan: ClusterPlan
    let demand: Demand
    /// Place of the pool.
    let place: Int
    private let mixture: MixturePlan
    /// Prompts that are computed for each token that is decoded; 0 where a prefill pool computes them.
    private let promptsPerToken: Double
    private let draws: GateDraws
    private let cost: ExpertCost
    private var known: [Held] = []

    /// What holds for a number of ranks and slots, whatever the batch.
    private struct Held {
        var ranks: Int
        var slots: Int
        var limit: Int
        var loads: ExpertLoads?
        /// Ranks on the host that has fewest, hosts, and the links.
        var mates: Int
        var hosts: Int
        var links: AllToAllModel.Phase
    }

    /// `nil` for a plan without such a pool, or a model without experts.
    public init?(plan: ClusterPlan, demand: Demand) {
        guard let place = plan.pools.firstIndex(where: { $0.role == .ep }), let mixture = plan.pools[place].mixture else { return nil }
        let pool = plan.pools[place]
        guard pool.model.expertLayers > 0, (pool.model.experts?.count ?? 0) > 0 else { return nil }
        guard let draws = GateDraws(mixture.gate, model: pool.model, seed: plan.seed) else { return nil }
        self.plan = plan
        self.demand = demand
        self.place = place
        self.mixture = mixture
        self.draws = draws
        cost = ExpertCost(
            model: pool.model, device: pool.device, attentionParallel: pool.tensorParallel, expertParallel: pool.tensorParallel)
        promptsPerToken = plan.pools.contains { $0.role == .prefill } ? 0 : 1 / max(1, demand.meanOutput)
    }

    var model: ModelShape { plan.pools[place].model }
    var experts: Int { model.experts?.count ?? 1 }

    /// Slots beyond the fewest that hold all experts, on each rank.
    private static let spareSlots = [0, 1, 2, 4]

    /// Numbers of ranks on one host, or on whole hosts, with up to four spare slots a rank and as many micro-batches as an engine may have.
    public func shapes(deviceLimit: Int) -> [ExpertParallelShape] {
        let devices = plan.pools[place].devices
        let host = max(1, plan.hosts.devicesPerHost / devices)
        let most = min(deviceLimit / devices, 4096)
        let ranks = (1...max(1, most)).filter { $0 <= most && $0 > 1 && ($0 <= host || $0.isMultiple(of: host)) }
        return ranks.flatMap { count in
            let least = (experts + count - 1) / count
            return Self.spareSlots.filter { least + $0 <= experts }.flatMap { spare in
                (1...4).map { ExpertParallelShape(ranks: count, slots: least + spare, microBatches: $0) }
            }
        }
    }

    /// Replicas beyond one of each expert.
    func redundant(_ shape: ExpertParallelShape) -> Int { shape.slots * shape.ranks - experts }

    /// The plan with this shape, whose ranks take at most `batch` requests at a time.
    ///
    /// Where ranks compute prompts too, and in pieces, an iteration's budget of tokens is what the estimate has in one: a larger piece on any rank would hold
    /// up the tokens of all.
    public func plan(_ shape: ExpertParallelShape, batch: Int? = nil) -> ClusterPlan {
        var plan = plan
        plan.pools[place].count = shape.ranks
        plan.pools[place].mixture?.microBatches = shape.microBatches
        plan.pools[place].mixture?.balance.redundantExperts = redundant(shape)
        if let batch {
            plan.pools[place].engine.maxBatch = batch
            let part = demand.part(of: batch, microBatches: shape.microBatches, promptsPerToken: promptsPerToken)
            let share = batch + Int(part.prefillTokens) * shape.microBatches
            let isCut = promptsPerToken > 0 && plan.pools[place].engine.chunkedPrefill
            plan.pools[place].engine.tokenBudget = isCut ? share : max(plan.pools[place].engine.tokenBudget, batch)
        }
        return plan
    }

    public func batchLimit(_ shape: ExpertParallelShape) -> Int { held(shape).limit }

    public func cost(_ shape: ExpertParallelShape) -> Double {
        let devices = Double(shape.ranks * plan.pools[place].devices)
        return devices * (price ?? 1)
    }

    /// Price of a device; `nil` where the catalogue has none.
    var price: Double? { plan.pools[place].device.price > 0 ? plan.pools[place].device.price : nil }

    public func iterationTime(_ shape: ExpertParallelShape, batch: Int) -> Nanoseconds {
        let held = held(shape)
        let part = demand.part(of: batch, microBatches: shape.microBatches, promptsPerToken: promptsPerToken)
        let tokens = Int(part.tokens)
        let attend = cost.attentionTime(part)
        let own = Double(tokens * (model.experts?.topK ?? 1))
        let most = held.loads?.largestRouted(tokens: tokens * shape.ranks) ?? own
        let there = Double(mixture.dispatchFormat.bytes(hidden: model.hidden))
        let back = Double(mixture.combineFormat.bytes(hidden: model.hidden))
        var pipeline = RankPipeline(
            attention: attend + cost.routerTime(tokens: part.tokens), shared: cost.sharedExpertTime(tokens: part.tokens),
            experts: held.loads?.time(tokens: tokens * shape.ranks) ?? 0,
            dense: Nanoseconds(model.denseLayers) * (model.denseLayers > 0 ? attend + cost.denseTime(tokens: part.tokens) : 0),
            head: cost.headTime(rows: part.decodeRequests + part.prefillRequests), dispatched: (bytes(own * there, held), bytes(most * there, held)),
            combined: (bytes(most * back, held), bytes(own * back, held)), dispatch: mixture.fabric?.dispatch ?? held.links,
            combine: mixture.fabric?.combine ?? held.links, layers: model.expertLayers, microBatches: shape.microBatches)
        if let loads = held.loads, loads.isGlobal {
            let each = 4 * ByteCount(experts)
            let counts = RankPipeline.Bytes(
                near: held.mates > 1 ? each * ByteCount(held.mates - 1) : nil, far: held.hosts > 1 ? each * ByteCount(shape.ranks - held.mates) : nil)
            pipeline.counts = (counts, held.links, loads.decisionTime)
        }
        let farthest = max(held.links.scaleUp.latency, held.hosts > 1 ? held.links.scaleOut.latency : 0)
        return pipeline.total + farthest + 1_000
    }

    /// What goes to ranks of the host and of others when it goes to all alike. A measured all-to-all counts what a rank keeps.
    private func bytes(_ all: Double, _ held: Held) -> RankPipeline.Bytes {
        let near = held.mates - (mixture.fabric == nil ? 1 : 0)
        func share(_ ranks: Int) -> ByteCount? { ranks > 0 ? ByteCount((all * Double(ranks) / Double(held.ranks)).rounded()) : nil }
        return RankPipeline.Bytes(near: share(near), far: share(held.ranks - held.mates))
    }

    private func held(_ shape: ExpertParallelShape) -> Held {
        if let last = known.last(where: { $0.ranks == shape.ranks && $0.slots == shape.slots }) { return last }
        let plan = plan(shape)
        let pool = plan.pools[place]
        let layout = ClusterLayout(plan)
        let ranks = layout.nodes.filter { $0.pool == place }
        let hosts = Set(ranks.map(\.host)).count
        let memory = plan.memory(of: pool)
        var limit = 0
        var loads: ExpertLoads?
        if memory.fits, shape.slots * shape.ranks >= experts, let fleet = plan.expertFleet(of: pool, in: layout), let mixture = pool.mixture {
            loads = ExpertLoads(draws, balance: mixture.balance, fleet: fleet, cost: cost, seed: plan.seed)
            let requests = memory.cacheBlocks(of: pool.engine.blockSize) / PrefillDecodePlacement.blocks(demand.finalContext, pool)
            limit = loads == nil ? 0 : Int(min(requests, 16_384))
        }
        let mates = ranks.map { rank in ranks.count { $0.host == rank.host } }.min() ?? 1
        let links = plan.paths(of: pool, acrossRacks: Set(ranks.map(\.rack)).count > 1)
        known.append(Held(ranks: shape.ranks, slots: shape.slots, limit: limit, loads: loads, mates: mates, hosts: hosts, links: links))
        return known[known.count - 1]
    }
}

extension Demand {
    /// The largest micro-batch of `batch` requests in the midst of decoding, with its share of the prompts.
    func part(of batch: Int, microBatches: Int, promptsPerToken: Double) -> BatchShape {
        let tokens = (batch + microBatches - 1) / microBatches
        let prompts = Double(tokens) * promptsPerToken
        return BatchShape(
            prefillTokens: Int64((prompts * meanPrompt).rounded(.up)),
            prefillPairs: Int64((prompts * meanPrompt * (meanPrompt + 1) / 2).rounded(.up)),
            prefillRequests: Int64(prompts.rounded(.up)), decodeRequests: Int64(tokens),
            decodeContext: Int64((Double(tokens) * decodeContext).rounded(.up)))
    }
}

extension ClusterPlan {
    /// The links inside a host and between hosts, at the ports of a pool's workers.
    func paths(of pool: PoolPlan, acrossRacks: Bool) -> AllToAllModel.Phase {
        let (inside, outside) = (links.intraNode, acrossRacks ? links.interRack : links.interNode)
        let devices = BytesPerSecond(pool.devices)
        return AllToAllModel.Phase(
            scaleUp: .init(latency: inside.latency, bandwidth: (inside.bandwidth ?? pool.device.scaleUpBandwidth) * devices),
            scaleOut: .init(latency: outside.latency, bandwidth: (outside.bandwidth ?? pool.device.nicBandwidth) * devices))
    }
}
