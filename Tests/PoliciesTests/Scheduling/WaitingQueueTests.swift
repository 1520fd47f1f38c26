import Policies
import Quantities
import Testing

/// A request that waits, drawn so that priorities and arrivals often tie.
func randomQueued(_ id: Int64, _ random: inout RandomStream) -> QueuedRequest {
    QueuedRequest(
        slot: Int32(id), id: id, priority: Int32(random.below(3)), arrival: Instant(random.below(50)), tokens: Int32(1 + random.below(500)),
        prediction: Prediction(exactly: Int32(1 + random.below(300))))
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

    @Test("finds who waits and nobody else; ranks come before priorities")
    func finding() {
        var random = stream(12)
        var queue = WaitingQueue()
        var requests = (0..<300).map { randomQueued(Int64($0), &random) }
        for place in requests.indices { requests[place].rank = Int64(random.below(5)) }
        for request in requests.dropFirst(100) { queue.insert(request) }
        for _ in 0..<40 { _ = queue.remove(at: 0) }
        let waiting = (0..<queue.count).map { queue[$0] }
        #expect(zip(waiting, waiting.dropFirst()).allSatisfy { ($0.rank, $0.priority, $0.arrival) <= ($1.rank, $1.priority, $1.arrival) })
        for request in requests { #expect(queue.firstIndex(of: request) == waiting.firstIndex(of: request)) }
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
