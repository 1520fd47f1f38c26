import Cluster
import Models
import Quantities

/// Ranks with attention and experts, at the cost model, the memory and the links of the runs.
///
/// Where no prefill pool computes the prompts, the ranks do, in pieces (`RankModel+Mixed.swift`). Where prompts must not be cut, every iteration has its share of
/// them, which a run's have not. Beside that, requests come and go in a run, and ranks are not equally full. Where a rank has fewer tokens for an expert than
/// that has copies, a run reads fewer copies than this, which divides the tokens of all ranks together.
public final class RankModel: ExpertParallelModel {
    public let plan: ClusterPlan
    let demand: Demand
    /// Place of the pool.
    let place: Int
    private let mixture: MixturePlan
    /// Prompts that are computed for each token that is decoded; 0 where a prefill pool computes them.
    let promptsPerToken: Double
    private let draws: GateDraws
    let cost: ExpertCost
    private var known: [Held] = []
    /// Iterations with pieces of prompts, as far as they were asked for.
    var mixes: [MixKey: MixedIterations] = [:]
    /// Queues of prompts where iterations are all alike.
    var queues: [QueueKey: PromptQueue] = [:]

    /// What holds for a number of ranks and slots, whatever the batch.
    struct Held {
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
        // The first token comes with the prompt.
        promptsPerToken = plan.pools.contains { $0.role == .prefill } ? 0 : 1 / max(1, demand.meanOutput - 1)
    }

    /// Whether iterations have pieces of prompts beside what they decode.
    var mixesPrompts: Bool { promptsPerToken > 0 && plan.pools[place].engine.chunkedPrefill }

    var model: ModelShape { plan.pools[place].model }
    var experts: Int { model.experts?.count ?? 1 }

    /// Slots beyond the fewest that hold all experts, on each rank.
    private static let spareSlots = [0, 1, 2, 4]

    /// Tokens of prompts that an iteration may have.
    private static let chunks = [64, 128, 256, 512, 1_024]

    /// Numbers of ranks on one host, or on whole hosts, with up to four spare slots a rank, as many micro-batches as an engine may have, and pieces of
    /// prompts of several lengths where ranks compute those.
    public func shapes(deviceLimit: Int) -> [ExpertParallelShape] {
        let devices = plan.pools[place].devices
        let host = max(1, plan.hosts.devicesPerHost / devices)
        let most = min(deviceLimit / devices, 4096)
        let ranks = (1...max(1, most)).filter { $0 <= most && $0 > 1 && ($0 <= host || $0.isMultiple(of: host)) }
        return ranks.flatMap { count in
            let least = (experts + count - 1) / count
            return Self.spareSlots.filter { least + $0 <= experts }.flatMap { spare in
                (1...4).flatMap { parts in
                    (mixesPrompts ? Self.chunks : [0]).map {
                        ExpertParallelShape(ranks: count, slots: least + spare, microBatches: parts, chunk: $0)
                    }
                }
            }
        }
    }

    /// Replicas beyond one of each expert.
    func redundant(_ shape: ExpertParallelShape) -> Int { shape.slots * shape.ranks - experts }

    /// The shape with so many replicas beyond one of each expert, as far as ranks have as many slots each.
    func shape(ranks: Int, redundant: Int, microBatches: Int, chunk: Int = 0) -> ExpertParallelShape {
        ExpertParallelShape(ranks: ranks, slots: (experts + redundant) / max(1, ranks), microBatches: microBatches, chunk: chunk)
    }

    /// The plan with this shape, with `batch` requests on each rank.
    ///
    /// Where ranks compute prompts too, numbers of requests vary, and a rank has room for what all but one in a thousand come to; with the batch an iteration has
    /// room for one piece of a prompt and no more, for a larger piece on any rank would hold up the tokens of all.
    public func plan(_ shape: ExpertParallelShape, batch: Int? = nil) -> ClusterPlan {
        var plan = plan
        plan.pools[place].count = shape.ranks
        plan.pools[place].mixture?.microBatches = shape.microBatches
        plan.pools[place].mixture?.balance.redundantExperts = redundant(shape)
        if let batch {
            plan.pools[place].engine.maxBatch = places(shape, batch: batch)
            plan.pools[place].engine.tokenBudget = mixesPrompts ? batch + shape.chunk : max(plan.pools[place].engine.tokenBudget, batch)
        }
        return plan
    }

