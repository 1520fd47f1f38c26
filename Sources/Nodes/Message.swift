import Policies
import Quantities

/// The kinds of conversation between nodes. The timekeeper knows of each what it can set off, and how soon.
public enum Channel: UInt8, Sendable, CaseIterable {
    /// Client to controller: a request.
    case submit
    /// Controller to a prefill or colocated worker: a request to compute.
    case assign
    /// Controller to a decode worker: a request that is (or will be) prefilled elsewhere.
    case place
    /// Prefill worker to controller: a request that waits for a decode worker.
    case prefilled
    /// Worker to controller: load.
    case status
    /// Anyone to the client: tokens and ends.
    case stream
    /// Decode worker to prefill worker: room is reserved, send the cache.
    case pull
    /// Prefill worker to decode worker: the cache.
    case cache
    /// Decode worker to prefill worker: the cache is here, free yours.
    case release
    /// Rank of a sleeping gang to the others: an iteration begins.
    case wake
    /// Controller to client and workers: who counts as dead, or that a new controller has taken over.
    case fence
    /// A worker's new process to the controller: it serves from now on.
    case hello
    /// Client to a worker: a request is computed elsewhere now.
    case cancel
    /// Controller to a worker: move a request, or who holds copies of its caches.
    case migrate
    /// Between the ends of a migration: room, and answers.
    case reserve
    /// From the source of a migration to its target, or to a buddy: cache.
    case copy
    /// Worker to client: a request has moved.
    case moved
    /// A worker to the controller and the client: it will be ended or is to rest, and what it gives up.
    case leave
    /// Controller to a worker: what to do with caches at its end or that others have sent, to begin to serve, to rest.
    case command
    /// Worker to worker: the cache of a request that the other one goes on with.
    case move
    /// Between the ranks of a gang, in an iteration. Apart from the virtual clock: nothing else can change what is in these messages.
    case layer

    /// What records call it.
    public var name: StaticString {
        switch self {
        case .submit: "submit"
        case .assign: "assign"
        case .place: "place"
        case .prefilled: "prefilled"
        case .status: "status"
        case .stream: "stream"
        case .pull: "pull"
        case .cache: "cache"
        case .release: "release"
        case .wake: "wake"
        case .fence: "fence"
        case .hello: "hello"
        case .cancel: "cancel"
        case .migrate: "migrate"
        case .reserve: "reserve"
        case .copy: "copy"
        case .moved: "moved"
        case .leave: "leave"
        case .command: "command"
        case .move: "move"
        case .layer: "layer"
        }
    }

}

/// A request on its way to the worker that prefills it.
public struct Assignment: Sendable, Equatable {
    public var id: Int64
    /// The client's handle of the stream; echoed in everything that is sent to the client.
    public var stream: Int32
    public var promptTokens: Int32
    /// The truth, for the engine that produces the tokens alone.
    public var outputTokens: Int32
    public var priority: Int32
    /// When it arrived at the cluster.
    public var arrival: Instant
    /// The decode worker chosen beforehand (layer-wise transfer), or -1.
    public var decodeNode: Int32
    /// Tokens of the output that the user has already, and how often the request was begun before: not 0 after a fault.
    public var produced: Int32
    public var restarts: Int32
    /// The worker that it was lost with; -1 where none was, or none is known.
    public var lostNode: Int32 = -1
    /// The worker that has its cache, and is to go on with it; or -1.
    public var holder: Int32

    public init(
        id: Int64, stream: Int32, promptTokens: Int32, outputTokens: Int32, priority: Int32, arrival: Instant, decodeNode: Int32 = -1,
        produced: Int32 = 0, restarts: Int32 = 0, holder: Int32 = -1
    ) {
        self.holder = holder
        self.produced = produced
        self.restarts = restarts
        self.id = id
        self.stream = stream
        self.promptTokens = promptTokens
        self.outputTokens = outputTokens
        self.priority = priority
        self.arrival = arrival
        self.decodeNode = decodeNode
    }
}

extension Assignment {
    /// Tokens whose cache must be there before the next one can be computed: the prompt, and what the user has already.
    @inlinable
    public var knownTokens: Int32 { promptTokens + produced }
}

/// A request on its way to the worker that decodes it.
public struct Placement: Sendable, Equatable {
    public var request: Assignment
    /// Where it is prefilled, and that worker's handle of it; -1 while the prefill worker does not know it yet.
    public var prefillNode: Int32
    public var prefillSlot: Int32

