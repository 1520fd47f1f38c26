import Quantities

/// A node as the timeline shows it: a thread of its host.
public struct TimelineNode: Sendable, Equatable {
    /// Index of the node in the run; no two nodes share one.
    public var index: Int
    public var name: String
    /// Index of the host that the node is on.
    public var host: Int
    /// Whether it has requests, a cache and a queue; expert nodes have none.
    public var servesRequests: Bool

    public init(index: Int, name: String, host: Int, servesRequests: Bool = true) {
        self.index = index
        self.name = name
        self.host = host
        self.servesRequests = servesRequests
    }

    /// The largest index of a node or a host that the timeline can tell apart from others.
    static let indexLimit = 1 << 24
}

/// One iteration of a worker's engine.
public struct IterationSpan: Sendable, Equatable {
    public var start: Instant
    public var end: Instant
    /// Prompt tokens computed.
    public var prefillTokens: Int
    /// Requests that got a token.
    public var decodeRequests: Int
    /// Cache blocks in use while it ran.
    public var kvBlocks: Int
    /// Requests that waited while it ran.
    public var waiting: Int
    /// Pairs of token and expert computed, and time idle at barriers, on a rank that shares its layers with others.
    public var routedTokens = 0
    public var idle: Nanoseconds = 0

    public init(start: Instant, end: Instant, prefillTokens: Int, decodeRequests: Int, kvBlocks: Int, waiting: Int) {
        self.start = start
        self.end = end
        self.prefillTokens = prefillTokens
        self.decodeRequests = decodeRequests
        self.kvBlocks = kvBlocks
        self.waiting = waiting
    }
}

/// One layer of one micro-batch on one rank: attention, or experts.
public struct LayerSpan: Sendable, Equatable {
    public var start: Instant
    public var end: Instant
    public var isAttention: Bool
    /// Place among the layers with experts.
    public var layer: Int
    /// Tokens attended to, or pairs of token and expert.
    public var tokens: Int

    public init(start: Instant, end: Instant, isAttention: Bool, layer: Int, tokens: Int) {
        self.start = start
        self.end = end
        self.isAttention = isAttention
        self.layer = layer
        self.tokens = tokens
    }
}

/// One transfer of a request's cache, as its receiver saw it.
public struct TransferSpan: Sendable, Equatable {
    public var start: Instant
    public var end: Instant
    /// The request's number.
    public var request: Int
    /// Bytes that the transfer stands for.
    public var bytes: ByteCount

    public init(start: Instant, end: Instant, request: Int, bytes: ByteCount) {
        self.start = start
        self.end = end
        self.request = request
        self.bytes = bytes
    }
}
