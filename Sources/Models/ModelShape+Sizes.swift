import Quantities

/// Sizes that follow from a shape.
///
/// Counted: attention, feed-forward networks, experts with their router, embedding table and language-model head, norms.
/// Left out: biases and learned positions (below 0.2% of any model in the catalogue).
extension ModelShape {
    /// Parameters of one layer's attention.
    ///
    /// Grouped: `h d (2 q + 2 kv)`. Latent: down-projections of query and cache, up-projections to heads, output (DeepSeek-V2, arXiv
    /// 2405.04434, section 2.1). Factorised: low-rank query, one shared key and value head, output (Step-3, arXiv 2507.19427).
    public var attentionParameters: Int64 { integer(sharedProjection + headProjection + outputProjection) }

    /// Parameters of one layer's dense feed-forward network.
    public var feedForwardParameters: Int64 { integer(Double(feedForwardMatrices) * Double(hidden) * Double(feedForward)) }

    /// Parameters of one expert; 0 without experts.
    public var expertParameters: Int64 { integer(Double(feedForwardMatrices) * Double(hidden) * Double(experts?.width ?? 0)) }

    /// Layers with experts.
    public var expertLayers: Int { experts.map { max(0, layers - $0.denseLayers) } ?? 0 }

    /// Layers with a dense feed-forward network.
    public var denseLayers: Int { layers - expertLayers }

    /// All parameters.
    public var parameterCount: Int64 { integer(parameters(expertsInLayer: Double(experts?.count ?? 0))) }

    /// Parameters that one token passes through. Embedding table and head count whole, as in the published figures.
    public var activeParameterCount: Int64 { integer(parameters(expertsInLayer: Double(experts?.topK ?? 0))) }

    /// Bytes of all weights.
    public var weightBytes: ByteCount {
        let routed = Double(expertLayers) * Double(experts?.count ?? 0) * Double(expertParameters)
        return integer((Double(parameterCount) - routed) * weightElementBytes + routed * expertElementBytes)
    }

    /// Bytes of all weights but those of routed experts: what an attention node holds.
    public var attentionSideBytes: ByteCount {
        weightBytes - integer(Double(expertLayers) * Double(experts?.count ?? 0) * Double(expertParameters) * expertElementBytes)
    }

    /// Bytes of `slots` routed experts in every layer that has experts.
    public func expertSlotBytes(_ slots: Int) -> ByteCount {
        integer(Double(expertLayers) * Double(max(0, slots)) * Double(expertParameters) * expertElementBytes)
    }

    /// Bytes of cache that a token adds while every layer keeps it (no sliding window is full), in all layers.
    public var cacheBytesPerToken: ByteCount { integer(Double(layers) * cacheElements * cacheElementBytes) }

    /// Bytes of the cache of one sequence of `context` tokens. Layers with a sliding window hold at most the window.
    public func cacheBytes(context: Int64) -> ByteCount {
        let context = max(0, context)
        let sliding = Double(min(slidingLayers, layers))
        let held = (Double(layers) - sliding) * Double(context) + sliding * Double(min(context, Int64(slidingWindow)))
        return integer((held * cacheElements * cacheElementBytes).rounded(.up))
    }

    // MARK: - Parts that the cost model uses too

    /// Bytes of one weight element of a routed expert.
    var expertElementBytes: Double { experts?.weightElementBytes ?? weightElementBytes }

    /// Elements of cache that a token takes in one layer.
    var cacheElements: Double {
        switch attention {
        case .grouped, .factorised: 2 * Double(kvHeads) * Double(headDimension)
        case .latent(_, let latentRank, let ropeDimension, _, _): Double(latentRank) + Double(ropeDimension)
        }
    }

    /// Elements of cache that a token takes in one layer on each of `tensorParallel` devices. Heads are split; a head that cannot be is
    /// held by several devices, and the compressed vector of latent attention by all of them.
    func cacheElements(tensorParallel: Int) -> Double {
        if case .latent = attention { return cacheElements }
        let devices = max(1, tensorParallel)
        let heads = kvHeads / devices + (kvHeads % devices == 0 ? 0 : 1)
        return 2 * Double(heads) * Double(headDimension)
    }

    /// Parameters of the projections that every device of a tensor-parallel group holds: down-projections to a low rank.
    var sharedProjection: Double {
        switch attention {
        case .grouped: 0
        case .latent(let queryRank, let latentRank, let ropeDimension, _, _):
            Double(hidden) * (Double(queryRank) + Double(latentRank) + Double(ropeDimension))
        case .factorised(let queryRank): Double(hidden) * (Double(queryRank) + cacheElements)
        }
    }

    /// Parameters of the projections to heads, which are split over a tensor-parallel group.
    var headProjection: Double {
        switch attention {
        case .grouped:
            Double(hidden) * (Double(headDimension) * Double(queryHeads) + cacheElements)
        case .latent(let queryRank, let latentRank, let ropeDimension, let nopeDimension, let valueDimension):
            Double(queryHeads)
                * (Double(queryRank) * (Double(nopeDimension) + Double(ropeDimension))
                    + Double(latentRank) * (Double(nopeDimension) + Double(valueDimension)))
        case .factorised(let queryRank):
            Double(queryRank) * Double(queryHeads) * Double(headDimension)
        }
    }

    /// Parameters of the output projection.
    var outputProjection: Double { Double(hidden) * Double(queryHeads) * Double(valueWidth) }

    /// Width of a head's value.
    var valueWidth: Int {
        if case .latent(_, _, _, _, let valueDimension) = attention { return valueDimension }
        return headDimension
    }

    /// Parameters of one layer with experts, counting `routed` of them, its router and the shared ones, without attention.
    private func expertLayer(routed: Double) -> Double {
        guard let experts else { return 0 }
        return (routed + Double(experts.shared)) * Double(expertParameters) + Double(hidden) * Double(experts.count)
    }

    private func parameters(expertsInLayer routed: Double) -> Double {
        let everyLayer = Double(attentionParameters) + 2 * Double(hidden)
        let dense = Double(denseLayers) * Double(feedForwardParameters)
        let vocabularyTables = Double(tiedEmbeddings ? 1 : 2) * Double(vocabulary) * Double(hidden)
        return Double(layers) * everyLayer + dense + Double(expertLayers) * expertLayer(routed: routed) + vocabularyTables + Double(hidden)
    }

    /// Bytes of the weights of the heaviest pipeline stage: as many layers as any has, and what it holds of embedding and head.
    func stageWeightBytes(pipelineParallel: Int) -> Double {
        guard pipelineParallel > 1 else { return Double(weightBytes) }
        let table = Double(vocabulary) * Double(hidden) * weightElementBytes
        let tables = tiedEmbeddings ? table : 2 * table
        return (Double(weightBytes) - tables) * stageShare(pipelineParallel: pipelineParallel) + table
    }

    /// Share of the layers that the largest of `pipelineParallel` stages holds.
    func stageShare(pipelineParallel: Int) -> Double {
        guard pipelineParallel > 1, layers > 0 else { return 1 }
        let largest = layers / pipelineParallel + (layers % pipelineParallel == 0 ? 0 : 1)
        return Double(largest) / Double(layers)
    }
}

/// A number of things or bytes that was computed without overflow, cut at 2^62.
private func integer(_ value: Double) -> Int64 {
    value < 0x1p62 ? Int64(max(0, value)) : 1 << 62
}
