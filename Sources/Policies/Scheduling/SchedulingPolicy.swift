import Quantities

/// A request that waits at a worker, as the scheduler may see it. The output length is not there, only what is predicted of it.
public struct QueuedRequest: Sendable, Equatable {
    /// The engine's own handle.
    public var slot: Int32
    public var id: Int64
    /// Smaller is more urgent.
    public var priority: Int32
    /// When it arrived at the cluster.
    public var arrival: Instant
    /// Tokens whose cache must be computed before it can decode: the prompt, and what a preemption threw away.
    public var tokens: Int32
    /// Output tokens that it has produced: above 0 when it was preempted.
    public var generated: Int32
    /// What is predicted of its output length.
    public var prediction: Prediction

    public init(
        slot: Int32, id: Int64, priority: Int32, arrival: Instant, tokens: Int32, generated: Int32 = 0, prediction: Prediction = .unknown
    ) {
        self.slot = slot
        self.id = id
        self.priority = priority
        self.arrival = arrival
        self.tokens = tokens
        self.generated = generated
        self.prediction = prediction
    }

    /// More urgent first, then first come, first served.
    @inlinable
    public func precedes(_ other: QueuedRequest) -> Bool {
        if priority != other.priority { return priority < other.priority }
        if arrival != other.arrival { return arrival < other.arrival }
        return id < other.id
    }
}

/// The requests that wait at a worker, kept in the order of `QueuedRequest.precedes`.
public struct WaitingQueue: Sendable {
    private var items: [QueuedRequest] = []
    private var head = 0

    public init() {}

    /// Requests that wait.
    public var count: Int { items.count - head }

    /// Whether none waits.
    public var isEmpty: Bool { head == items.count }

    /// The request at a place in the queue, from 0.
    public subscript(position: Int) -> QueuedRequest { items[head + position] }

    /// Adds a request at its place. O(1) for the latest arrival.
    public mutating func insert(_ request: QueuedRequest) {
        var place = items.count
        while place > head, request.precedes(items[place - 1]) { place -= 1 }
        if place == head, head > 0 {
            head -= 1
            items[head] = request
        } else {
            items.insert(request, at: place)
        }
    }

    /// Takes the request at a place out of the queue. O(1) for the head.
    public mutating func remove(at position: Int) -> QueuedRequest {
        let request = items[head + position]
        if position == 0 {
            head += 1
            if head == items.count || head > 1024 && head > items.count / 2 {
                items.removeFirst(head)
                head = 0
            }
        } else {
            items.remove(at: head + position)
        }
        return request
    }
}

/// What a scheduler may know of its worker when an iteration is formed.
public struct EngineView: Sendable, Equatable {
    public var now: Instant
    public var freeBlocks: Int64
    public var totalBlocks: Int64
    /// Requests in the batch so far.
    public var batchRequests: Int
    /// Tokens that the iteration can still take.
    public var tokensLeft: Int

    public init(now: Instant, freeBlocks: Int64, totalBlocks: Int64, batchRequests: Int, tokensLeft: Int) {
        self.now = now
        self.freeBlocks = freeBlocks
        self.totalBlocks = totalBlocks
        self.batchRequests = batchRequests
        self.tokensLeft = tokensLeft
    }
}

/// Decides which waiting requests join the next iteration. Called only while requests wait.
public protocol SchedulingPolicy: Sendable {
    static var description: PolicyDescription { get }

    init(parameters: PolicyParameters, random: RandomStream)

    /// The place in `waiting` of the request to try next, or `nil` to admit no more in this iteration.
    ///
    /// The engine admits it when its blocks and the token budget allow; when they do not, the iteration closes.
    mutating func next(in waiting: WaitingQueue, of engine: EngineView) -> Int?
}
