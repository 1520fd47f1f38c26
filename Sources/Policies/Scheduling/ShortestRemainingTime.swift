import Quantities

/// The requests with the fewest tokens expected to come, whether they run or wait: who is longer gives way and loses its cache.
///
/// Source: SRPT, Schrage 1968; with predictions 2503.07545. Model: a server that takes one job at a time and preempts for nothing, where it is
/// optimal for mean latency if lengths are known. Here a preempted request computes its prompt and its tokens again, which the model does not count;
/// no guarantee with it. Rule: before each iteration, waiting requests by what remains of them; one that has no place or no blocks gets those of
/// running requests that have more to go, longest first, if that is enough. When memory runs out the longest loses its cache. On prefill workers,
/// where caches do not grow, it orders the queue alone. Cost O(running log running) when somebody has to give way, O(1) for each request that joins
/// otherwise.
public struct ShortestRemainingTime: SchedulingPolicy {
    public static let description = PolicyDescription(
        name: "srpt", summary: "the fewest predicted tokens to come first; longer ones give way", source: "Schrage 1968; 2503.07545",
        needsPrediction: true)
    public static let traits: SchedulingTraits = [.ranks, .manages, .choosesVictims, .overtakes]

    private var shared = ShortestRemaining()

    public init(parameters: PolicyParameters, random: RandomStream) {}

    public mutating func rank(of request: QueuedRequest) -> Int64 { request.rank(by: Int64(request.remaining)) }

    public mutating func manage(_ waiting: WaitingQueue, _ engine: EngineView, _ orders: inout RunningOrders) {
        shared.manage(waiting, engine, &orders) { _ in true }
    }

    public mutating func victim(among candidates: [RunningRequest]) -> Int { ShortestRemaining.longest(of: candidates) { _ in true } }
}
