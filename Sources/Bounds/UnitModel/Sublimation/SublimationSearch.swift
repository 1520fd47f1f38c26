import Quantities

/// Proves hindsight optima by successive sublimation: dynamic programmes over ever more of the state, each pruned by the one before.
///
/// The method is that of Ibaraki and Nakamura (1994), with which Tanaka, Fujikuma and Araki (2009) solve single machines of hundreds of jobs. A relaxation keeps the
/// memory of some requests to the token and lets the others pay for theirs (`Treatment`), so that its cheapest schedule is a shortest way in a graph
/// (`ScheduleGraph`) and, at any prices, a bound. A subgradient method raises the bound by the prices. Whatever lies only on ways that cost as much as the
/// best schedule known is taken out for good; then more requests are told apart (`GraphRefinement`), the largest first, for they
/// leave the least room to each other and so the fewest states. Last, requests are counted, those first that the cheapest ways serve several
/// times or never. A beam search (`ScheduleBeam`) finds better schedules on the way. When nothing is left of the graph, the best one is proved.
///
/// All is limited by counts, so that the outcome is the same on every machine. It works where memory is small and requests are few: states grow with the number
/// of ways to fill memory.
struct SublimationSearch {
    struct Limits: Sendable, Equatable {
        /// Nodes of a graph; 0: no search.
        var nodes: Int
        /// Steps of the subgradient method for each graph.
        var steps = 150
        /// Partial schedules that the beam search goes on with.
        var beam = 100
    }

    /// Requests that can be told apart, and entries of the table of costs.
    private static let requestLimit = 128
    private static let tableLimit = 4_000_000

    let instance: UnitInstance
    let limits: Limits
    private(set) var schedule: UnitSchedule
    private(set) var total: Int
    /// No schedule has a lower total latency than this, or than the one that is known.
    private(set) var bound = -Double.infinity
    /// Whether the schedule is proved to be the best.
    private(set) var isProved = false

    private var prices: StartPrices
    private var graph: ScheduleGraph
    /// Prices at which the bound was found.
    private var serving: [Double]
    private var memory: [Double]
    /// How often each request was not served just once, of so many steps.
    private var violations: [Int]
    private var stepsTaken = 1
    private var packer: UnitPacker
    /// Whether requests were packed last, and by which part of the gap the bound has risen since.
    private var hasPacked = false
    private var gain = 1.0

    /// - Returns: `nil` for an instance beyond the method's reach.
    init?(_ instance: UnitInstance, from schedule: UnitSchedule, limits: Limits) {
        let count = instance.requests.count
        guard limits.nodes > 0, (1...Self.requestLimit).contains(count), instance.memory <= RunningSet.tokenLimit,
            instance.horizon < Self.tableLimit / count
        else { return nil }
        self.instance = instance
        self.limits = limits
        self.schedule = schedule
        total = schedule.totalLatency(instance)
        prices = StartPrices(instance)
        prices.guess(from: schedule)
        graph = ScheduleGraph(horizon: instance.horizon)
        serving = prices.ofServing
        memory = prices.ofMemory
        violations = Array(repeating: 0, count: count)
        packer = UnitPacker(instance)
    }

    /// Schedules that cost more need not be found.
    private var limit: Double { Double(total - 1) + 1e-6 * Double(max(1, total)) }

    /// Goes on until the schedule is proved or the limits are reached.
    mutating func run() {
        raiseBound(steps: 3 * limits.steps, patience: 10)
        while !isProved {
            returnToBestPrices()
            graph.prune(costlierThan: limit, prices)
            prices.removeStarts(costlierThan: limit, bound: bound)
            searchAlong()
            guard !checkProof(), refine() else { return }
            returnToBestPrices()
            graph.prune(costlierThan: limit, prices)
            guard !checkProof() else { return }
            let before = bound
            raiseBound(steps: limits.steps, patience: 5)
            gain = (bound - before) / max(1, Double(total) - before)
        }
    }

    private mutating func checkProof() -> Bool {
        isProved = isProved || graph.count == 0 || bound > limit
        return isProved
    }

    private mutating func returnToBestPrices() {
        prices.ofServing = serving
        prices.ofMemory = memory
        // Where all memory is kept to the token, paying for it only takes from the bound what is left unused.
        if !prices.treatments.contains(.priced) { prices.ofMemory = Array(repeating: 0, count: memory.count) }
        memory = prices.ofMemory
        prices.update()
        graph.measureBackward(prices)
        bound = max(bound, graph.bound(prices))
    }

    // MARK: Prices

    /// Raises the bound by a subgradient method with steps of Polyak's length, which get shorter when the bound does not rise.
    private mutating func raiseBound(steps: Int, patience: Int) {
        var direction = Direction(requests: prices.ofServing.count, rounds: prices.ofMemory.count)
        var (length, idle, pruned) = (1.0, 0, bound)
        violations = Array(repeating: 0, count: violations.count)
        stepsTaken = 0
        while stepsTaken < steps, length > 0.01, !checkProof() {
            stepsTaken += 1
            prices.update()
            graph.measureBackward(prices)
            let value = graph.bound(prices)
            if value > bound {
                (bound, serving, memory, idle) = (value, prices.ofServing, prices.ofMemory, 0)
            } else {
                idle += 1
            }
            guard value < .infinity else { continue }
            let starts = graph.cheapestStarts(prices)
            for (request, chosen) in starts.enumerated() where chosen.count != 1 { violations[request] += 1 }
            tryOrder(of: starts)
            if value >= bound, bound - pruned > 0.1 * (Double(total) - pruned) {
                graph.prune(costlierThan: limit, prices)
                prices.removeStarts(costlierThan: limit, bound: bound)
                pruned = bound
            }
            if idle >= patience {
                (length, idle) = (0.7 * length, 0)
                (prices.ofServing, prices.ofMemory) = (serving, memory)
                direction.clear()
                continue
            }
            guard direction.turn(to: starts, prices) else { break }
            direction.move(&prices, by: length * (Double(total) - value) / direction.squaredLength)
        }
    }

