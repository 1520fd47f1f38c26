import Quantities

/// Time of one iteration from peaks and bandwidths, operator by operator:
/// `max(flops / (F eff), bytes / (B eff)) + fixed cost`, with every coefficient worked out beforehand.
///
/// All coefficients are nanoseconds over all layers, and none is negative, so the time grows with every component of a batch. `Double` with
/// + - * / and max only: the same bits on every machine.
struct Roofline: Sendable, Equatable {
    /// A product with weights: compute grows with the rows; memory traffic is the weights, and activations for each row.
    struct Product: Sendable, Equatable {
        var computePerRow = 0.0
        var weights = 0.0
        var activationsPerRow = 0.0

        @inline(__always)
        func time(_ rows: Double) -> Double { max(computePerRow * rows, weights + activationsPerRow * rows) }
    }

    /// Causal attention counts pairs by tile: each prompt token costs as much as this many attended tokens more than it attends to
    /// (512, fitted to 476 measured kernels; it also covers writing the cache and the rotation).
    static let promptTile = 512.0
    /// Paged attention reads the cache by block: each decoding request costs this many tokens of context more (fitted to 628 kernels).
    static let decodeTile = 128.0
    /// Kernels of a layer that only move activations: two norms, residual, activation, quantisation or copies.
    static let elementwiseKernels = 6.0
    /// Fixed cost of the experts of a layer in kernels: router, top-k, sorting, two grouped products, un-sorting (30 us measured).
    static let expertKernels = 10.0
    /// Handing activations to the next pipeline stage: 25 us, 0.75 of the port (fitted to send and receive between H100 nodes).
    static let hopLatency = 25_000.0
    static let hopEfficiency = 0.75

    var fixed = 0.0
    var perToken = 0.0
    var attentionInput = Product()
    var attentionExpand = Product()
    var attentionOutput = Product()
    var denseUp = Product()
    var denseDown = Product()
    var sharedUp = Product()
    var sharedDown = Product()
    var head = Product()
    var headFixed = 0.0

    // Attention: full layers, and layers that see a window.
    var promptPair = 0.0
    var slidingPromptPair = 0.0
    var decodeRead = 0.0
    var decodeCompute = 0.0
    var slidingDecodeRead = 0.0
    var slidingDecodeCompute = 0.0
    var window = 0.0

    // Experts: compute and activations for each token, weights of one expert, share of experts that a token leaves alone.
    var expertComputePerToken = 0.0
    var expertActivationsPerToken = 0.0
    var expertWeights = 0.0
    var experts = 0.0
    var missed = 0.0

    // The two all-reduces of every layer, as the faster of a one-step and a bulk algorithm.
    var reduceFixed = 0.0
    var reducePerToken = 0.0
    var bulkReduceFixed = 0.0
    var bulkReducePerToken = 0.0

    /// The time of a batch in nanoseconds, before rounding.
    @inline(__always)
    func time(_ batch: BatchShape) -> Double {
        let tokens = Double(batch.tokens)
        var total = fixed + perToken * tokens
        total += attentionInput.time(tokens) + attentionExpand.time(tokens) + attentionOutput.time(tokens)
        total += denseUp.time(tokens) + denseDown.time(tokens)
        total += head.time(Double(batch.decodeRequests + batch.prefillRequests)) + headFixed
        total += min(reduceFixed + reducePerToken * tokens, bulkReduceFixed + bulkReducePerToken * tokens)
        total += attention(batch)
        if experts > 0 {
            total += sharedUp.time(tokens) + sharedDown.time(tokens)
            let weights = expertWeights * expertsHit(batch.tokens)
            total += max(expertComputePerToken * tokens, weights + expertActivationsPerToken * tokens)
        }
        return total
    }

    @inline(__always)
    func attention(_ batch: BatchShape) -> Double {
        let prompt = Double(batch.prefillTokens)
        let requests = Double(batch.decodeRequests)
        let pairs = Double(batch.prefillPairs)
        let context = Double(batch.decodeContext)
        let read = context + Self.decodeTile * requests
        var total = promptPair * (pairs + Self.promptTile * prompt) + max(decodeRead * read, decodeCompute * context)
        if window > 0 {
            // Only sums are known. A request cannot attend to more than its context or the window, so both sums bound the attended tokens.
            let seenPairs = min(pairs, window * prompt)
            let seen = min(context, window * requests)
            total += slidingPromptPair * (seenPairs + Self.promptTile * prompt)
            total += max(slidingDecodeRead * (seen + Self.decodeTile * requests), slidingDecodeCompute * seen)
        }
        return total
    }

    /// Experts that at least one of `tokens` tokens picks, in expectation and with all experts equally likely: `E (1 - (1 - K/E)^n)`.
    @inline(__always)
    func expertsHit(_ tokens: Int64) -> Double {
        var power = 1.0
        var square = missed
        var left = tokens
        while left > 0 && square > 0x1p-60 {
            if left & 1 == 1 { power *= square }
            square *= square
            left >>= 1
        }
        return left > 0 ? experts : experts * (1 - power)
    }
}
