import Quantities

/// Requests that are added while a run goes on, in order of arrival; those of one time in the order in which they were added.
public final class AddedRequests {
    private var heap = EventHeap<RequestSpec>()
    private var count: UInt32 = 0

    public init() {}

    /// Adds a request, which arrives at its time or at `notBefore`, whichever is later.
    public func add(_ request: RequestSpec, notBefore: Instant = 0) {
        var request = request
        request.arrival = min(max(request.arrival, notBefore), .never - 1)
        heap.push(request, at: EventKey(time: request.arrival, source: 0, sequence: count))
        count &+= 1
    }

    /// When the next one arrives; `Instant.never` when there is none.
    public var nextArrival: Instant { heap.firstTime }

    /// Takes the next one.
    public func next() -> RequestSpec? { heap.pop()?.payload }
}
