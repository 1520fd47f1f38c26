import Quantities

/// The numbers of a transformer that its memory and its time depend on.
public struct ModelShape: Sendable, Equatable {
    /// How attention keeps its cache.
    public enum Attention: Sendable, Equatable {
        /// Multi-head or grouped-query attention: `kvHeads` keys and values of `headDimension` each.
        case grouped
        /// Multi-head latent attention (DeepSeek): one compressed vector of `latentRank + ropeDimension` a token and layer.
        case latent(queryRank: Int, latentRank: Int, ropeDimension: Int, nopeDimension: Int, valueDimension: Int)
        /// Multi-matrix factorisation attention (Step-3): one shared head for keys and values, query of low rank.
        case factorised(queryRank: Int)
    }

    /// The experts of a mixture-of-experts model.
    public struct Experts: Sendable, Equatable {
        /// Routed experts in a layer.
        public var count: Int
        /// Experts that a token picks.
        public var topK: Int
        /// Experts that every token passes through.
        public var shared: Int
        /// Width of one expert's feed-forward network.
        public var width: Int
        /// Layers with a dense feed-forward network instead.
        public var denseLayers: Int
        /// Bytes of one weight element of an expert where it differs from the model's (MXFP4 experts of gpt-oss); `nil` where not.
        public var weightElementBytes: Double?

        public init(count: Int, topK: Int, shared: Int, width: Int, denseLayers: Int, weightElementBytes: Double? = nil) {
            self.count = count
            self.topK = topK
            self.shared = shared
            self.width = width
            self.denseLayers = denseLayers
            self.weightElementBytes = weightElementBytes
        }
    }

    public var name: String
    public var layers: Int
    /// Width of the hidden state.
    public var hidden: Int
    public var queryHeads: Int
    public var kvHeads: Int
    public var headDimension: Int
    /// Width of the dense feed-forward network; 0 when every layer has experts.
    public var feedForward: Int
    /// Matrices of a feed-forward network: 3 with a gate (gate, up, down), 2 without.
    public var feedForwardMatrices: Int
    public var vocabulary: Int
    /// Whether the language-model head is the embedding table, so that its weights are held once.
    public var tiedEmbeddings: Bool
    public var attention: Attention
    public var experts: Experts?
    /// Bytes of one weight element (2 for BF16, 1 for FP8, fractions for 4-bit formats).
    public var weightElementBytes: Double
    /// Bytes of one cache element.
    public var cacheElementBytes: Double
    /// Longest sequence that the model was made for, in tokens.
    public var contextLimit: Int
    /// Layers whose attention sees only the last `window` tokens, and that window; 0 where there are none.
    public var slidingLayers: Int
    public var slidingWindow: Int
    /// Where the numbers come from.
    public var source: String

    public init(
        name: String, layers: Int, hidden: Int, queryHeads: Int, kvHeads: Int, headDimension: Int, feedForward: Int, vocabulary: Int,
        attention: Attention = .grouped, experts: Experts? = nil, weightElementBytes: Double = 2, cacheElementBytes: Double = 2,
        contextLimit: Int, slidingLayers: Int = 0, slidingWindow: Int = 0,
        feedForwardMatrices: Int = 3, tiedEmbeddings: Bool = false, source: String
    ) {
        self.name = name
        self.layers = layers
        self.hidden = hidden
        self.queryHeads = queryHeads
        self.kvHeads = kvHeads
        self.headDimension = headDimension
        self.feedForward = feedForward
        self.vocabulary = vocabulary
        self.attention = attention
        self.experts = experts
        self.weightElementBytes = weightElementBytes
        self.cacheElementBytes = cacheElementBytes
        self.contextLimit = contextLimit
        self.slidingLayers = slidingLayers
        self.slidingWindow = slidingWindow
        self.feedForwardMatrices = feedForwardMatrices
        self.tiedEmbeddings = tiedEmbeddings
        self.source = source
    }
}
