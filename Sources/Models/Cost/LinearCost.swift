/// A linear function of a batch that no iteration of a worker falls below, in nanoseconds: what a bound on a whole cluster can add up over requests.
///
///     time >= fixed [batch not empty] + perPromptToken p + perPair pairs + perRow (chunks + decodes) + perDecode d + perContext context + perSeen seen
///
/// where `seen` counts, for each prompt token and each decode, the context that a sliding window leaves of it: `sum of min(context, window)`.
public struct LinearCost: Sendable, Equatable {
    public var fixed = 0.0
    public var perPromptToken = 0.0
    /// For each attended pair of a prompt, in layers without a window and in those with one.
    public var perPair = 0.0
    public var perSeenPair = 0.0
    /// For each prompt chunk and each decoding request.
    public var perRow = 0.0
    public var perDecode = 0.0
    /// For each token of context of a decoding request, in layers without a window and in those with one.
    public var perContext = 0.0
    public var perSeenContext = 0.0
    /// Tokens that a sliding window shows; 0 for a model without.
    public var window = 0.0

    public init() {}

    /// Sum over the tokens of a prompt of what a window leaves of their context.
    public func seenPairs(_ tokens: Double) -> Double {
        guard window > 0 else { return 0 }
        let growing = min(tokens, window)
        return growing * (growing + 1) / 2 + (tokens - growing) * window
    }

    /// What computing a prompt takes besides its share of `fixed`, in as many chunks as may be.
    public func prompt(_ tokens: Double) -> Double {
        perPromptToken * tokens + perPair * tokens * (tokens + 1) / 2 + perSeenPair * seenPairs(tokens) + perRow
    }

    /// What decoding a token takes besides its share of `fixed`.
    public func decode(context: Double) -> Double { perDecode + perRow + perContext * context + perSeenContext * min(context, window) }
}

/// Where a linear function touches the time that it bounds.
public struct LinearCostPoint: Sendable, Equatable {
    /// Prompt tokens and decoding requests of the batch in whose neighbourhood it is to be good.
    public var promptTokens: Int64
    public var decodes: Int64
    /// Most prompt tokens and decoding requests of any batch: beyond them the function may exceed the time.
    public var promptLimit: Int64
    public var decodeLimit: Int64

    public init(promptTokens: Int64, decodes: Int64, promptLimit: Int64, decodeLimit: Int64) {
        self.promptTokens = promptTokens
        self.decodes = decodes
        self.promptLimit = promptLimit
        self.decodeLimit = decodeLimit
    }

    var tokens: Double { Double(promptTokens + decodes) }
}

extension Roofline {
    /// A linear function below `time(_:)` on all batches within the limits of the point.
    ///
    /// Proof, term by term. `max(a, b)` is at least either of both, and the one that counts at the point is taken. A concave function of the tokens
    /// (experts hit, the faster of two reductions) does not fall when tokens are left away, and lies above its chord: over the decoding requests where
    /// there are any at the point, else over the prompt tokens. Of a window only sums are known to the model, and the least of two sums is at least the
    /// sum of the least.
    func minorant(at point: LinearCostPoint) -> LinearCost {
        var cost = LinearCost()
        cost.fixed = fixed + headFixed
        var perToken = perToken
        func add(_ product: Product) {
            if product.computePerRow * point.tokens > product.weights + product.activationsPerRow * point.tokens {
                perToken += product.computePerRow
            } else {
                cost.fixed += product.weights
                perToken += product.activationsPerRow
            }
        }
        for product in [attentionInput, attentionExpand, attentionOutput, denseUp, denseDown] { add(product) }
        let isDecode = point.decodes > 0
        let limit = Double(max(1, isDecode ? point.decodeLimit : point.promptLimit))
        func addConcave(_ function: (Double) -> Double) {
            let slope = limit > 1 ? max(0, (function(limit) - function(1)) / (limit - 1)) : 0
            cost.fixed += max(0, function(1) - slope)
            if isDecode { cost.perDecode += slope } else { cost.perPromptToken += slope }
        }
        addConcave { min(reduceFixed + reducePerToken * $0, bulkReduceFixed + bulkReducePerToken * $0) }
        if experts > 0 {
            add(sharedUp)
            add(sharedDown)
            let memory = expertWeights * expertsHit(Int64(point.tokens)) + expertActivationsPerToken * point.tokens
            if expertComputePerToken * point.tokens > memory {
                perToken += expertComputePerToken
            } else {
                perToken += expertActivationsPerToken
                addConcave { expertWeights * expertsHit(Int64($0)) }
            }
        }
        let rows = Double(max(1, point.decodes))
        if head.computePerRow * rows > head.weights + head.activationsPerRow * rows {
            cost.perRow = head.computePerRow
        } else {
            cost.fixed += head.weights
            cost.perRow = head.activationsPerRow
        }
        cost.perPromptToken += perToken
        cost.perDecode += perToken
        addAttention(to: &cost)
        return cost
    }

