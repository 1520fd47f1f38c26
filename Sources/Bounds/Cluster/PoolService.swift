import Cluster
import Models
import Quantities

/// What the workers of one pool need at the least for a request, in nanoseconds.
///
/// *Work* is a request's share of iterations, such that the shares of all requests in an iteration never exceed its time: they may be added up. An
/// iteration takes at least a linear function of its batch (`LinearCost`). What that has for each token is the token's; its fixed part is divided over the
/// requests in the batch, of which there are at most `B` (the batch limit), and over their contexts, which together fit the cache of `M` tokens: a
/// request with context `c` gets `lambda / B + (1 - lambda) c / M` of it, for any `lambda` from 0 to 1. *Time* is what a request needs when it
/// is alone: iterations do not get shorter with company.
///
/// A token after the first is decoded, or comes out of a prompt that is computed again after a preemption. The second costs more but for contexts of a
/// few tokens; the shares of decoding are scaled down where it might not.
struct PoolService {
    /// Machines of speed 1 that the pool's workers are, together.
    let speed: Double
    /// Longest prompt plus output that its workers hold.
    let lengthLimit: Int
    /// Most prompt tokens of an iteration, as far as it may cut prompts; and of any.
    private let chunk: Int64
    private let promptLimit: Int64
    private let batchLimit: Int64
    private let cacheTokens: Double
    private let minorant: (LinearCostPoint) -> LinearCost
    /// Time for one decoding request alone.
    private let alone: LinearCost
    private(set) var shares: Shares

    /// A linear cost with its fixed part divided.
    struct Shares {
        var cost = LinearCost()
        var perRow = 0.0
        var perContext = 0.0

        init() {}

        init(_ cost: LinearCost, lambda: Double, batch: Double, cache: Double) {
            self.cost = cost
            guard cost.fixed > 0 else {
                perRow = cost.fixed
                return
            }
            perRow = cost.fixed * lambda / batch
            perContext = cost.fixed * (1 - lambda) / cache
        }

        func prompt(_ tokens: Double) -> Double { max(0, cost.prompt(tokens) + perRow + perContext * tokens) }
    }

    init(_ pool: PoolPlan, of plan: ClusterPlan) {
        let engine = pool.engine
        let blocks = plan.memory(of: pool).cacheBlocks(of: engine.blockSize)
        let held = Int(clamping: blocks) * engine.blockSize
        lengthLimit = min(engine.maxModelLength ?? pool.model.contextLimit, held)
        cacheTokens = max(1, Double(held))
        batchLimit = max(1, min(Int64(engine.maxBatch), Int64(engine.tokenBudget), blocks))
        speed = Double(max(1, pool.size * pool.pipelineParallel))
        promptLimit = Int64(engine.chunkedPrefill ? engine.tokenBudget : max(engine.tokenBudget, lengthLimit))
        chunk = max(1, promptLimit)
        minorant = Self.minorant(of: pool)
        alone = minorant(LinearCostPoint(promptTokens: 0, decodes: 1, promptLimit: 1, decodeLimit: 1))
        shares = Shares()
    }

    private static func minorant(of pool: PoolPlan) -> (LinearCostPoint) -> LinearCost {
        let (model, device) = (pool.model, pool.device)
        guard let mixture = pool.mixture else {
            let cost = CostModel(
                model: model, device: device, tensorParallel: pool.tensorParallel, pipelineParallel: pool.pipelineParallel,
                table: pool.measuredTable)
            return { cost.minorant(at: $0) }
        }
        let cost = ExpertCost(
            model: model, device: device, attentionParallel: pool.tensorParallel, expertParallel: pool.tensorParallel)
        // Tokens may be dropped where experts have a capacity.
        let ownsExperts = mixture.expertPool == nil && mixture.gate.capacityFactor == nil
        let experts = ownsExperts ? cost.leastExpertTime(picked: model.experts?.topK ?? 0) : 0
        return {
            var linear = cost.minorant(at: $0, model: model, microBatches: mixture.microBatches)
            linear.perPromptToken += experts
            linear.perDecode += experts
            return linear
        }
    }

