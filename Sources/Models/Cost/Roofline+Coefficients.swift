import Quantities

extension Roofline {
    /// Devices of a host.
    private static let hostDevices = 8

    /// Works out the coefficients of a model on `tensorParallel` x `pipelineParallel` devices.
    init(model: ModelShape, device: DeviceShape, tensorParallel: Int, pipelineParallel: Int) {
        let ranks = Double(max(tensorParallel, 1))
        let stages = Double(max(pipelineParallel, 1))
        let scale = Scale(device: device, model: model)
        let layers = Double(model.layers)
        let hidden = Double(model.hidden)

        setAttention(model, device: device, scale: scale, tensorParallel: max(tensorParallel, 1))
        setDense(model, scale: scale, ranks: ranks)
        setExperts(model, scale: scale, ranks: ranks)
        head = scale.product(parameters: hidden * Double(model.vocabulary) / ranks, moved: hidden + Double(model.vocabulary) / ranks)
        headFixed = scale.launch

        // Two norms with their residuals read and write four vectors each; activations are kept in two bytes and not divided over ranks.
        perToken += layers * 8 * hidden * scale.activation
        fixed += layers * Self.elementwiseKernels * scale.launch
        if ranks > 1 {
            // A group that is larger than a host is as fast as its network cards.
            let link = Double(tensorParallel > Self.hostDevices ? device.nicBandwidth : device.scaleUpBandwidth)
            let bytes = 2 * (ranks - 1) / ranks * hidden * Scale.activationBytes / link * 1e9
            reduceFixed = 2 * layers * Double(device.collectiveLatency)
            reducePerToken = 2 * layers * bytes / device.collectiveEfficiency
            bulkReduceFixed = 2 * layers * Double(device.bulkCollectiveLatency)
            bulkReducePerToken = 2 * layers * bytes / device.bulkCollectiveEfficiency
        }
        if stages > 1 {
            fixed += (stages - 1) * Self.hopLatency
            let bytes = hidden * Scale.activationBytes
            perToken += (stages - 1) * bytes / (Double(device.nicBandwidth) * Self.hopEfficiency) * 1e9
        }
    }

    /// Nanoseconds for one unit of each kind of work on the device.
    struct Scale {
        static let activationBytes = 2.0

        /// Nanoseconds of one floating-point operation in a product with weights, in attention (two-byte elements), and with experts.
        let weightFlop: Double
        let attentionFlop: Double
        let expertFlop: Double
        /// Nanoseconds of one byte of memory traffic, of one byte of cache read by attention, and of one activation element.
        let byte: Double
        let cacheByte: Double
        let activation: Double
        /// Nanoseconds of a kernel's fixed cost.
        let launch: Double
        let weightBytes: Double

        init(device: DeviceShape, model: ModelShape) {
            // One-byte weights are multiplied at the one-byte rate where there is one. Smaller formats are widened on the way: two-byte rate.
            let peak = model.weightElementBytes == 1 && device.flops8 > 0 ? device.flops8 : device.flops16
            let expertPeak = model.expertElementBytes == 1 && device.flops8 > 0 ? device.flops8 : device.flops16
            weightFlop = 1e9 / (peak * device.computeEfficiency)
            attentionFlop = 1e9 / (device.flops16 * device.prefillAttentionEfficiency)
            expertFlop = 1e9 / (expertPeak * device.expertEfficiency)
            byte = 1e9 / (Double(device.memoryBandwidth) * device.memoryEfficiency)
            cacheByte = 1e9 / (Double(device.memoryBandwidth) * device.decodeAttentionEfficiency)
            activation = Self.activationBytes * byte
            launch = Double(device.launchOverhead)
            weightBytes = model.weightElementBytes
        }

        /// A product with `parameters` weights, in `layers` layers, that reads and writes `moved` activation elements for each row.
        func product(parameters: Double, moved: Double, layers: Double = 1) -> Product {
            Product(
                computePerRow: layers * 2 * parameters * weightFlop, weights: layers * parameters * weightBytes * byte,
                activationsPerRow: layers * moved * activation)
        }
    }

