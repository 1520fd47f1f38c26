import Quantities

/// A step in moving a running request from one worker to another, or in keeping copies of its cache.
///
/// Copying goes in stages (Llumnix, OSDI 24): for each the source asks for room, has it granted, sends the blocks, and hears that they are there, while it
/// goes on decoding. Before the last stage it stops the request, whose state goes with the last blocks. From then on the request is the target's; the
/// source keeps what it has until it hears so, and goes on itself when the target refuses or dies.
public struct MigrationStep: Sendable, Equatable {
    /// What is said.
    public enum Kind: UInt8, Sendable, CaseIterable {
        /// Controller to source: move a request to `node`.
        case order
        /// Controller to a worker: `node` holds the copies of its caches from now on; -1: nobody does.
        case buddy
        /// Source to target: make room for `tokens` tokens in all.
        case reserve
        /// Target to source: there is room; there is none; the stage is here; the request runs here.
        case reserved, refused, copied, committed
        /// Source to target: the cache up to `tokens`; the rest of it and the request.
        case piece, handover
        /// A worker to its buddy: a copy of the cache from `from` to `tokens`.
        case replica
        /// Source to client: the request's tokens from place `from` on come from `node`, from the process born at `born`.
        case moved
    }

    public var kind: Kind
    public var id: Int64
    public var stream: Int32
    /// Number of the migration at its source: answers to an earlier one mean nothing.
    public var attempt: Int32 = 0
    public var from: Int32 = 0
    public var tokens: Int32 = 0
    public var node: Int32 = -1
    public var born: Instant = 0
    /// With `handover`.
    public var state: MovedRequest?

    public init(_ kind: Kind, id: Int64 = 0, stream: Int32 = 0) {
        self.kind = kind
        self.id = id
        self.stream = stream
    }

    /// The conversation that it belongs to.
    public var channel: Channel {
        switch kind {
        case .order, .buddy: .migrate
        case .reserve, .reserved, .refused, .copied, .committed: .reserve
        case .piece, .handover, .replica: .copy
        case .moved: .moved
        }
    }
}

/// A request as it changes workers in the middle of its answer.
public struct MovedRequest: Sendable, Equatable {
    public var request: Assignment
    /// Tokens produced and tokens whose cache is there.
    public var generated: Int32
    public var computed: Int32
    public var preemptions: Int32
    public var prefillStart: Instant
    public var prefillNode: Int32
    public var kvTransfer: Nanoseconds
    /// When the order came, and when the source produced its last token.
    public var begun: Instant
    public var lastToken: Instant
    /// Stages and bytes in all, the last stage included.
    public var stages: Int32
    public var bytes: ByteCount

    public init(
        request: Assignment, generated: Int32, computed: Int32, preemptions: Int32, prefillStart: Instant, prefillNode: Int32,
        kvTransfer: Nanoseconds, begun: Instant, lastToken: Instant, stages: Int32, bytes: ByteCount
    ) {
        self.request = request
        self.generated = generated
        self.computed = computed
        self.preemptions = preemptions
        self.prefillStart = prefillStart
        self.prefillNode = prefillNode
        self.kvTransfer = kvTransfer
        self.begun = begun
        self.lastToken = lastToken
        self.stages = stages
        self.bytes = bytes
    }
}