    /// Takes the cheapest starts for a schedule if they are one, and their order for another one.
    private mutating func tryOrder(of starts: [[Int]]) {
        if starts.allSatisfy({ $0.count == 1 }) { take(UnitSchedule(starts: starts.map { $0[0] })) }
        let firsts = zip(starts, schedule.starts).map { $0.first ?? $1 }
        let order = firsts.indices.sorted { (firsts[$0], $0) < (firsts[$1], $1) }
        if packer.pack(order) < total { take(UnitSchedule(starts: packer.starts)) }
    }

    private mutating func take(_ candidate: UnitSchedule) {
        guard candidate.totalLatency(instance) < total, candidate.isFeasible(instance) else { return }
        schedule = candidate
        total = candidate.totalLatency(instance)
    }

    private mutating func searchAlong() {
        var beam = ScheduleBeam(graph, prices, width: limits.beam, limit: limit)
        guard let found = beam.search() else { return }
        take(found)
        graph.prune(costlierThan: limit, prices)
        prices.removeStarts(costlierThan: limit, bound: bound)
    }

    // MARK: States

    /// Tells more requests apart. Answers whether it could.
    ///
    /// Packing comes first, for until then the bound is far off. Where it has come near and packing brings next to nothing more, requests that the cheapest ways serve several times or
    /// never are what holds the bound down, and they are counted before the next ones are packed.
    private mutating func refine() -> Bool {
        let left = prices.treatments.indices.filter { prices.treatments[$0] == .priced }
        let bySize = left.sorted { (-instance.requests[$0].peak, $0) < (-instance.requests[$1].peak, $1) }
        let uncounted = prices.treatments.indices.filter { prices.treatments[$0] == .packed }
        let byViolation = uncounted.sorted { (-violations[$0], $0) < (-violations[$1], $1) }
        let often = byViolation.filter { 2 * violations[$0] > stepsTaken }
        let isNear = Double(total) - bound < 0.06 * bound
        if hasPacked, isNear, gain < 0.05, !often.isEmpty, tellApart(often, as: .counted) { return true }
        return tellApart(bySize, as: .packed) || tellApart(byViolation, as: .counted)
    }

    /// Treats the first of some requests otherwise, fewer where the graph would get too large. Answers whether it could.
    private mutating func tellApart(_ requests: [Int], as treatment: Treatment) -> Bool {
        var size = min(requests.count, 64, max(1, instance.requests.count / 6))
        while size > 0 {
            let chosen = Array(requests.prefix(size))
            var refinement = GraphRefinement(
                graph, prices, limit: limit, nodeLimit: limits.nodes, packed: treatment == .packed ? chosen : [],
                counted: treatment == .counted ? chosen : [])
            if let finer = refinement.build() {
                graph = finer
                hasPacked = treatment == .packed
                for request in chosen { prices.treatments[request] = treatment }
                return true
            }
            size /= 2
        }
        return false
    }
}

/// Where a subgradient method goes: by how much the last choices of starts miss what was asked, smoothed.
private struct Direction {
    private var serving: [Double]
    private var memory: [Double]
    private(set) var squaredLength = 0.0

    init(requests: Int, rounds: Int) {
        serving = Array(repeating: 0, count: requests)
        memory = Array(repeating: 0, count: rounds)
    }

    mutating func clear() {
        for request in serving.indices { serving[request] = 0 }
        for round in memory.indices { memory[round] = 0 }
    }

    /// Answers whether anything is missed.
    mutating func turn(to starts: [[Int]], _ prices: StartPrices) -> Bool {
        let instance = prices.instance
        let isPriced = prices.treatments.contains(.priced)
        var usage = Array(repeating: 0, count: memory.count)
        squaredLength = 0
        for (place, request) in instance.requests.enumerated() {
            for start in starts[place] {
                for round in (start + 1)...(start + request.output) { usage[round] += request.prompt + round - start }
            }
            let missed = prices.treatments[place] == .priced ? 0 : Double(1 - starts[place].count)
            serving[place] = 0.3 * serving[place] + missed
            squaredLength += serving[place] * serving[place]
        }
        guard isPriced else { return squaredLength > 1e-12 }
        for round in memory.indices where round > 0 {
            let excess = Double(usage[round] - instance.memory) / Double(instance.memory)
            memory[round] = 0.3 * memory[round] + (prices.ofMemory[round] <= 0 ? max(0, excess) : excess)
            if prices.ofMemory[round] <= 0, memory[round] < 0 { memory[round] = 0 }
            squaredLength += memory[round] * memory[round]
        }
        return squaredLength > 1e-12
    }

    func move(_ prices: inout StartPrices, by length: Double) {
        for request in serving.indices where prices.treatments[request] != .priced { prices.ofServing[request] += length * serving[request] }
        guard prices.treatments.contains(.priced) else { return }
        let tokens = Double(prices.instance.memory)
        for round in memory.indices { prices.ofMemory[round] = max(0, prices.ofMemory[round] + length * memory[round] / tokens) }
    }
}