    public init(request: Assignment, prefillNode: Int32, prefillSlot: Int32) {
        self.request = request
        self.prefillNode = prefillNode
        self.prefillSlot = prefillSlot
    }
}

/// A worker's load.
public struct LoadReport: Sendable, Equatable {
    /// Classes of requests that a report has at the most, see `WorkerView.endingClasses`.
    public static let endingClasses = WorkerView.endingClasses

    public var waitingRequests: Int32 = 0
    public var runningRequests: Int32 = 0
    public var waitingTokens: Int64 = 0
    public var usedBlocks: Int64 = 0
    /// Requests that the controller had sent and that had arrived when the report was made, in all, and their prompt tokens.
    public var receivedRequests: Int64 = 0
    public var receivedTokens: Int64 = 0
    /// Output tokens that the requests received were predicted to produce when they came, in all; 0 without a predictor.
    public var receivedPredicted: Int64 = 0
    /// Tokens of all requests that wait or run, and output tokens that they are predicted to produce yet.
    public var contextTokens: Int64 = 0
    public var predictedTokens: Int64 = 0
    /// Requests that wait or run, and their tokens, by class; both empty without a predictor.
    public var endingRequests: [Int32] = []
    public var endingTokens: [Int64] = []
    /// Cache blocks that the request at the head of the queue demands; urgent requests that run; whether one is being moved away.
    public var headBlocks: Int64 = 0
    public var urgentRequests: Int32 = 0
    public var isMigrating = false

    public init() {}
}

/// A message of the cache transfer protocol. Every step names the request at both ends.
public struct CacheMessage: Sendable, Equatable {
    public var id: Int64
    /// The client's handle, which is another one each time that a request is begun.
    public var stream: Int32
    /// Handles at the prefill and at the decode worker; -1 where not known.
    public var prefillSlot: Int32
    public var decodeSlot: Int32
    /// Whether no more pieces of the cache follow.
    public var isFinal = true
    /// When the prefill began; -1 where not known.
    public var prefillStart: Instant = -1

    public init(id: Int64, stream: Int32, prefillSlot: Int32, decodeSlot: Int32) {
        self.id = id
        self.stream = stream
        self.prefillSlot = prefillSlot
        self.decodeSlot = decodeSlot
    }
}

/// Where the controller has sent a request: how the client knows whom it depends on.
public struct Routed: Sendable, Equatable {
    public var id: Int64
    public var stream: Int32
    public var node: Int32
    /// Whether the worker decodes what another one prefills.
    public var decodes: Bool

    public init(id: Int64, stream: Int32, node: Int32, decodes: Bool) {
        self.id = id
        self.stream = stream
        self.node = node
        self.decodes = decodes
    }
}

/// A worker counts as dead: whatever a process of it says that was born before a time is void.
public struct Fence: Sendable, Equatable {
    public var node: Int32
    public var before: Instant

    public init(node: Int32, before: Instant) {
        self.node = node
        self.before = before
    }
}

/// A token of one stream in a batch of tokens.
public struct StreamToken: Sendable, Equatable {
    public var id: Int64
    public var stream: Int32
    /// Place of the token in the output, from 0.
    public var index: Int32

    @inlinable
    public init(id: Int64, stream: Int32, index: Int32) {
        self.id = id
        self.stream = stream
        self.index = index
    }
}

/// A request's first or last token, with what the client records of its life.
public struct Milestone: Sendable, Equatable {
    public var id: Int64
    public var stream: Int32
    /// Place of the token in the output, from 0.
    public var index: Int32
    /// Whether the output ends with this token.
    public var isLast: Bool
    /// Nodes that prefilled and that decoded it; -1 where not known to the sender.
    public var prefillNode: Int32
    public var decodeNode: Int32
    /// When its prefill began; -1 where not known to the sender.
    public var prefillStart: Instant
    public var preemptions: Int32
    /// From the pull (or the first layer's push) to the last byte.
    public var kvTransfer: Nanoseconds

    public init(
        id: Int64, stream: Int32, index: Int32, isLast: Bool, prefillNode: Int32, decodeNode: Int32, prefillStart: Instant, preemptions: Int32,
        kvTransfer: Nanoseconds
    ) {
        self.id = id
        self.stream = stream
        self.index = index
        self.isLast = isLast
        self.prefillNode = prefillNode
        self.decodeNode = decodeNode
        self.prefillStart = prefillStart
        self.preemptions = preemptions
        self.kvTransfer = kvTransfer
    }
}