    private mutating func setAttention(_ model: ModelShape, device: DeviceShape, scale: Scale, tensorParallel: Int) {
        let layers = Double(model.layers)
        let ranks = Double(tensorParallel)
        let hidden = Double(model.hidden)
        let heads = Double(model.queryHeads) / ranks
        let wide = heads * Double(model.headDimension)
        let cached = model.cacheElements(tensorParallel: tensorParallel)
        // Floating-point operations of one attended pair: a product for the score and one for the value.
        var promptFlops = 4 * wide
        var decodeFlops = 4 * wide

        switch model.attention {
        case .grouped:
            attentionInput = scale.product(parameters: hidden * (wide + cached), moved: hidden + wide + cached, layers: layers)
            attentionOutput = scale.product(parameters: wide * hidden, moved: wide + hidden, layers: layers)
            fixed += layers * 2 * scale.launch
        case .factorised(let queryRank):
            let rank = Double(queryRank)
            attentionInput = scale.product(parameters: hidden * (rank + cached), moved: hidden + rank + cached, layers: layers)
            attentionExpand = scale.product(parameters: rank * wide, moved: rank + wide, layers: layers)
            attentionOutput = scale.product(parameters: wide * hidden, moved: wide + hidden, layers: layers)
            fixed += layers * 3 * scale.launch
        case .latent(let queryRank, let latentRank, let ropeDimension, let nopeDimension, let valueDimension):
            // The compressions serve all heads and are repeated on every rank. While decoding, the expansion is absorbed into query and output.
            let (rank, latent, rope) = (Double(queryRank), Double(latentRank), Double(ropeDimension))
            let (nope, value) = (Double(nopeDimension), Double(valueDimension))
            let narrow = rank + latent + rope
            let expand = rank * heads * (nope + rope) + latent * heads * (nope + value)
            attentionInput = scale.product(parameters: hidden * narrow, moved: hidden + narrow, layers: layers)
            attentionExpand = scale.product(parameters: expand, moved: narrow + heads * (2 * nope + rope + value), layers: layers)
            attentionOutput = scale.product(parameters: heads * value * hidden, moved: heads * value + hidden, layers: layers)
            promptFlops = heads * 2 * (nope + rope + value)
            decodeFlops = heads * 2 * (2 * latent + rope)
            fixed += layers * 4 * scale.launch
        }

        fixed += layers * Double(device.attentionOverhead)
        let sliding = model.slidingWindow > 0 ? Double(min(model.slidingLayers, model.layers)) : 0
        let cacheRead = cached * model.cacheElementBytes * scale.cacheByte
        promptPair = (layers - sliding) * promptFlops * scale.attentionFlop
        decodeRead = (layers - sliding) * cacheRead
        decodeCompute = (layers - sliding) * decodeFlops * scale.attentionFlop
        guard sliding > 0 else { return }
        window = Double(model.slidingWindow)
        slidingPromptPair = sliding * promptFlops * scale.attentionFlop
        slidingDecodeRead = sliding * cacheRead
        slidingDecodeCompute = sliding * decodeFlops * scale.attentionFlop
    }

    private mutating func setDense(_ model: ModelShape, scale: Scale, ranks: Double) {
        let layers = Double(model.denseLayers)
        guard layers > 0 else { return }
        (denseUp, denseDown) = Self.feedForward(model, width: Double(model.feedForward) / ranks, layers: layers, scale: scale)
        fixed += layers * 2 * scale.launch
    }

    private mutating func setExperts(_ model: ModelShape, scale: Scale, ranks: Double) {
        guard let mixture = model.experts, mixture.count > 0, model.expertLayers > 0 else { return }
        let layers = Double(model.expertLayers)
        let parameters = Double(model.expertParameters) / ranks
        let picked = Double(min(mixture.topK, mixture.count))
        experts = Double(mixture.count)
        missed = 1 - picked / experts
        expertWeights = layers * parameters * model.expertElementBytes * scale.byte
        expertComputePerToken = layers * picked * 2 * parameters * scale.expertFlop
        // Copies in and out in token order and in expert order, and the width of the experts written, activated and read.
        let moved = 4 * Double(model.hidden) + 2 * Double(model.feedForwardMatrices) * Double(mixture.width)
        expertActivationsPerToken = layers * picked * moved / ranks * scale.activation
        fixed += layers * Self.expertKernels * scale.launch
        guard mixture.shared > 0 else { return }
        let width = Double(mixture.shared) * Double(mixture.width) / ranks
        (sharedUp, sharedDown) = Self.feedForward(model, width: width, layers: layers, scale: scale)
        fixed += layers * 2 * scale.launch
    }

    /// The products of a feed-forward network up to its width (with the gate, where there is one) and down again.
    private static func feedForward(_ model: ModelShape, width: Double, layers: Double, scale: Scale) -> (up: Product, down: Product) {
        let hidden = Double(model.hidden)
        let inputs = Double(model.feedForwardMatrices) - 1
        let up = scale.product(parameters: inputs * hidden * width, moved: hidden + inputs * width, layers: layers)
        // The activation function reads what was written and writes what is read here: `inputs + 1` vectors more.
        return (up, scale.product(parameters: width * hidden, moved: (inputs + 2) * width + hidden, layers: layers))
    }
}
