/// Tells apart what a graph of partial schedules does not: more requests are packed or counted.
///
/// A node of the finer graph is a node of the coarser one with the packed requests under way and the newly counted ones that have started. What the coarser
/// graph has lost stays out, and its costs to the end prune the finer one while it is made.
struct GraphRefinement {
    let coarse: ScheduleGraph
    let prices: StartPrices
    /// Ways that cost more are of no interest.
    let limit: Double
    /// Nodes of the finer graph.
    let nodeLimit: Int
    /// Requests that are packed from now on.
    let packed: [Int]
    /// Requests that are counted from now on, 64 at most.
    let counted: [Int]

    private var fine = ScheduleGraph()
    private var current = StateTable()
    private var following = StateTable()
    /// By state of the present round: the next one with the same coarse node; by coarse node of the round: the first.
    private var chain: [Int32] = []
    private var heads: [Int32] = []
    /// States of the present coarse node by the number of requests under way: a start leads to one more.
    private var bySize: [[Int32]] = Array(repeating: [], count: RunningSet.requestLimit + 2)
    /// Bit of each newly counted request, 0 for others.
    private var bits: [UInt64]
    private var isBeyondReach = false

    init(_ coarse: ScheduleGraph, _ prices: StartPrices, limit: Double, nodeLimit: Int, packed: [Int], counted: [Int]) {
        self.coarse = coarse
        self.prices = prices
        self.limit = limit
        self.nodeLimit = nodeLimit
        self.packed = packed
        self.counted = counted
        bits = Array(repeating: 0, count: prices.instance.requests.count)
        for (place, request) in counted.enumerated() { bits[request] = 1 << UInt64(place) }
    }

    /// The finer graph, not measured; `nil` when it has too many nodes. The coarser one must be measured backward at the same prices.
    mutating func build() -> ScheduleGraph? {
        guard coarse.count > 0 else { return coarse }
        let lastStarts = coarse.lastStarts(width: bits.count)
        current.insert(PartialSchedule(coarse: 0, started: 0, running: RunningSet()), cost: prices.constant)
        for round in 0...coarse.lastRound {
            let mustHave = counted.reduce(0) { lastStarts[$1] <= round ? $0 | bits[$1] : $0 }
            let order = expand(round, mustHave: mustHave)
            if isBeyondReach || fine.count > nodeLimit { return nil }
            settle(round, order)
            swap(&current, &following)
            following.removeAll()
        }
        fine.rounds.append(fine.count)
        fine.firstStarts.append(fine.requests.count)
        return fine
    }

    /// Makes the nodes of a round. Answers the states in the order of their nodes; targets are states for now.
    private mutating func expand(_ round: Int, mustHave: UInt64) -> [Int32] {
        let first = coarse.rounds[round]
        heads = Array(repeating: -1, count: coarse.rounds[round + 1] - first)
        chain.removeAll(keepingCapacity: true)
        for state in 0..<current.count { link(state, first) }
        fine.rounds.append(fine.count)
        let candidates = packed.filter { prices.allows($0, at: round) }
        var order: [Int32] = []
        for node in first..<coarse.rounds[round + 1] {
            var state = heads[node - first]
            var sizes = 0..<0
            while state >= 0 {
                let size = current.states[Int(state)].running.requests
                bySize[size].append(state)
                sizes = sizes.isEmpty ? size..<(size + 1) : min(sizes.lowerBound, size)..<max(sizes.upperBound, size + 1)
                state = chain[Int(state)]
            }
            var size = sizes.lowerBound
            while size < bySize.count, size < sizes.upperBound || !bySize[size].isEmpty {
                for state in bySize[size] {
                    order.append(state)
                    visit(Int(state), round, first, candidates, mustHave)
                }
                bySize[size].removeAll(keepingCapacity: true)
                size += 1
            }
            if isBeyondReach || fine.count > nodeLimit { return order }
        }
        return order
    }

    private mutating func link(_ state: Int, _ first: Int) {
        let node = Int(current.states[state].coarse) - first
        chain.append(heads[node])
        heads[node] = Int32(state)
    }

    /// Adds the node of a state with its steps.
    private mutating func visit(_ place: Int, _ round: Int, _ first: Int, _ candidates: [Int], _ mustHave: UInt64) {
        let state = current.states[place]
        let cost = current.costs[place]
        let node = Int(state.coarse)
        let row = round * bits.count
        fine.firstStarts.append(fine.requests.count)
        if state.running.isFull || state.running.requests >= RunningSet.requestLimit { isBeyondReach = true }
        guard !isBeyondReach else { return }
        for start in coarse.firstStarts[node]..<coarse.firstStarts[node + 1] {
            let request = Int(coarse.requests[start])
            guard state.started & bits[request] == 0 else { continue }
            let target = coarse.targets[start]
            let total = cost + prices.costs[row + request]
            guard total + coarse.costsFrom[Int(target)] <= limit else { continue }
            add(request, target, state, total, first)
        }
        for request in candidates where state.started & bits[request] == 0 {
            let total = cost + prices.costs[row + request]
            if total + coarse.costsFrom[node] <= limit { add(request, state.coarse, state, total, first) }
        }
        let next = coarse.successors[node]
        var successor: Int32 = -1
        if next >= 0, state.started & mustHave == mustHave, cost + coarse.costsFrom[Int(next)] <= limit {
            let later = PartialSchedule(coarse: next, started: state.started, running: state.running.advanced())
            successor = Int32(following.insert(later, cost: cost))
        }
        fine.successors.append(successor)
    }

    private mutating func add(_ request: Int, _ target: Int32, _ state: PartialSchedule, _ cost: Double, _ first: Int) {
        guard let running = state.running.adding(prices.instance.requests[request], memory: prices.instance.memory) else { return }
        let known = current.count
        let reached = current.insert(PartialSchedule(coarse: target, started: state.started | bits[request], running: running), cost: cost)
        if reached == known {
            // It comes later: by coarse node, or by size within the same one.
            link(reached, first)
            if target == state.coarse { bySize[running.requests].append(Int32(reached)) }
        }
        fine.requests.append(UInt8(request))
        fine.targets.append(Int32(reached))
    }

    /// Makes nodes of the states that starts of this round and steps into it lead to.
    private mutating func settle(_ round: Int, _ order: [Int32]) {
        let first = fine.rounds[round]
        var places = Array(repeating: Int32(-1), count: current.count)
        for (place, state) in order.enumerated() { places[Int(state)] = Int32(first + place) }
        for start in fine.firstStarts[first..<fine.count].first.map({ $0..<fine.targets.count }) ?? 0..<0 {
            fine.targets[start] = places[Int(fine.targets[start])]
        }
        guard round > 0 else { return }
        for node in fine.rounds[round - 1]..<first where fine.successors[node] >= 0 {
            fine.successors[node] = places[Int(fine.successors[node])]
        }
    }
}
