import Quantities

/// An operator that is bound by arithmetic or by memory, in nanoseconds over all layers that have it.
///
/// `t(n) = max(c n, w + a n)` with `n` the tokens: `c` the arithmetic of a token, `w` reading the weights, `a` a token's activations.
struct Operator: Sendable, Equatable {
    var computePerToken = 0.0
    var weights = 0.0
    var activationPerToken = 0.0

    @inline(__always)
    func time(_ tokens: Double) -> Double {
        let compute = computePerToken * tokens
        let memory = weights + activationPerToken * tokens
        return compute > memory ? compute : memory
    }

    /// The same with `share` of the weights read and the arithmetic of `tokens` tokens.
    @inline(__always)
    func time(_ tokens: Double, weightShare share: Double) -> Double {
        let compute = computePerToken * tokens
        let memory = weights * share + activationPerToken * tokens
        return compute > memory ? compute : memory
    }
}

/// Time of an iteration by a roofline of each operator (Williams et al., CACM 2009): the longer of arithmetic and memory traffic.
///
/// All coefficients are times in nanoseconds, made once; an iteration costs some dozens of additions, multiplications and comparisons.
/// These are rounded each on its own (never fused) and in one order, so every machine gets the same bits. All coefficients are at least
/// 0, so the time grows with every number of the batch, which `CostModel.minimumIterationTime` rests on.
///
/// Operators of a layer: QKV and output projection; gate/up and down projection, or router, shared and routed experts; attention of the
/// prompts (arithmetic of the attended pairs) and of the decoding requests (reading their cache); norms, rotary embedding and activation
/// (memory traffic). Then the language-model head, for one token of each request. Two all-reduces a layer with tensor parallelism
/// (Megatron-LM, arXiv 1909.08053), one hop a stage with pipeline parallelism. Formulas: sections 0.2 and 0.3 of the notes cited in
/// README.md; factors and their errors: there as well.
struct Roofline: Sendable, Equatable {
    /// Projections: low-rank ones that every device computes, heads, output; then the feed-forward network or shared experts.
    private var shared = Operator()
    private var heads = Operator()
    private var output = Operator()
    private var gateUp = Operator()
    private var down = Operator()
    private var sharedGateUp = Operator()
    private var sharedDown = Operator()
    private var router = Operator()
    private var routed = Operator()
    private var head = Operator()

    /// Norms, rotary embedding and activations of a token; and its share of all-reduces and hops between stages.
    private var elementwise = 0.0
    private var communication = 0.0
    /// Kernel launches and collective latency of any iteration.
    private var fixed = 0.0
    /// Kernel launches of attention over prompts, and over the cache.
    private var prefillLaunch = 0.0
    private var decodeLaunch = 0.0

    /// An attended pair in all layers without and with a sliding window.
    private var pair = 0.0
    private var slidingPair = 0.0
    /// A token of cache read, arithmetic and traffic, likewise.
    private var cacheToken = 0.0
    private var slidingCacheToken = 0.0
    private var window = 0.0

    /// Experts, and the share of them that one token does not pick.
    private var expertCount = 0.0
    private var unpicked = 1.0
    private var hasExperts = false

    init(model: ModelShape, device: DeviceShape, tensorParallel: Int, pipelineParallel: Int) {
        let tensorParallel = max(1, tensorParallel)
        let pipelineParallel = max(1, pipelineParallel)
        let rates = Rates(device: device)
        setProjections(model, rates, tensorParallel)
        setAttention(model, rates, tensorParallel)
        setElementwise(model, rates, tensorParallel)
        setCommunication(model, device, tensorParallel, pipelineParallel)
        setLaunches(model, device)
    }

    /// Time in nanoseconds of a batch that is not empty.
    @inline(__always)
    func time(_ batch: BatchShape) -> Double {
        let tokens = Double(batch.tokens)
        var time = fixed + (elementwise + communication) * tokens
        time += shared.time(tokens) + heads.time(tokens) + output.time(tokens)
        time += gateUp.time(tokens) + down.time(tokens)
        time += head.time(Double(batch.prefillRequests + batch.decodeRequests))
        if hasExperts {
            time += router.time(tokens) + sharedGateUp.time(tokens) + sharedDown.time(tokens)
            time += routed.time(tokens, weightShare: hitShare(batch.tokens))
        }
        if batch.prefillTokens > 0 {
            let pairs = Double(batch.prefillPairs)
            let inWindow = Double(batch.prefillTokens) * window
            time += prefillLaunch + pair * pairs + slidingPair * (inWindow < pairs ? inWindow : pairs)
        }
        if batch.decodeRequests > 0 {
            let context = Double(batch.decodeContext)
            let inWindow = Double(batch.decodeRequests) * window
            time += decodeLaunch + cacheToken * context + slidingCacheToken * (inWindow < context ? inWindow : context)
        }
        return time
    }

