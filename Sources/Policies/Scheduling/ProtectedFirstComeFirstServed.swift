import Quantities

/// First come, first served, with a share of memory kept back from those that join, for the caches of those that run to grow into.
///
/// Source: the alpha-protection greedy and the beta-clearing heuristics that 2502.07115 compares with, which abstract vLLM (its watermark is a
/// protection of 0.01). Model: one worker, rounds, caches that grow by a token a round. Rule: the head joins while the blocks in use and its own are
/// at most (1 - `protection`) of all. When what runs will not fit in the next iteration, each running request loses its cache with probability
/// `clearing`; with 0 the engine preempts as many as it must, latest arrival first. A prompt that needs more than the share joins when nothing runs.
/// Cost O(1) for each request that joins, and O(running) with clearing. No guarantee: in that paper clearing all (1) without end was seen below
/// protections of 0.21 to 0.24.
public struct ProtectedFirstComeFirstServed: SchedulingPolicy {
    public static let description = PolicyDescription(
        name: "fcfs-protected", summary: "first come, first served, with a share of memory kept back", source: "alpha-protection greedy, 2502.07115",
        parameters: [
            ParameterDescription("protection", defaultValue: 0.1, range: 0...0.99, summary: "share of the blocks kept back from those that join"),
            ParameterDescription(
                "clearing", defaultValue: 0, range: 0...1, summary: "probability of losing its cache for each running request when memory runs out"),
        ])
    public static let traits: SchedulingTraits = [.admits, .manages]

    private let protection: Double
    private let clearing: Double
    private var random: RandomStream

    public init(parameters: PolicyParameters, random: RandomStream) {
        protection = parameters["protection"]
        clearing = parameters["clearing"]
        self.random = random
    }

    public mutating func manage(_ waiting: WaitingQueue, _ engine: EngineView, _ orders: inout RunningOrders) {
        guard clearing > 0 else { return }
        let growth = engine.running.reduce(Int64(0)) { $0 + max(0, engine.blocks(for: $1.tokens) - Int64($1.blocks)) }
        guard growth > engine.freeBlocks else { return }
        for request in engine.running where request.isEvictable {
            if random.unit() < clearing { orders.evicted.append(request.slot) }
        }
    }

    public mutating func admit(from waiting: WaitingQueue, _ engine: EngineView, into admitted: inout [QueuedRequest]) {
        let limit = Int64((Double(engine.totalBlocks) * (1 - protection)).rounded(.down))
        var used = engine.totalBlocks - engine.freeBlocks
        for place in 0..<min(waiting.count, engine.freePlaces) {
            used += engine.blocks(for: waiting[place].tokens)
            let isAlone = place == 0 && engine.running.isEmpty
            guard used <= limit || isAlone else { return }
            admitted.append(waiting[place])
        }
    }
}