    private func addAttention(to cost: inout LinearCost) {
        cost.perPair = promptPair
        cost.perPromptToken += Self.promptTile * (promptPair + (window > 0 ? slidingPromptPair : 0))
        let reads = decodeRead >= decodeCompute
        cost.perContext = reads ? decodeRead : decodeCompute
        cost.perDecode += reads ? Self.decodeTile * decodeRead : 0
        guard window > 0 else { return }
        cost.window = window
        cost.perSeenPair = slidingPromptPair
        let slidingReads = slidingDecodeRead >= slidingDecodeCompute
        cost.perSeenContext = slidingReads ? slidingDecodeRead : slidingDecodeCompute
        cost.perDecode += slidingReads ? Self.decodeTile * slidingDecodeRead : 0
    }
}

extension CostModel {
    /// A linear function below `iterationTime(_:)` on all batches within the limits of the point.
    ///
    /// Where a measured table serves a phase, its least time a token takes the place of the roofline's terms; a batch with both phases costs at least
    /// what the table of prompts says for all its tokens, so that decoding is counted at the lower of both rates. Half a nanosecond is taken
    /// off for rounding.
    public func minorant(at point: LinearCostPoint) -> LinearCost {
        var cost = roofline.minorant(at: point)
        let tokenLimit = point.promptLimit + point.decodeLimit
        let prompt = measured.flatMap { $0.leastPrefillRate(limit: tokenLimit) }
        let decode = measured.flatMap { $0.leastDecodeRate(limit: point.decodeLimit) }
        if prompt != nil || decode != nil {
            cost.fixed = 0
            if let decode {
                cost.perDecode = min(cost.perDecode + cost.perRow, decode)
                (cost.perContext, cost.perSeenContext) = (0, 0)
            }
            if let prompt {
                (cost.perPromptToken, cost.perPair, cost.perSeenPair) = (prompt, 0, 0)
                cost.perDecode = decode == nil ? min(cost.perDecode, prompt) : min(cost.perDecode, prompt)
                (cost.perContext, cost.perSeenContext) = (0, 0)
            }
            cost.perRow = 0
        }
        cost.fixed -= 0.5
        return cost
    }
}

extension ExpertCost {
    /// A linear function below the time for which a rank of a gang computes in an iteration: attention and router of every layer, dense layers, head.
    ///
    /// - Parameters:
    ///   - model: that this was made of.
    ///   - microBatches: parts of a batch; each of them rounds in every layer.
    public func minorant(at point: LinearCostPoint, model: ModelShape, microBatches: Int) -> LinearCost {
        var dense = attention
        (dense.denseUp, dense.denseDown) = (whole.denseUp, whole.denseDown)
        // The language-model head and its kernel are counted by the attention part already.
        var cost = dense.minorant(at: point)
        cost.fixed -= 0.5 * Double((2 * model.layers + model.denseLayers + 1) * max(1, microBatches))
        return cost
    }

    /// What a token takes of all ranks that hold experts, together, in nanoseconds over all layers: its products or its activations, whichever is more.
    ///
    /// 0 where kernels are so short that rounding may swallow them; else a hundredth less for rounding.
    public func leastExpertTime(picked: Int) -> Double {
        guard Self.groupedKernels * launch >= 50 else { return 0 }
        return 0.99 * Double(picked) * expertLayers * max(expertCompute, expertActivations)
    }
}
