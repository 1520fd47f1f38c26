import Quantities

/// Times of the parts of one layer, where attention and experts of a mixture are on different ranks or wait for each other.
///
/// The operators are those of `Roofline`, taken apart; what differs is that a rank's experts are counted instead of expected. A rank with nothing
/// to compute takes no time. Accuracy against measurements stands in `Sources/Models/README.md`.
public struct ExpertCost: Sendable {
    /// Fixed cost in kernels of the experts of a rank: order by expert, two grouped products, activation, quantisation, order back, sum.
    static let groupedKernels = 7.0
    /// Fixed cost in kernels of the router: its product, scores, top-k.
    static let routerKernels = Roofline.expertKernels - groupedKernels

    let attention: Roofline
    let whole: Roofline
    private let layers: Double
    private let denseLayers: Double
    let expertLayers: Double
    private let router: Roofline.Product
    let launch: Double
    /// Nanoseconds of a layer's attention that do not depend on the batch, and for each token.
    private let attentionFixed: Double
    private let attentionPerToken: Double
    /// Nanoseconds of one expert's weights, and of the products and activations of one token in one expert.
    private let expertWeights: Double
    let expertCompute: Double
    let expertActivations: Double

    /// - Parameters:
    ///   - device: the device of the ranks that are asked about; make one of these for each kind of rank where they differ.
    ///   - attentionParallel: devices that divide attention, shared experts, dense layers and head of a rank.
    ///   - expertParallel: devices that divide each routed expert; 1 where every expert is whole on one device.
    public init(model: ModelShape, device: DeviceShape, attentionParallel: Int = 1, expertParallel: Int = 1) {
        whole = Roofline(model: model, device: device, tensorParallel: attentionParallel, pipelineParallel: 1)
        // Without experts of any number there is neither a mixture nor a dense network: what is left is attention.
        var bare = model
        bare.experts = ModelShape.Experts(count: 0, topK: 0, shared: 0, width: 0, denseLayers: 0)
        attention = Roofline(model: bare, device: device, tensorParallel: attentionParallel, pipelineParallel: 1)
        let divided = Roofline(model: model, device: device, tensorParallel: expertParallel, pipelineParallel: 1)
        let scale = Roofline.Scale(device: device, model: model)
        layers = Double(max(model.layers, 1))
        denseLayers = Double(max(model.denseLayers, 1))
        expertLayers = Double(max(model.expertLayers, 1))
        launch = scale.launch
        let experts = Double(model.experts?.count ?? 0)
        router = scale.product(parameters: Double(model.hidden) * experts, moved: Double(model.hidden) + experts)
        attentionFixed = attention.fixed / layers
        attentionPerToken = attention.perToken / layers
        let picked = Double(min(model.experts?.topK ?? 1, model.experts?.count ?? 1))
        expertWeights = divided.expertWeights / expertLayers
        expertCompute = divided.expertComputePerToken / (expertLayers * max(picked, 1))
        expertActivations = divided.expertActivationsPerToken / (expertLayers * max(picked, 1))
    }

    /// Attention of one layer on a rank, with its norms and, where it is divided, one all-reduce.
    ///
    /// Decoding counts the contexts of the rank's requests (`decodeContext`), a prompt its attended pairs. Where only some layers have a sliding
    /// window, this is the mean over layers.
    public func attentionTime(_ batch: BatchShape) -> Nanoseconds {
        guard !batch.isEmpty else { return 0 }
        let tokens = Double(batch.tokens)
        var total = attention.attentionInput.time(tokens) + attention.attentionExpand.time(tokens) + attention.attentionOutput.time(tokens)
        total += attention.attention(batch)
        return nanoseconds(fromNanoseconds: total / layers + attentionFixed + attentionPerToken * tokens + reduceTime(tokens))
    }

    /// The router of one layer on `tokens` tokens: its product, and the choice of experts.
    public func routerTime(tokens: Int64) -> Nanoseconds {
        guard tokens > 0 else { return 0 }
        return nanoseconds(fromNanoseconds: router.time(Double(tokens)) + Self.routerKernels * launch)
    }

    /// The routed experts of one layer on a rank.
    ///
    /// `max(2 n p / (F eff), d p w / (B eff) + activations) + 7 kernels` for `n` pairs of token and expert, `d` distinct experts hit, `p` parameters
    /// and `w` bytes an element.
    /// - Parameters:
    ///   - distinct: experts of the rank that at least one token picked.
    ///   - routed: tokens that they got, counted once for each expert.
    public func expertTime(distinct: Int, routed: Int64) -> Nanoseconds {
        guard routed > 0 else { return 0 }
        let pairs = Double(routed)
        let memory = expertWeights * Double(distinct) + expertActivations * pairs
        return nanoseconds(fromNanoseconds: max(expertCompute * pairs, memory) + Self.groupedKernels * launch)
    }

    /// The shared experts of one layer on `tokens` tokens; 0 for a model without.
    public func sharedExpertTime(tokens: Int64) -> Nanoseconds {
        let products = whole.sharedUp.time(Double(max(tokens, 0))) + whole.sharedDown.time(Double(max(tokens, 0)))
        guard tokens > 0, products > 0 else { return 0 }
        return nanoseconds(fromNanoseconds: products / expertLayers + 2 * launch)
    }

    /// The feed-forward network of one dense layer, with its all-reduce where it is divided; 0 for a model without dense layers.
    public func denseTime(tokens: Int64) -> Nanoseconds {
        let products = whole.denseUp.time(Double(max(tokens, 0))) + whole.denseDown.time(Double(max(tokens, 0)))
        guard tokens > 0, products > 0 else { return 0 }
        return nanoseconds(fromNanoseconds: products / denseLayers + 2 * launch + reduceTime(Double(tokens)))
    }

    /// The language-model head on `rows` tokens that an output is sampled for.
    public func headTime(rows: Int64) -> Nanoseconds {
        guard rows > 0 else { return 0 }
        return nanoseconds(fromNanoseconds: whole.head.time(Double(rows)) + whole.headFixed)
    }

    /// One all-reduce; a layer has two.
    private func reduceTime(_ tokens: Double) -> Double {
        let oneStep = attention.reduceFixed + attention.reducePerToken * tokens
        let bulk = attention.bulkReduceFixed + attention.bulkReducePerToken * tokens
        return min(oneStep, bulk) / (2 * layers)
    }
}

/// How activations travel between attention and experts, and what they take there.
public enum ActivationFormat: Sendable, Equatable, CaseIterable {
    /// Two bytes an element.
    case bf16
    /// One byte an element, and a scale of four bytes for each 128 (DeepEP dispatch).
    case fp8
    /// One byte an element, and a scale of four bytes for the token (CloudMatrix dispatch).
    case int8

    /// Bytes of one token's hidden state.
    public func bytes(hidden: Int) -> ByteCount {
        switch self {
        case .bf16: 2 * ByteCount(hidden)
        case .fp8: ByteCount(hidden) + 4 * ByteCount((hidden + 127) / 128)
        case .int8: ByteCount(hidden) + 4
        }
    }
}

extension ModelShape {
    /// Bytes of one routed expert's weights in one layer: what moving a replica costs.
    public var expertBytes: ByteCount { ByteCount((Double(expertParameters) * expertElementBytes).rounded(.up)) }
}