    /// The divisions of the pool's time that are worth a try: which one asks for most depends on the workload.
    var divisions: [PoolService] {
        let points =
            [1, 64, 512, promptLimit].map {
                LinearCostPoint(promptTokens: min($0, promptLimit), decodes: 0, promptLimit: promptLimit, decodeLimit: batchLimit)
            }
            + [1, batchLimit / 8, batchLimit / 2, batchLimit].map {
                LinearCostPoint(promptTokens: 0, decodes: max(1, $0), promptLimit: promptLimit, decodeLimit: batchLimit)
            }
        return points.flatMap { point in
            let cost = minorant(point)
            return [0, 0.5, 1].map { lambda in
                var copy = self
                copy.shares = Shares(cost, lambda: lambda, batch: Double(batchLimit), cache: cacheTokens)
                return copy
            }
        }
    }

    // MARK: - Work

    /// Work of a prompt.
    func promptWork(_ request: BoundRequest) -> Double { shares.prompt(Double(request.prompt)) }

    /// Work of the tokens after the first.
    func outputWork(_ request: BoundRequest) -> Double {
        let count = Double(request.output - 1)
        guard count > 0 else { return 0 }
        let context = Double(request.prompt)
        let cost = shares.cost
        let contexts = count * context + count * (count + 1) / 2
        let seen = cost.window > 0 ? cost.seenPairs(context + count) - cost.seenPairs(context) : 0
        let own = count * (cost.perDecode + cost.perRow) + cost.perContext * contexts + cost.perSeenContext * seen
        return max(
            0, own * Self.scale(cost, context: context + 1, decodeFixed: 0, promptFixed: 0) + shares.perRow * count + shares.perContext * contexts)
    }

    /// Work of the first token after the first: the least of them.
    func firstOutputWork(_ request: BoundRequest) -> Double {
        guard request.output > 1 else { return 0 }
        let context = Double(request.prompt) + 1
        let own = shares.cost.decode(context: context) * Self.scale(shares.cost, context: context, decodeFixed: 0, promptFixed: 0)
        return max(0, own + shares.perRow + shares.perContext * context)
    }

    // MARK: - Time alone

    /// Time to compute a prompt.
    func promptTime(_ request: BoundRequest) -> Double { promptTime(tokens: Double(request.prompt)) }

    private func promptTime(tokens: Double) -> Double {
        let most = max(1, min(Int64(tokens), chunk))
        let cost = minorant(LinearCostPoint(promptTokens: most, decodes: 0, promptLimit: most, decodeLimit: 1))
        let chunks = (tokens / Double(most)).rounded(.up)
        return max(0, cost.prompt(tokens) + cost.fixed * (cost.fixed > 0 ? chunks : tokens))
    }

    /// Time to decode the tokens after the first.
    func outputTime(_ request: BoundRequest) -> Double {
        let count = Double(request.output - 1)
        guard count > 0 else { return 0 }
        let context = Double(request.prompt)
        let contexts = count * context + count * (count + 1) / 2
        let seen = alone.window > 0 ? alone.seenPairs(context + count) - alone.seenPairs(context) : 0
        let own = count * (alone.fixed + alone.perDecode + alone.perRow) + alone.perContext * contexts + alone.perSeenContext * seen
        return max(0, own * aloneScale(context + 1))
    }

    /// Time to decode the first token after the first: the least of them.
    func firstOutputTime(_ request: BoundRequest) -> Double {
        guard request.output > 1 else { return 0 }
        let context = Double(request.prompt) + 1
        return max(0, (alone.fixed + alone.decode(context: context)) * aloneScale(context))
    }

    private func aloneScale(_ context: Double) -> Double {
        let prompt = minorant(LinearCostPoint(promptTokens: 1, decodes: 0, promptLimit: promptLimit, decodeLimit: 1))
        return Self.scale(alone, context: context, decodeFixed: alone.fixed, promptFixed: prompt.fixed, prompt: prompt)
    }

    /// By how much decoding must be scaled down so that computing the whole context again never takes less: at this context and, by the slopes, at all
    /// longer ones.
    private static func scale(
        _ cost: LinearCost, context: Double, decodeFixed: Double, promptFixed: Double, prompt: LinearCost? = nil
    ) -> Double {
        let prompt = prompt ?? cost
        let decode = decodeFixed + cost.decode(context: context)
        guard decode > 0 else { return 1 }
        let again = max(0, promptFixed + prompt.prompt(context)) / decode
        let slope = cost.perContext + cost.perSeenContext
        guard slope > 0 else { return min(1, again) }
        return min(1, again, prompt.perPromptToken / slope)
    }
}
