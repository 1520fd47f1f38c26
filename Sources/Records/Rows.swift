import Quantities

/// How a request ended.
public enum RequestStatus: String, Sendable {
    case done, rejected, failed
}

/// A row of `requests.csv`: one request, written when it ends.
public struct RequestRow: Sendable {
    /// The header line.
    public static let header = """
        id,arrival_s,prompt_tokens,output_tokens,prefill_node,decode_node,prefill_start_s,first_token_s,finish_s,status,restarts,preemptions,\
        cached_tokens,kv_transfer_s

        """

    public var id: Int64
    public var arrival: Instant
    public var promptTokens: Int32
    public var outputTokens: Int32
    /// Node names; empty where the request never got so far.
    public var prefillNode: String
    public var decodeNode: String
    /// Negative where the request never got so far; the field is then empty.
    public var prefillStart: Instant
    public var firstToken: Instant
    public var finish: Instant
    public var status: RequestStatus
    public var restarts: Int32
    public var preemptions: Int32
    public var cachedTokens: Int32
    public var kvTransfer: Nanoseconds

    public init(id: Int64, arrival: Instant, promptTokens: Int32, outputTokens: Int32, finish: Instant, status: RequestStatus) {
        self.id = id
        self.arrival = arrival
        self.promptTokens = promptTokens
        self.outputTokens = outputTokens
        self.finish = finish
        self.status = status
        prefillNode = ""
        decodeNode = ""
        prefillStart = -1
        firstToken = -1
        restarts = 0
        preemptions = 0
        cachedTokens = 0
        kvTransfer = 0
    }

    /// Appends the row.
    public func write(to text: inout TextBuffer) {
        let comma = UInt8(ascii: ",")
        text.append(id)
        text.append(ascii: comma)
        text.append(seconds: arrival)
        text.append(ascii: comma)
        text.append(Int64(promptTokens))
        text.append(ascii: comma)
        text.append(Int64(outputTokens))
        text.append(ascii: comma)
        text.append(prefillNode)
        text.append(ascii: comma)
        text.append(decodeNode)
        for time in [prefillStart, firstToken, finish] {
            text.append(ascii: comma)
            if time >= 0 { text.append(seconds: time) }
        }
        text.append(ascii: comma)
        text.append(status.rawValue)
        for count in [restarts, preemptions, cachedTokens] {
            text.append(ascii: comma)
            text.append(Int64(count))
        }
        text.append(ascii: comma)
        text.append(seconds: kvTransfer)
        text.append(ascii: UInt8(ascii: "\n"))
    }
}

/// A row of `iterations.csv`: one batch iteration of a worker, written when it ends.
public struct IterationRow: Sendable {
    /// The header line.
    public static let header = """
        node,iteration,start_s,end_s,prefill_tokens,decode_tokens,requests,waiting,kv_blocks,kv_blocks_total,preemptions,\
        attention_s,experts_s,await_attention_s,await_experts_s,await_network_s,routed_tokens

        """

    /// Number of the iteration at its worker, from 0.
    public var iteration: Int64
    public var start: Instant
    public var end: Instant
    public var prefillTokens: Int64
    public var decodeTokens: Int64
    /// Requests in the batch.
    public var requests: Int64
    /// Requests that waited when the batch was formed.
    public var waiting: Int64
    /// Cache blocks in use while it ran, and blocks that exist.
    public var kvBlocks: Int64
    public var kvBlocksTotal: Int64
    /// Requests that were thrown out to form the batch.
    public var preemptions: Int64
    /// How the iteration divides, for a rank that shares its layers with others; the fields are empty for a worker that computes alone.
    public var shares: IterationShares?

    public init(
        iteration: Int64, start: Instant, end: Instant, prefillTokens: Int64, decodeTokens: Int64, requests: Int64, waiting: Int64, kvBlocks: Int64,
        kvBlocksTotal: Int64, preemptions: Int64
    ) {
        self.iteration = iteration
        self.start = start
        self.end = end
        self.prefillTokens = prefillTokens
        self.decodeTokens = decodeTokens
        self.requests = requests
        self.waiting = waiting
        self.kvBlocks = kvBlocks
        self.kvBlocksTotal = kvBlocksTotal
        self.preemptions = preemptions
    }

