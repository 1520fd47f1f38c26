import Quantities

/// What `srpt` and `trail` share: running requests give way to waiting ones that are expected to end sooner.
struct ShortestRemaining: Sendable {
    private var victims: [RunningRequest] = []

    /// Whether a request with the first key comes after one with the second: less urgent, or of the same urgency and longer.
    static func isBehind(_ left: RunningRequest, priority: Int32, remaining: Int32) -> Bool {
        (left.priority, left.remaining) > (priority, remaining)
    }

    /// Evicts, from the longest on, those that a shorter waiting request needs the room of: places or blocks.
    mutating func manage(
        _ waiting: WaitingQueue, _ engine: EngineView, _ orders: inout RunningOrders, mayEvict: (RunningRequest) -> Bool
    ) {
        guard engine.growsCaches, !waiting.isEmpty else { return }
        var budget = engine.tokenBudget - (engine.cutsPrompts ? engine.running.count : 0)
        var free = engine.freeBlocks
        if engine.cutsPrompts { for request in engine.running { free -= max(0, engine.blocks(for: request.tokens) - Int64(request.blocks)) } }
        var places = engine.freePlaces
        var next = 0
        victims.removeAll(keepingCapacity: true)
        for place in 0..<waiting.count {
            let request = waiting[place]
            // Only for one that this iteration would compute.
            guard budget > 0, engine.cutsPrompts || place == 0 || Int(request.tokens) <= budget else { return }
            let needed = engine.blocks(for: request.tokens)
            if needed > free || places == 0 {
                if victims.isEmpty { collect(engine, mayEvict) }
                let first = next
                while needed > free || places == 0, next < victims.count,
                    Self.isBehind(victims[next], priority: request.priority, remaining: request.remaining)
                {
                    free += Int64(victims[next].blocks)
                    places += 1
                    next += 1
                }
                guard needed <= free, places > 0 else { return }
                for place in first..<next { orders.evicted.append(victims[place].slot) }
            }
            free -= needed
            places -= 1
            budget -= Int(request.tokens)
        }
    }

    private mutating func collect(_ engine: EngineView, _ mayEvict: (RunningRequest) -> Bool) {
        for request in engine.running where request.isEvictable && mayEvict(request) { victims.append(request) }
        victims.sort { left, right in
            (left.priority, left.remaining, left.arrival, left.id) > (right.priority, right.remaining, right.arrival, right.id)
        }
    }

    /// The longest of those that `mayEvict` allows, or of all if it allows none; of equals the latest arrival.
    static func longest(of candidates: [RunningRequest], mayEvict: (RunningRequest) -> Bool) -> Int {
        func key(_ place: Int) -> (Int, Int32, Int32, Int) {
            let request = candidates[place]
            return (mayEvict(request) ? 1 : 0, request.priority, request.remaining, place)
        }
        return candidates.indices.max { key($0) < key($1) } ?? 0
    }
}
