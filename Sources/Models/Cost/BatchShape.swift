/// What one iteration of an engine computes, as sums of integers (so the order of requests cannot matter).
public struct BatchShape: Sendable, Equatable {
    /// Prompt tokens computed in this iteration.
    public var prefillTokens: Int64 = 0
    /// Sum over prefill chunks of (tokens in the chunk) x (mean context that they attend to), i.e. attended token pairs:
    /// a chunk of `n` tokens after `c` computed ones attends to `n * c + n * (n + 1) / 2`.
    public var prefillPairs: Int64 = 0
    /// Prefill chunks in the batch.
    public var prefillRequests: Int64 = 0
    /// Requests that decode one token.
    public var decodeRequests: Int64 = 0
    /// Sum of the contexts of the decoding requests, in tokens.
    public var decodeContext: Int64 = 0

    public init() {}

    public init(prefillTokens: Int64, prefillPairs: Int64, prefillRequests: Int64, decodeRequests: Int64, decodeContext: Int64) {
        self.prefillTokens = prefillTokens
        self.prefillPairs = prefillPairs
        self.prefillRequests = prefillRequests
        self.decodeRequests = decodeRequests
        self.decodeContext = decodeContext
    }

    /// Tokens that pass through the weights.
    public var tokens: Int64 { prefillTokens + decodeRequests }

    /// Whether nothing is computed.
    public var isEmpty: Bool { tokens == 0 }

    /// Adds a prefill chunk of `tokens` after `context` tokens whose cache is there already.
    @inline(__always)
    public mutating func addPrefill(tokens: Int64, context: Int64) {
        prefillTokens += tokens
        prefillPairs += tokens * context + tokens * (tokens + 1) / 2
        prefillRequests += 1
    }

    /// Adds a request that decodes one token with `context` tokens of cache.
    @inline(__always)
    public mutating func addDecode(context: Int64) {
        decodeRequests += 1
        decodeContext += context
    }
}
