import Quantities

/// MC-SF as if every request were as short as its lower bound, which is raised as it goes on; who turns out longer is evicted and tried again: A-min.
///
/// Source: 2508.14544. Model: that of `a-max`. Rule: when the running requests will not fit in the next iteration, those with the smallest lower
/// bound lose their caches until the others do (ties: the latest arrival first, where the paper draws); a bound is at least the tokens produced and
/// one more, so an eviction teaches something. Then waiting requests join by lower bound while `mc-sf`'s check holds with lower bounds for lengths.
/// Upper bounds are not used. Differs from the paper in that tokens produced before an eviction are kept, and only computed again. Cost that of
/// `mc-sf`, and O(running log running) when memory runs out. Guarantee: ratio to the hindsight optimum of the order of the logarithm of upper over
/// lower bound.
public struct OptimisticShortestFirst: SchedulingPolicy {
    public static let description = PolicyDescription(
        name: "a-min", summary: "smallest lower bound first; who turns out longer is evicted and tried again", source: "A-min, 2508.14544",
        needsPrediction: true,
        guarantees: [
            Guarantee(.logarithmInInterval, when: [.allAtStart, .equalPrompts, .boundsHold, .oneInterval], isAsymptotic: true)
        ])
    public static let traits: SchedulingTraits = [.ranks, .admits, .manages, .choosesVictims, .overtakes]

    private var forecast = MemoryForecast(basis: .lower)
    private var order: [RunningRequest] = []

    public init(parameters: PolicyParameters, random: RandomStream) {}

    public mutating func rank(of request: QueuedRequest) -> Int64 { request.rank(by: Int64(request.prediction.lower)) }

    /// Less urgent first, then by smallest bound, then latest arrival.
    private func goesBefore(_ left: RunningRequest, _ right: RunningRequest) -> Bool {
        (-left.priority, left.prediction.lower, -left.arrival, -left.id) < (-right.priority, right.prediction.lower, -right.arrival, -right.id)
    }

    public mutating func manage(_ waiting: WaitingQueue, _ engine: EngineView, _ orders: inout RunningOrders) {
        var missing = -engine.freeBlocks
        for request in engine.running { missing += max(0, engine.blocks(for: request.tokens) - Int64(request.blocks)) }
        guard missing > 0 else { return }
        order.removeAll(keepingCapacity: true)
        for request in engine.running where request.isEvictable { order.append(request) }
        let policy = self
        order.sort { policy.goesBefore($0, $1) }
        for request in order where missing > 0 {
            orders.evicted.append(request.slot)
            missing -= max(Int64(request.blocks), engine.blocks(for: request.tokens))
        }
    }

    public mutating func admit(from waiting: WaitingQueue, _ engine: EngineView, into admitted: inout [QueuedRequest]) {
        forecast.admitPrefix(of: waiting, engine, into: &admitted)
    }

    public mutating func victim(among candidates: [RunningRequest]) -> Int {
        candidates.indices.min { goesBefore(candidates[$0], candidates[$1]) } ?? 0
    }
}
