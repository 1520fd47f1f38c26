import Quantities

/// The most urgent first, also in place of a running request that is less urgent.
///
/// Source: the priority policy of vLLM, with preemption for those that wait as in preemptive priority queueing (Cobham 1954). Rule: by priority, then
/// arrival; with `aging`, a request gains one step of priority for every such time that it has been in the cluster, so that none starves. If the
/// first that waits has no place or no blocks, and running requests of lower priority (as the topology gives it) have enough of them, these lose
/// their caches, lowest and latest first. Cost O(1), and O(running) when somebody has to give way. No guarantee for latency.
public struct UrgentFirst: SchedulingPolicy {
    public static let description = PolicyDescription(
        name: "priority", summary: "the most urgent first, also in place of a less urgent one that runs", source: "vLLM; Cobham 1954",
        parameters: [
            ParameterDescription("aging", unit: "s", defaultValue: 0, range: 0...86_400, summary: "time that counts as one step of priority; 0: none")
        ])
    public static let traits: SchedulingTraits = [.ranks, .manages, .overtakes]

    private let aging: Nanoseconds

    public init(parameters: PolicyParameters, random: RandomStream) { aging = Nanoseconds(parameters["aging"] * 1e9) }

    public mutating func rank(of request: QueuedRequest) -> Int64 {
        // Both of two that wait gain alike, so their order does not change with time.
        aging == 0 ? Int64(request.priority) : Int64(clamping: Int128(request.priority) * Int128(aging) + Int128(request.arrival))
    }

    public mutating func manage(_ waiting: WaitingQueue, _ engine: EngineView, _ orders: inout RunningOrders) {
        guard engine.growsCaches, !waiting.isEmpty, let last = engine.running.last, last.priority > waiting[0].priority else { return }
        let request = waiting[0]
        var free = engine.freeBlocks
        var places = engine.freePlaces
        let needed = engine.blocks(for: request.tokens)
        for victim in engine.running.reversed() where victim.isEvictable && victim.priority > request.priority {
            guard needed > free || places == 0 else { break }
            orders.evicted.append(victim.slot)
            free += Int64(victim.blocks)
            places += 1
        }
        if needed > free || places == 0 { orders.evicted.removeAll(keepingCapacity: true) }
    }
}
