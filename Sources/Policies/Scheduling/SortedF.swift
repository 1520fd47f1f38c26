import Quantities

/// Batches of waiting requests chosen by total length over the square of their number, then shortest first within a batch.
///
/// Source: 2508.06133. Model: that of `mc-sf` with prompts of any length, all there at the start. Rule: of those that wait, take the set X that fits
/// into memory with its whole length and has the least F(X) = sum of lengths / |X| squared; X by length, then the next set from the rest, and so on.
/// Then admit in this order while `mc-sf`'s check holds. The order is made for a snapshot of the queue and made anew when all of it has joined, or
/// when as many again wait as were left of it. Preempted requests join with the next snapshot. Priorities do not count.
///
/// The least F is a knapsack. Sets are looked for by a Lagrangian: for several prices of memory, requests by length + price x memory, as many as fit;
/// the best F of any prefix. That is not always the least; tests hold it against all sets of small instances. Guarantee of the exact rule: a constant
/// ratio to the optimum of total latency (48, as reported) where `mc-sf` and first come, first served have none. Cost: that of `mc-sf`, and O(n log
/// n) for a snapshot of n for each of 7 prices.
public struct SortedF: SchedulingPolicy {
    public static let description = PolicyDescription(
        name: "sorted-f", summary: "batches by total length over squared number, then shortest first", source: "Sorted-F, 2508.06133",
        parameters: [ParameterDescription("protection", defaultValue: 0, range: 0...0.99, summary: "share of the blocks that nobody may join into")],
        needsPrediction: true,
        guarantees: [
            Guarantee(.ratioToOptimum(48), when: [.allAtStart, .exactPredictions]),
            Guarantee(.noEvictions, when: [.noShortPredictions]),
        ])
    public static let traits: SchedulingTraits = [.admits, .overtakes]

    private var forecast: MemoryForecast
    /// The snapshot in its order, and how much of it has joined.
    private var order: [QueuedRequest] = []
    private var next = 0
    private var batches = BatchOrder()

    public init(parameters: PolicyParameters, random: RandomStream) {
        forecast = MemoryForecast(basis: .expected, keptBack: parameters["protection"])
    }

    public mutating func admit(from waiting: WaitingQueue, _ engine: EngineView, into admitted: inout [QueuedRequest]) {
        guard engine.freePlaces > 0 else { return }
        skipJoined(waiting)
        if next == order.count || waiting.count > 2 * (order.count - next) {
            batches.order(waiting, engine, into: &order)
            next = 0
        }
        forecast.begin(engine)
        var place = next
        while place < order.count, admitted.count < engine.freePlaces {
            if let found = waiting.firstIndex(of: order[place]) {
                guard forecast.admit(waiting[found]) else {
                    if admitted.isEmpty, engine.running.isEmpty { admitted.append(waiting[found]) }
                    return
                }
                admitted.append(waiting[found])
            }
            place += 1
        }
    }

    private mutating func skipJoined(_ waiting: WaitingQueue) {
        while next < order.count, waiting.firstIndex(of: order[next]) == nil { next += 1 }
    }
}

/// The order of `sorted-f` for a snapshot of a queue.
struct BatchOrder: Sendable {
    /// Prices of a token of memory, in tokens of output.
    private static let prices: [Double] = [0, 1.0 / 64, 1.0 / 16, 0.25, 1, 4, 1e6]
    /// Requests too large for the rest of the memory that are passed over before a set counts as full.
    private static let patience = 16

    /// Puts the requests that wait into `order`.
    mutating func order(_ waiting: WaitingQueue, _ engine: EngineView, into order: inout [QueuedRequest]) {
        order.removeAll(keepingCapacity: true)
        let requests = (0..<waiting.count).map { waiting[$0] }
        let sizes = requests.map { engine.growsCaches ? engine.blocks(for: $0.tokens + $0.remaining) : engine.blocks(for: $0.tokens) }
        let lists = Self.prices.map { price in
            let keys = requests.indices.map { Double(requests[$0].remaining) + price * Double(sizes[$0] * engine.blockSize) }
            return requests.indices.sorted { (keys[$0], $0) < (keys[$1], $1) }
        }
        var heads = Array(repeating: 0, count: lists.count)
        var isTaken = Array(repeating: false, count: requests.count)
        while order.count < requests.count {
            var best = (value: Double.infinity, set: [Int]())
            for list in lists.indices {
                while heads[list] < requests.count, isTaken[lists[list][heads[list]]] { heads[list] += 1 }
                let found = Self.best(lists[list][heads[list]...], isTaken, limit: engine.totalBlocks, better: best.value) {
                    (requests[$0].remaining, sizes[$0])
                }
                if let found { best = found }
            }
            // One that is larger than the memory is never predicted of an accepted request; it would go by itself.
            if best.set.isEmpty, let first = isTaken.firstIndex(of: false) { best.set = [first] }
            for place in best.set.sorted(by: { (requests[$0].remaining, $0) < (requests[$1].remaining, $1) }) {
                isTaken[place] = true
                order.append(requests[place])
            }
        }
    }

    /// The prefix of a list, without those that do not fit, of the least F below `better`.
    private static func best(
        _ list: ArraySlice<Int>, _ isTaken: [Bool], limit: Int64, better: Double, _ request: (Int) -> (length: Int32, size: Int64)
    ) -> (value: Double, set: [Int])? {
        var set: [Int] = []
        var (used, sum) = (Int64(0), Int64(0))
        var best = (value: better, count: 0)
        var skipped = 0
        for place in list where !isTaken[place] {
            let (length, size) = request(place)
            guard used + size <= limit else {
                skipped += 1
                if skipped > patience { break }
                continue
            }
            used += size
            sum += Int64(length)
            set.append(place)
            let value = Double(sum) / (Double(set.count) * Double(set.count))
            if value < best.value { best = (value, set.count) }
        }
        return best.count > 0 ? (best.value, Array(set.prefix(best.count))) : nil
    }
}