    /// Expected share of the experts of a layer that `tokens` tokens hit, each picking `K` of `E` at random: `1 - (1 - K/E)^n`.
    @inline(__always)
    private func hitShare(_ tokens: Int64) -> Double {
        var left = tokens
        var square = unpicked
        var missed = 1.0
        while left > 0, square > 0 {
            if left & 1 == 1 { missed *= square }
            square *= square
            left >>= 1
        }
        return left > 0 ? 1 : 1 - missed
    }
}

/// What a device reaches, in nanoseconds for one floating-point operation or one byte.
private struct Rates {
    private let device: DeviceShape
    /// A byte of memory traffic.
    let byte: Double
    /// A byte of cache read by decoding attention.
    let cacheByte: Double
    /// An operation of attention over prompts, and of attention over the cache.
    let prefillAttention: Double
    let decodeAttention: Double

    init(device: DeviceShape) {
        self.device = device
        byte = 1e9 / (Double(device.memoryBandwidth) * device.memoryEfficiency)
        cacheByte = 1e9 / (Double(device.memoryBandwidth) * device.decodeAttentionEfficiency)
        prefillAttention = 1e9 / (device.flops16 * device.prefillAttentionEfficiency)
        decodeAttention = 1e9 / (device.flops16 * device.computeEfficiency)
    }

    /// An operation of a matrix product with weights of `elementBytes`: at the one-byte peak only for one-byte elements where the device
    /// has one; narrower weights are widened before they are multiplied.
    func operation(elementBytes: Double) -> Double {
        let peak = elementBytes == 1 && device.flops8 > 0 ? device.flops8 : device.flops16
        return 1e9 / (peak * device.computeEfficiency)
    }

    /// A matrix product with `parameters` weights, in `layers` layers, split over `share` devices; `width` elements of two bytes are
    /// read and written for each token.
    func product(parameters: Double, elementBytes: Double, width: Double, layers: Double) -> Operator {
        Operator(
            computePerToken: 2 * parameters * operation(elementBytes: elementBytes) * layers,
            weights: parameters * elementBytes * byte * layers,
            activationPerToken: 2 * width * byte * layers)
    }
}

extension Roofline {
    private mutating func setProjections(_ model: ModelShape, _ rates: Rates, _ tensorParallel: Int) {
        let split = Double(tensorParallel)
        let hidden = Double(model.hidden)
        let layers = Double(model.layers)
        let bytes = model.weightElementBytes
        func product(_ parameters: Double, _ width: Double, _ layers: Double) -> Operator {
            rates.product(parameters: parameters, elementBytes: bytes, width: width, layers: layers)
        }
        if model.sharedProjection > 0 { shared = product(model.sharedProjection, hidden + model.sharedProjection / hidden, layers) }
        heads = product(model.headProjection / split, hidden + model.headProjection / hidden / split, layers)
        output = product(model.outputProjection / split, hidden + model.outputProjection / hidden / split, layers)
        head = product(hidden * Double(model.vocabulary) / split, hidden + Double(model.vocabulary) / split, 1)

        /// Gate and up projection together, and the down projection, of a network of this width.
        func network(width: Double, layers: Double) -> (Operator, Operator) {
            let up = Double(model.feedForwardMatrices - 1)
            return (
                product(up * hidden * width / split, hidden + up * width / split, layers),
                product(hidden * width / split, hidden + width / split, layers)
            )
        }
        let denseLayers = model.layers - model.expertLayers
        if denseLayers > 0 { (gateUp, down) = network(width: Double(model.feedForward), layers: Double(denseLayers)) }
        guard let experts = model.experts, experts.count > 0 else { return }
        let expertLayers = Double(model.expertLayers)
        hasExperts = true
        expertCount = Double(experts.count)
        unpicked = 1 - min(1, Double(experts.topK) / expertCount)
        if experts.shared > 0 { (sharedGateUp, sharedDown) = network(width: Double(experts.shared * experts.width), layers: expertLayers) }
        router = product(hidden * expertCount, hidden + expertCount, expertLayers)
        // Split over the devices by width or by expert alike: balanced load. Each picked expert reads and writes a token's state.
        let one = Double(model.expertParameters) / split
        let picked = Double(experts.topK)
        let width = picked * (2 * hidden + Double(model.feedForwardMatrices) * Double(experts.width)) / split
        routed = rates.product(parameters: one * picked, elementBytes: model.expertElementBytes, width: width, layers: expertLayers)
        routed.weights *= expertCount / max(1, picked)
    }

