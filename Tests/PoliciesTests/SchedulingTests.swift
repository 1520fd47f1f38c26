import Policies
import Quantities
import Testing

/// A request that waits, drawn so that priorities and arrivals often tie.
func randomQueued(_ id: Int64, _ random: inout RandomStream) -> QueuedRequest {
    QueuedRequest(
        slot: Int32(id), id: id, priority: Int32(random.below(3)), arrival: Instant(random.below(50)), tokens: Int32(1 + random.below(500)))
}

@Suite("The waiting queue")
struct WaitingQueueTests {
    private func key(_ request: QueuedRequest) -> (Int32, Instant, Int64) { (request.priority, request.arrival, request.id) }

    @Test("equals a sorted array under random operations", arguments: UInt64(0)..<8)
    func model(seed: UInt64) {
        var random = stream(seed)
        var queue = WaitingQueue()
        var model: [QueuedRequest] = []
        for step in 0..<3000 {
            // Long runs of one kind let the queue grow past the length from which it moves its head.
            let grows = (step / 700).isMultiple(of: 2) ? 8 : 2
            if model.isEmpty || random.below(10) < grows {
                let request = randomQueued(Int64(step), &random)
                queue.insert(request)
                model.append(request)
                model.sort { key($0) < key($1) }
            } else {
                let place = random.below(3) == 0 ? random.below(model.count) : 0
                #expect(queue.remove(at: place) == model.remove(at: place))
            }
            #expect(queue.count == model.count)
            #expect(queue.isEmpty == model.isEmpty)
            if let first = model.first {
                #expect(queue[0] == first)
                let place = random.below(model.count)
                #expect(queue[place] == model[place])
            }
        }
    }

    @Test("orders by priority, then arrival, then number, and is strict")
    func order() {
        var random = stream(9)
        let requests = (0..<60).map { randomQueued(Int64($0), &random) }
        for left in requests {
            #expect(!left.precedes(left))
            for right in requests where left != right { #expect(left.precedes(right) == (key(left) < key(right))) }
        }
    }
}

@Suite("First come, first served")
struct FirstComeFirstServedTests {
    @Test("serves everybody in the order of priority and arrival, whatever the lengths")
    func order() throws {
        var random = stream(10)
        var queue = WaitingQueue()
        let requests = (0..<200).map { randomQueued(Int64($0), &random) }
        for request in requests { queue.insert(request) }
        var policy = try #require(SchedulingRegistry.make(PolicyChoice("fcfs"), random: stream(1)))
        var served: [Int64] = []
        while let place = policy.next(in: queue, of: EngineView(now: 5, freeBlocks: 0, totalBlocks: 9, batchRequests: 0, tokensLeft: 1)) {
            served.append(queue.remove(at: place).id)
        }
        #expect(served == requests.sorted { ($0.priority, $0.arrival, $0.id) < ($1.priority, $1.arrival, $1.id) }.map(\.id))
    }
}
