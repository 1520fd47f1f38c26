import Quantities

/// A node as the timeline shows it: a thread of its host.
public struct TimelineNode: Sendable, Equatable {
    /// Index of the node in the run; no two nodes share one.
    public var index: Int
    public var name: String
    /// Index of the host that the node is on, and its name if that is another than its number.
    public var host: Int
    public var hostName: String?
    /// Whether it has requests, a cache and a queue; expert nodes have none.
    public var servesRequests: Bool

    public init(index: Int, name: String, host: Int, hostName: String? = nil, servesRequests: Bool = true) {
        self.hostName = hostName
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

/// What is wrong with a node for a while, or happens to it at a time.
public struct FaultSpan: Sendable, Equatable {
    /// What a timeline calls it.
    public enum Kind: Sendable, CaseIterable {
        /// Its process is not there; a new one loads its weights; it stands still; it computes slowly; it has notice of its end.
        case killed, startUp, hung, slow, notice
        /// Its links are worse, or cut.
        case link, partition
        /// The failure detector misses it; it is there for others again. These take no time.
        case detected, back

        var isInstant: Bool { self == .detected || self == .back }
    }

    public var kind: Kind
    public var start: Instant
    public var end: Instant
    /// How much longer computing takes, in thousandths; 0 where it does not.
    public var slowdown: Int64

    public init(_ kind: Kind, start: Instant, end: Instant, slowdown: Int64 = 0) {
        self.kind = kind
        self.start = start
        self.end = end
        self.slowdown = slowdown
    }
}