    private mutating func setAttention(_ model: ModelShape, _ rates: Rates, _ tensorParallel: Int) {
        let sliding = Double(min(model.slidingLayers, model.layers))
        let full = Double(model.layers) - sliding
        let queryHeads = Double(model.queryHeads) / Double(tensorParallel)
        let (prefillWidth, decodeWidth): (Double, Double)
        switch model.attention {
        case .grouped, .factorised:
            prefillWidth = 2 * Double(model.headDimension)
            decodeWidth = prefillWidth
        case .latent(_, let latentRank, let ropeDimension, let nopeDimension, let valueDimension):
            // Prompts are computed with full heads, decoding with the latent vector as key and value (absorbed projections).
            prefillWidth = Double(nopeDimension + ropeDimension + valueDimension)
            decodeWidth = Double(2 * latentRank + ropeDimension)
        }
        let pairTime = 2 * queryHeads * prefillWidth * rates.prefillAttention
        let arithmetic = 2 * queryHeads * decodeWidth * rates.decodeAttention
        let traffic =
            model.cacheElements * model.cacheElementBytes * model.cacheShare(tensorParallel: tensorParallel) * rates.cacheByte
        pair = pairTime * full
        slidingPair = pairTime * sliding
        cacheToken = max(arithmetic, traffic) * full
        slidingCacheToken = max(arithmetic, traffic) * sliding
        window = Double(model.slidingWindow)
    }

    /// Two norms with the residual (each reads and writes two states), rotary embedding (queries and keys) and activation.
    private mutating func setElementwise(_ model: ModelShape, _ rates: Rates, _ tensorParallel: Int) {
        let split = Double(tensorParallel)
        let rotary = 2 * Double(model.queryHeads + model.kvHeads) * Double(model.headDimension) / split
        let activations = Double(model.feedForwardMatrices) / split
        let dense = activations * Double(model.feedForward) * Double(model.layers - model.expertLayers)
        var experts = 0.0
        if let shape = model.experts { experts = activations * Double((shape.topK + shape.shared) * shape.width) * Double(model.expertLayers) }
        let elements = Double(model.layers) * (8 * Double(model.hidden) + rotary) + dense + experts
        elementwise = 2 * elements * rates.byte
    }

    /// Devices of a host; groups that are larger use the network cards.
    private static let hostDevices = 8

    /// An all-reduce of `b` bytes over `t` devices takes `alpha + 2 (t - 1) / t b / B`, two a layer.
    private mutating func setCommunication(_ model: ModelShape, _ device: DeviceShape, _ tensorParallel: Int, _ pipelineParallel: Int) {
        let state = 2 * Double(model.hidden)
        let isWide = tensorParallel > Self.hostDevices
        if tensorParallel > 1 {
            let rate = Double(isWide ? device.nicBandwidth : device.scaleUpBandwidth) * device.collectiveEfficiency
            let share = 2 * Double(tensorParallel - 1) / Double(tensorParallel)
            communication = 2 * Double(model.layers) * share * state * 1e9 / rate
            fixed += 2 * Double(model.layers) * Double(device.collectiveLatency) * (isWide ? 2 : 1)
        }
        if pipelineParallel > 1 {
            let crosses = tensorParallel * pipelineParallel > Self.hostDevices
            let rate = Double(crosses ? device.nicBandwidth : device.scaleUpBandwidth) * Double(tensorParallel)
            communication += Double(pipelineParallel - 1) * state * 1e9 / rate
            fixed += Double(pipelineParallel - 1) * Double(device.collectiveLatency)
        }
    }

    /// Kernels of a layer besides attention: four products and two norms, rotary embedding, activation; experts add router, choice and
    /// the gathering of results. Attention is one kernel for each phase in the batch.
    private mutating func setLaunches(_ model: ModelShape, _ device: DeviceShape) {
        let launch = Double(device.launchOverhead)
        let layers = Double(model.layers)
        let low = model.sharedProjection > 0 ? 2.0 : 0
        let expertKernels = 3.0 + (model.experts.map { $0.shared > 0 ? 2.0 : 0 } ?? 0)
        fixed += launch * (layers * (8 + low) + Double(model.expertLayers) * expertKernels + 1)
        prefillLaunch = launch * layers
        decodeLaunch = launch * layers
    }
}
