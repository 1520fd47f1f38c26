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
    /// What the policy orders by before anything else (`SchedulingPolicy.rank`).
    public var rank: Int64 = 0

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

    /// By rank, then the more urgent first, then first come, first served.
    @inlinable
    public func precedes(_ other: QueuedRequest) -> Bool {
        if rank != other.rank { return rank < other.rank }
        if priority != other.priority { return priority < other.priority }
        if arrival != other.arrival { return arrival < other.arrival }
        return id < other.id
    }

    /// Output tokens that are expected to be still to come, at least 1.
    public var remaining: Int32 { max(1, prediction.expected - generated) }
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

    /// Adds a request at its place. O(1) for one that belongs at an end.
    public mutating func insert(_ request: QueuedRequest) {
        let place = self.place(of: request)
        if place == head, head > 0 {
            head -= 1
            items[head] = request
        } else {
            items.insert(request, at: place)
        }
    }

    /// The place of a request in the queue; `nil` when it does not wait there.
    public func firstIndex(of request: QueuedRequest) -> Int? {
        let place = self.place(of: request)
        return place < items.count && items[place].id == request.id ? place - head : nil
    }

    /// The first place that is not before a request's. The ends are looked at first.
    private func place(of request: QueuedRequest) -> Int {
        guard let last = items.last, head < items.count else { return items.count }
        if last.precedes(request) { return items.count }
        var (low, high) = (head, items.count - 1)
        if !items[low].precedes(request) { return low }
        while low < high {
            let middle = (low + high) / 2
            if items[middle].precedes(request) { low = middle + 1 } else { high = middle }
        }
        return low
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