/// What nodes say to each other.
public enum Message: Sendable, Equatable {
    case submit(Assignment)
    case assign(Assignment)
    case place(Placement)
    case prefilled(Placement)
    case status(LoadReport)
    case tokens([StreamToken])
    case milestone(Milestone)
    case rejected(id: Int64, stream: Int32)
    case pull(CacheMessage)
    case cache(CacheMessage)
    case release(CacheMessage)
    /// When the first iteration of a gang begins that was asleep, or has other members: since which change of them.
    case wake(Instant, epoch: Int32)
    case routed(Routed)
    case fence(Fence)
    /// To a worker that counts as dead: it is to throw everything away and begin anew.
    case fenced
    /// A controller has taken over, and knows nothing.
    case takeover
    case hello
    case cancel(id: Int64, stream: Int32)
    case migration(MigrationStep)
    /// To a worker that decodes: compute the cache of a request that was lost, and go on.
    case rebuild(Assignment)
    case leaving(Leaving)
    /// To the client: the worker has given the request up, which is to begin elsewhere; at the holder of its cache, if that is not -1.
    case handback(id: Int64, stream: Int32, holder: Int32)
    case evacuate(Evacuation)
    case move(MovedCache)
    /// To a worker that has a request's cache: it goes on with it.
    case adopt(Assignment)
    /// To a worker that rests: it is to serve after this time, in which it loads.
    case activate(Nanoseconds)
    /// To a worker that serves: it is to finish what it has, and rest.
    case deactivate
    /// To the controller: the worker rests.
    case retired
    case layer(LayerMessage)

    /// The conversation that the message belongs to.
    public var channel: Channel {
        switch self {
        case .submit: .submit
        case .assign: .assign
        case .place, .rebuild: .place
        case .migration(let step): step.channel
        case .prefilled: .prefilled
        case .status: .status
        case .tokens, .milestone, .rejected, .routed: .stream
        case .fence, .fenced, .takeover: .fence
        case .hello: .hello
        case .cancel: .cancel
        case .leaving, .handback, .retired: .leave
        case .evacuate, .adopt, .activate, .deactivate: .command
        case .move: .move
        case .pull: .pull
        case .cache: .cache
        case .release: .release
        case .wake: .wake
        case .layer: .layer
        }
    }
}

extension Message {
    /// Whether it carries a cache.
    @inlinable
    public var isBulk: Bool { channel == .cache || channel == .move || channel == .copy }
}

/// Bytes that a message stands for on the modelled network, apart from the cache itself.
public enum MessageSize {
    /// A header with identifiers and times.
    public static let header: ByteCount = 128
    /// A token identifier in a prompt.
    public static let promptToken: ByteCount = 4
    /// A token in a stream: identifier, place and text.
    public static let streamToken: ByteCount = 16

    /// A class of requests in a load report: how many, and their tokens.
    static let endingClass: ByteCount = 12

    /// A load report.
    public static func report(_ load: LoadReport) -> ByteCount { header + endingClass * ByteCount(load.endingRequests.count) }

    /// A word on each of some requests.
    public static func list(_ count: Int) -> ByteCount { header + 24 * ByteCount(count) }

    /// A message that carries the prompt.
    public static func prompt(_ tokens: Int32) -> ByteCount { header + promptToken * ByteCount(tokens) }
}

/// A message with its envelope, as it travels.
public struct Envelope: Sendable, Equatable {
    /// Node that sent it, and its number among those that this node sent.
    public var source: Int32
    public var sequence: UInt32
    /// When the process that sent it began to serve: 0 unless a fault has come between. It tells a node's incarnations apart.
    public var born: Instant
    /// When it was sent.
    public var sent: Instant
    /// When its first byte reaches the receiver's port, and the earliest time that its last byte can.
    public var head: Instant
    public var tail: Instant
    /// Bytes that it stands for.
    public var bytes: ByteCount
    /// Class of the link that it crosses.
    public var link: LinkIndex
    /// Whether it travels in the lane of bulk data, where it queues behind other caches.
    public var isBulk: Bool
    public var message: Message

    public init(
        source: Int32, sequence: UInt32, born: Instant = 0, sent: Instant, head: Instant, tail: Instant, bytes: ByteCount, link: LinkIndex,
        isBulk: Bool, message: Message
    ) {
        self.born = born
        self.source = source
        self.sequence = sequence
        self.sent = sent
        self.head = head
        self.tail = tail
        self.bytes = bytes
        self.link = link
        self.isBulk = isBulk
        self.message = message
    }
}

/// A link class by its raw value, as it travels.
public typealias LinkIndex = UInt8
