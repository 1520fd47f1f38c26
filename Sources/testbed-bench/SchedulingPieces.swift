import Policies
import Quantities

/// The decision of a scheduling policy beside a long queue.
extension Pieces {
    /// Nanoseconds of a decision with 10,000 requests waiting and 256 running.
    /// - Parameters:
    ///   - places: requests that can join.
    ///   - isFull: whether there is no room for any of them, as in most iterations of a saturated worker.
    func scheduling(_ name: String, places: Int, isFull: Bool = false) -> Double {
        guard var policy = SchedulingRegistry.make(PolicyChoice(name), random: RandomStream(seed: 1, stream: 1)) else { return .nan }
        var random = RandomStream(seed: 1, stream: 2)
        var waiting = WaitingQueue()
        for id in 0..<10_000 {
            let length = Int32(1 + random.below(1_000))
            var request = QueuedRequest(
                slot: Int32(id), id: Int64(id), priority: 0, arrival: Instant(id), tokens: Int32(1 + random.below(2_000)),
                prediction: Prediction(exactly: length))
            request.rank = policy.rank(of: request)
            waiting.insert(request)
        }
        let decisions = 50
        var engine = EngineView(now: 1, blockSize: 16, freeBlocks: 0, totalBlocks: 60_000, tokenBudget: 8_192, maxBatch: 256 + places)
        for id in 0..<256 {
            let (tokens, generated) = (Int32(1 + random.below(2_000)), Int32(1 + random.below(500)))
            engine.running.append(
                RunningRequest(
                    slot: Int32(id), id: Int64(20_000 + id), priority: 0, arrival: 0, tokens: tokens + generated, computed: tokens + generated - 1,
                    generated: generated, blocks: Int32(engine.blocks(for: tokens + generated)),
                    prediction: Prediction(exactly: generated + Int32(1 + random.below(500))), firstExpected: 1, isEvictable: true))
        }
        let used = engine.running.reduce(0) { $0 + Int64($1.blocks) }
        engine.freeBlocks = isFull ? 0 : engine.totalBlocks - used
        var admitted: [QueuedRequest] = []
        var joined = 0
        let time = nanoseconds(calls: decisions) {
            for _ in 0..<decisions {
                admitted.removeAll(keepingCapacity: true)
                policy.admit(from: waiting, engine, into: &admitted)
                joined = admitted.count
            }
        }
        return joined == (isFull ? 0 : places) ? time : .nan
    }
}
