import Quantities

/// Looks for good schedules of the unit-round model: each request as early as memory allows, one after the other in some order, and orders that
/// are changed a little, also for the worse, but by less and less (threshold accepting). A pure function of the instance.
enum UnitSearch {
    /// Each of so many descents starts with the best order found.
    private static let descents = 4

    /// A schedule that is at least as good as the given one.
    static func improve(_ schedule: UnitSchedule, of instance: UnitInstance, orders: Int) -> UnitSchedule {
        var best = schedule
        var bestTotal = schedule.totalLatency(instance)
        let count = instance.requests.count
        guard count > 1, orders > 0, instance.horizon < 100_000 else { return best }
        var packer = UnitPacker(instance)
        var random = RandomStream(seed: 1, stream: 1)
        let steps = max(1, orders / descents)
        for _ in 0..<min(descents, orders) {
            var order = instance.requests.indices.sorted { (best.starts[$0], $0) < (best.starts[$1], $1) }
            var total = packer.pack(order)
            if total < bestTotal { (best, bestTotal) = (UnitSchedule(starts: packer.starts), total) }
            // At first a change may cost a hundredth.
            let scale = total / 100 + 1
            for step in 0..<steps {
                let from = random.below(count)
                let to = random.below(count)
                guard from != to else { continue }
                var changed = order
                if random.below(2) == 0 { changed.swapAt(from, to) } else { changed.insert(changed.remove(at: from), at: to) }
                let result = packer.pack(changed)
                guard result <= total + random.below(scale * (steps - step) / steps + 1) else { continue }
                (order, total) = (changed, result)
                if total < bestTotal { (best, bestTotal) = (UnitSchedule(starts: packer.starts), total) }
            }
        }
        return best
    }
}

/// Puts requests one after the other into the memory's profile.
struct UnitPacker {
    let instance: UnitInstance
    private(set) var starts: [Int]
    /// Tokens in memory at the end of each round.
    private var usage: [Int]

    init(_ instance: UnitInstance) {
        self.instance = instance
        starts = Array(repeating: 0, count: instance.requests.count)
        usage = Array(repeating: 0, count: instance.horizon + 1)
    }

    /// The total latency of an order.
    mutating func pack(_ order: [Int]) -> Int {
        for round in usage.indices { usage[round] = 0 }
        var total = 0
        for place in order {
            let request = instance.requests[place]
            let start = earliestStart(request)
            starts[place] = start
            total += start + request.output - request.arrival
            while usage.count <= start + request.output { usage.append(0) }
            for round in (start + 1)...(start + request.output) { usage[round] += request.prompt + round - start }
        }
        return total
    }

    private func earliestStart(_ request: UnitRequest) -> Int {
        var start = request.arrival
        while true {
            var conflict = false
            // From the end, where most is held: a conflict there moves the start furthest.
            var round = min(start + request.output, usage.count - 1)
            while round > start {
                let excess = usage[round] + request.prompt + round - start - instance.memory
                if excess > 0 {
                    // Later starts hold less at that round, a token for each round of delay; or nothing once they start there.
                    start += min(excess, round - start)
                    conflict = true
                    break
                }
                round -= 1
            }
            if !conflict { return start }
        }
    }
}
