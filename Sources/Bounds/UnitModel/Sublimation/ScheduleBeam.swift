/// Looks for a good schedule along a graph of partial schedules: of all that come to the end of a round, those with the lowest bounds go on.
///
/// Unlike the graph, it keeps every request and all memory exactly, so that what comes to the end is a schedule. A partial schedule's bound is what it has
/// cost, with the price of memory that it left unused, and the graph's least cost to the end.
struct ScheduleBeam {
    let graph: ScheduleGraph
    let prices: StartPrices
    /// Partial schedules that go on.
    let width: Int

    private struct Partial {
        var node: Int32
        var started: UInt128
        var running: RunningSet
        var cost: Double
        var bound: Double
        /// Its last start in `trail`, -1 for none.
        var trail: Int32
    }

    private struct Step {
        var before: Int32
        var request: Int
        var start: Int
    }

    private var trail: [Step] = []
    private var starting: [Partial] = []
    private var later: [Partial] = []
    private var seen: Set<UInt64> = []
    private var limit: Double
    private var best: UnitSchedule?

    /// - Parameters:
    ///   - graph: measured backward at the prices.
    ///   - limit: schedules that cost more are of no interest.
    init(_ graph: ScheduleGraph, _ prices: StartPrices, width: Int, limit: Double) {
        self.graph = graph
        self.prices = prices
        self.width = width
        self.limit = limit
    }

    /// A schedule within the limit, if one is met.
    mutating func search() -> UnitSchedule? {
        guard graph.count > 0, prices.constant < .infinity else { return nil }
        var front = [Partial(node: 0, started: 0, running: RunningSet(), cost: prices.constant, bound: 0, trail: -1)]
        for round in 0...graph.lastRound where !front.isEmpty {
            later.removeAll(keepingCapacity: true)
            seen.removeAll(keepingCapacity: true)
            while !front.isEmpty {
                starting.removeAll(keepingCapacity: true)
                for partial in front { extend(partial, round) }
                front = narrowed(starting)
            }
            front = narrowed(later)
        }
        return best
    }

    private func narrowed(_ partials: [Partial]) -> [Partial] {
        guard partials.count > width else { return partials }
        let order = partials.indices.sorted { (partials[$0].bound, $0) < (partials[$1].bound, $1) }
        return order.prefix(width).map { partials[$0] }
    }

    private mutating func extend(_ partial: Partial, _ round: Int) {
        let node = Int(partial.node)
        for start in graph.firstStarts[node]..<graph.firstStarts[node + 1] {
            begin(Int(graph.requests[start]), graph.targets[start], partial, round)
        }
        for (request, treatment) in prices.treatments.enumerated() where treatment == .priced && prices.allows(request, at: round) {
            begin(request, partial.node, partial, round)
        }
        let next = graph.successors[node]
        guard next >= 0 else { return }
        var moved = partial
        moved.node = next
        moved.cost += prices.ofMemory[round + 1] * Double(prices.instance.memory - partial.running.nextUsage)
        moved.bound = moved.cost + graph.costsFrom[Int(next)]
        moved.running = partial.running.advanced()
        if moved.bound <= limit { later.append(moved) }
    }

    private mutating func begin(_ request: Int, _ target: Int32, _ partial: Partial, _ round: Int) {
        let bit = UInt128(1) << UInt128(request)
        guard partial.started & bit == 0, !partial.running.isFull else { return }
        let cost = partial.cost + prices.costs[round * prices.treatments.count + request]
        let bound = cost + graph.costsFrom[Int(target)]
        guard bound <= limit, let running = partial.running.adding(prices.instance.requests[request], memory: prices.instance.memory) else { return }
        let started = partial.started | bit
        let mixed = running.mixed ^ UInt64(truncatingIfNeeded: started) &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(truncatingIfNeeded: started >> 64)
        guard seen.insert(mixed ^ UInt64(UInt32(bitPattern: target)) &* 0xBF58_476D_1CE4_E5B9).inserted else { return }
        trail.append(Step(before: partial.trail, request: request, start: round))
        let reached = Partial(
            node: target, started: started, running: running, cost: cost, bound: bound, trail: Int32(trail.count - 1))
        if started.nonzeroBitCount == prices.treatments.count { finish(reached) } else { starting.append(reached) }
    }

    private mutating func finish(_ partial: Partial) {
        var starts = Array(repeating: 0, count: prices.treatments.count)
        var place = Int(partial.trail)
        while place >= 0 {
            starts[trail[place].request] = trail[place].start
            place = Int(trail[place].before)
        }
        let schedule = UnitSchedule(starts: starts)
        let total = schedule.totalLatency(prices.instance)
        guard Double(total) <= limit else { return }
        best = schedule
        limit = Double(total - 1) + 1e-6 * Double(max(1, total))
    }
}