    /// Requests that a rank may have at once with `batch` of them in the mean: what fits, and is not exceeded once in a thousand times.
    func places(_ shape: ExpertParallelShape, batch: Int) -> Int {
        guard mixesPrompts else { return batch }
        let begun = 1 + Int((Double(shape.chunk) / max(1, demand.meanPrompt)).rounded(.up))
        let most = BatchVariation.most(around: Double(batch), deviations: BatchVariation.rare)
        return max(batch, min(Int(most.rounded(.up)) + begun, held(shape).limit))
    }

    public func batchLimit(_ shape: ExpertParallelShape) -> Int {
        let limit = held(shape).limit
        guard mixesPrompts else { return limit }
        // More would bring more prompts than pieces can take.
        let keeping = Double(shape.chunk) / (promptsPerToken * max(1, demand.meanPrompt))
        return Int(min(BatchVariation.mean(within: Double(limit), deviations: PrefillDecodePlacement.deviations), keeping))
    }

    public func cost(_ shape: ExpertParallelShape) -> Double {
        let devices = Double(shape.ranks * plan.pools[place].devices)
        return devices * (price ?? 1)
    }

    /// Price of a device; `nil` where the catalogue has none.
    var price: Double? { plan.pools[place].device.price > 0 ? plan.pools[place].device.price : nil }

    public func iterationTime(_ shape: ExpertParallelShape, batch: Int) -> Nanoseconds {
        if mixesPrompts { return nanoseconds(fromSeconds: mixed(shape, batch: Double(batch), chunk: shape.chunk).mean) }
        let part = demand.part(of: batch, microBatches: shape.microBatches, promptsPerToken: promptsPerToken)
        let tokens = Array(repeating: Int(part.tokens) * shape.ranks, count: shape.microBatches)
        return iterationTime(shape, kinds: [Array(repeating: part, count: shape.microBatches)], tokens: tokens)
    }

    /// One iteration.
    /// - Parameters:
    ///   - kinds: what ranks have in each micro-batch, for each kind of rank.
    ///   - tokens: of all ranks together in each micro-batch.
    func iterationTime(_ shape: ExpertParallelShape, kinds: [[BatchShape]], tokens: [Int]) -> Nanoseconds {
        let held = held(shape)
        let topK = Double(model.experts?.topK ?? 1)
        let there = Double(mixture.dispatchFormat.bytes(hidden: model.hidden))
        let back = Double(mixture.combineFormat.bytes(hidden: model.hidden))
        let ranks = kinds.map { parts in
            parts.map { part in
                let attend = cost.attentionTime(part)
                let own = Double(part.tokens) * topK
                return RankPipeline.Own(
                    attention: attend + cost.routerTime(tokens: part.tokens), shared: cost.sharedExpertTime(tokens: part.tokens),
                    dense: Nanoseconds(model.denseLayers) * (model.denseLayers > 0 ? attend + cost.denseTime(tokens: part.tokens) : 0),
                    head: cost.headTime(rows: part.decodeRequests + part.prefillRequests), dispatched: bytes(own * there, held),
                    combined: bytes(own * back, held))
            }
        }
        let routed = tokens.map { tokens in
            let most = held.loads?.largestRouted(tokens: tokens) ?? Double(tokens) * topK / Double(max(1, shape.ranks))
            return RankPipeline.Routed(
                experts: held.loads?.time(tokens: tokens) ?? 0, dispatched: bytes(most * there, held), combined: bytes(most * back, held))
        }
        var pipeline = RankPipeline(
            ranks: ranks, routed: routed, dispatch: mixture.fabric?.dispatch ?? held.links, combine: mixture.fabric?.combine ?? held.links,
            layers: model.expertLayers)
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

    func held(_ shape: ExpertParallelShape) -> Held {
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
