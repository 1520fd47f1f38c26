import Quantities

/// A request in a worker's batch, as the scheduler may see it. It holds its cache whether it is computed or not.
public struct RunningRequest: Sendable, Equatable {
    /// The engine's own handle.
    public var slot: Int32
    public var id: Int64
    /// Smaller is more urgent.
    public var priority: Int32
    /// When it arrived at the cluster.
    public var arrival: Instant
    /// Tokens that it has, prompt and output, and those whose cache is there.
    public var tokens: Int32
    public var computed: Int32
    /// Output tokens that it has produced.
    public var generated: Int32
    /// Cache blocks that it holds.
    public var blocks: Int32
    /// What is predicted of its output length now, and what was expected of it before its first token.
    public var prediction: Prediction
    public var firstExpected: Int32
    /// Whether it may lose its cache now: not while an iteration computes it, nor when part of it is on its way elsewhere.
    public var isEvictable: Bool

    public init(
        slot: Int32, id: Int64, priority: Int32, arrival: Instant, tokens: Int32, computed: Int32, generated: Int32, blocks: Int32,
        prediction: Prediction, firstExpected: Int32, isEvictable: Bool
    ) {
        self.slot = slot
        self.id = id
        self.priority = priority
        self.arrival = arrival
        self.tokens = tokens
        self.computed = computed
        self.generated = generated
        self.blocks = blocks
        self.prediction = prediction
        self.firstExpected = firstExpected
        self.isEvictable = isEvictable
    }

    /// Output tokens that are expected to be still to come, at least 1.
    public var remaining: Int32 { max(1, prediction.expected - generated) }
}

/// What a scheduler may know of its worker when an iteration is formed.
public struct EngineView: Sendable, Equatable {
    public var now: Instant
    /// Tokens in a cache block.
    public var blockSize: Int64
    public var freeBlocks: Int64
    public var totalBlocks: Int64
    /// Tokens that an iteration may compute, and requests that the batch may hold.
    public var tokenBudget: Int
    public var maxBatch: Int
    /// Whether prompts are computed in pieces, next to decoding requests.
    public var cutsPrompts: Bool
    /// Whether requests decode here, so that their caches grow. Where they do not, a prompt leaves with its first token.
    public var growsCaches: Bool
    /// Whether requests come with their prompts computed elsewhere: a request that has just joined has one token. Those that wait were preempted.
    public var joinsPrefilled: Bool
    /// Whether it is about whose caches are pulled next. The view's running requests include those whose caches are on their way.
    public var isPull = false
    /// The batch in the engine's order: priority, then arrival.
    public var running: [RunningRequest] = []

    public init(
        now: Instant, blockSize: Int64, freeBlocks: Int64, totalBlocks: Int64, tokenBudget: Int, maxBatch: Int, cutsPrompts: Bool = true,
        growsCaches: Bool = true, joinsPrefilled: Bool = false
    ) {
        self.now = now
        self.blockSize = blockSize
        self.freeBlocks = freeBlocks
        self.totalBlocks = totalBlocks
        self.tokenBudget = tokenBudget
        self.maxBatch = maxBatch
        self.cutsPrompts = cutsPrompts
        self.growsCaches = growsCaches
        self.joinsPrefilled = joinsPrefilled
    }

    /// Blocks that `tokens` tokens take.
    public func blocks(for tokens: Int32) -> Int64 { (Int64(tokens) + blockSize - 1) / blockSize }

    /// Requests that the batch can still take.
    public var freePlaces: Int { max(0, maxBatch - running.count) }
}

/// What a policy orders for the running requests before an iteration.
public struct RunningOrders: Sendable, Equatable {
    /// Slots of those that lose their cache and wait again; their tokens are kept, and computed again with the prompt.
    public var evicted: [Int32] = []
    /// Slots of those that skip the iteration and keep their cache.
    public var paused: [Int32] = []
    /// When the policy wants to decide again although nothing has happened; `Instant.never` if it lets nobody wait who could be computed.
    public var decidesAgain: Instant = .never

    public init() {}

    /// Takes everything back, for the next iteration.
    public mutating func removeAll() {
        evicted.removeAll(keepingCapacity: true)
        paused.removeAll(keepingCapacity: true)
        decidesAgain = .never
    }
}

/// What a policy wants to be asked; the engine asks nothing else, and makes no views for it.
public struct SchedulingTraits: OptionSet, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// `rank`: it orders those that wait.
    public static let ranks = SchedulingTraits(rawValue: 1)
    /// `admit`: it says who joins, where the engine would let everybody in while there is room.
    public static let admits = SchedulingTraits(rawValue: 2)
    /// `manage`: it evicts or pauses running requests.
    public static let manages = SchedulingTraits(rawValue: 4)
    /// It lets requests overtake others that came before and are no less urgent.
    public static let overtakes = SchedulingTraits(rawValue: 32)
    /// `RunningOrders.decidesAgain`: it lets everybody wait, up to a time.
    public static let waits = SchedulingTraits(rawValue: 16)
    /// What a program outside adds to its fallback.
    public static let ofPrograms: SchedulingTraits = [.admits, .overtakes]
    /// `victim`: it says who loses its cache when memory runs out.
    public static let choosesVictims = SchedulingTraits(rawValue: 8)
}

/// Decides which requests a worker computes in its next iteration.
///
/// The engine forms it: what runs goes first, then requests join in the policy's order while token budget, places and blocks last; the first that
/// does not fit ends it. A policy without traits is first come, first served. In an iteration that would come out empty although something could be
/// computed the engine overrules the policy, unless this named a time to decide again (`RunningOrders.decidesAgain`): so nobody waits for what never
/// comes.
public protocol SchedulingPolicy: Sendable {
    static var description: PolicyDescription { get }
    static var traits: SchedulingTraits { get }

    init(parameters: PolicyParameters, random: RandomStream)

    /// What those that wait are ordered by, smallest first; equals by priority and arrival. Called once each time that a request begins to wait.
    mutating func rank(of request: QueuedRequest) -> Int64

    /// Orders for the running requests.
    mutating func manage(_ waiting: WaitingQueue, _ engine: EngineView, _ orders: inout RunningOrders)

    /// Appends those of the waiting requests that join, in order. Called after `manage`, only while requests wait, with a view of what still runs.
    mutating func admit(from waiting: WaitingQueue, _ engine: EngineView, into admitted: inout [QueuedRequest])

    /// The place of the one that loses its cache, now that memory has run out in the midst of an iteration.
    /// - Parameter candidates: in the engine's order, never empty.
    mutating func victim(among candidates: [RunningRequest]) -> Int
}

extension SchedulingPolicy {
    public static var traits: SchedulingTraits { [] }
    public mutating func rank(of request: QueuedRequest) -> Int64 { 0 }
    public mutating func manage(_ waiting: WaitingQueue, _ engine: EngineView, _ orders: inout RunningOrders) {}
    public mutating func admit(from waiting: WaitingQueue, _ engine: EngineView, into admitted: inout [QueuedRequest]) {
        for place in 0..<min(waiting.count, engine.freePlaces) { admitted.append(waiting[place]) }
    }
    public mutating func victim(among candidates: [RunningRequest]) -> Int { candidates.count - 1 }
}

extension QueuedRequest {
    /// A rank that keeps classes of priority apart and orders by `value` (0 up to 2 to the power of 40) within them.
    func rank(by value: Int64) -> Int64 { (Int64(min(max(priority, -0x3f_ffff), 0x3f_ffff)) << 40) + min(max(value, 0), (1 << 40) - 1) }
}