    /// Appends the row; `node` is the worker's name in UTF-8.
    public func write(to text: inout TextBuffer, node: [UInt8]) {
        text.appendRow { row in
            row.field(node)
            row.field(iteration)
            row.field(seconds: start)
            row.field(seconds: end)
            row.field(prefillTokens)
            row.field(decodeTokens)
            row.field(requests)
            row.field(waiting)
            row.field(kvBlocks)
            row.field(kvBlocksTotal)
            row.field(preemptions)
            guard let shares else {
                for _ in 0..<IterationShares.columns { row.emptyField() }
                return
            }
            for time in [shares.attention, shares.experts, shares.awaitingAttention, shares.awaitingExperts, shares.awaitingNetwork] {
                row.field(seconds: time)
            }
            row.field(shares.routedTokens)
        }
    }
}

/// What a rank did in an iteration whose layers it shared with others: time computed and time idle by cause.
public struct IterationShares: Sendable, Equatable {
    static let columns = 6

    public var attention: Nanoseconds = 0
    public var experts: Nanoseconds = 0
    /// Idle until the last attention rank, or the last expert rank, had sent what this one waited for; then while that was under way.
    public var awaitingAttention: Nanoseconds = 0
    public var awaitingExperts: Nanoseconds = 0
    public var awaitingNetwork: Nanoseconds = 0
    /// Pairs of token and expert computed on the rank.
    public var routedTokens: Int64 = 0

    public init() {}
}

/// A row of `layers.csv`: what one rank computed of one layer for one micro-batch, and what it waited for before.
public struct LayerRow: Sendable {
    /// The header line.
    public static let header = """
        node,iteration,layer,micro_batch,part,start_s,end_s,tokens,distinct,await_rank_s,await_network_s,last

        """

    /// Number of the iteration of the gang, place of the layer among those with experts, and micro-batch, each from 0.
    public var iteration: Int64
    public var layer: Int64
    public var microBatch: Int64
    /// Whether it computed attention (and sent a dispatch) or experts (and sent a combine).
    public var isAttention: Bool
    public var start: Instant
    public var end: Instant
    /// Tokens attended to, or pairs of token and expert.
    public var tokens: Int64
    /// Experts that at least one token picked; 0 for attention.
    public var distinct: Int64
    /// Idle before until the last message awaited had been sent, and from then until it was there.
    public var awaitedRank: Nanoseconds
    public var awaitedNetwork: Nanoseconds
    /// Index of the node whose message was the last; -1 where nothing was awaited.
    public var last: Int64

    public init(iteration: Int64, layer: Int64, microBatch: Int64, isAttention: Bool) {
        self.iteration = iteration
        self.layer = layer
        self.microBatch = microBatch
        self.isAttention = isAttention
        start = 0
        end = 0
        tokens = 0
        distinct = 0
        awaitedRank = 0
        awaitedNetwork = 0
        last = -1
    }

    /// Appends the row; `node` is the rank's name in UTF-8.
    public func write(to text: inout TextBuffer, node: [UInt8]) {
        text.appendRow { row in
            row.field(node)
            row.field(iteration)
            row.field(layer)
            row.field(microBatch)
            row.field(isAttention ? Self.attention : Self.experts)
            row.field(seconds: start)
            row.field(seconds: end)
            row.field(tokens)
            row.field(distinct)
            row.field(seconds: awaitedRank)
            row.field(seconds: awaitedNetwork)
            row.field(last)
        }
    }

    private static let attention = Array("attention".utf8)
    private static let experts = Array("experts".utf8)
}

/// A cache transfer, for the timeline: node, request, start, end, bytes.
public struct TransferRow: Sendable {
    public var request: Int64
    public var start: Instant
    public var end: Instant
    public var bytes: ByteCount

    public init(request: Int64, start: Instant, end: Instant, bytes: ByteCount) {
        self.request = request
        self.start = start
        self.end = end
        self.bytes = bytes
    }

    /// Appends the row.
    public func write(to text: inout TextBuffer, node: [UInt8]) {
        text.appendRow { row in
            row.field(node)
            row.field(request)
            row.field(seconds: start)
            row.field(seconds: end)
            row.field(bytes)
        }
    }
}
