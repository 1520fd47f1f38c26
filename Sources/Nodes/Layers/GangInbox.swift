import Quantities

/// Messages of a gang that wait to be looked at, by iteration.
struct GangInbox {
    private var ends: [Int64: [IterationEnd]] = [:]
    /// By iteration and group of layers, then by attention rank.
    private var sheets: [Int64: [LoadSheet?]] = [:]
    private var sheetCounts: [Int64: Int] = [:]
    private var verdicts: [Int64: LayerVerdict] = [:]
    private var counters: [Int64: [Int64]] = [:]
    /// For expert ranks, when iterations begin.
    private var starts: [Int64: (start: Instant, follows: Bool)] = [:]

    /// - Parameter isFirst: whether an expert rank may learn from the message that an iteration begins.
    mutating func receive(_ message: LayerMessage, _ shape: GangShape, isFirst: Bool) {
        if isFirst { starts[message.iteration] = (message.start, message.follows) }
        switch message.body {
        case .leg: break
        case .done(let end): ends[message.iteration, default: []].append(end)
        case .sheet(let sheet, let group): receive(sheet, key(message.iteration, Int(group)), from: Int(message.sender), shape)
        case .verdict(let verdict): verdicts[message.iteration] = verdict
        case .counters(let sums): counters[message.iteration] = sums
        }
    }

    private mutating func receive(_ sheet: LoadSheet, _ key: Int64, from rank: Int, _ shape: GangShape) {
        if sheets[key] == nil { sheets[key] = Array(repeating: nil, count: shape.attentionRanks) }
        guard sheets[key]?[rank] == nil else { return }
        sheets[key]?[rank] = sheet
        sheetCounts[key, default: 0] += 1
    }

    private func key(_ iteration: Int64, _ group: Int) -> Int64 { iteration << 16 | Int64(group) }

    /// The ends of all attention ranks, once they are there.
    mutating func takeEnds(of iteration: Int64, count: Int) -> [IterationEnd]? {
        guard (ends[iteration]?.count ?? 0) >= count else { return nil }
        return ends.removeValue(forKey: iteration)
    }

    /// The sheets of all attention ranks for a group of layers, once they are there.
    mutating func takeSheets(of iteration: Int64, group: Int, count: Int) -> [LoadSheet]? {
        let key = key(iteration, group)
        guard sheetCounts[key] == count, let found = sheets.removeValue(forKey: key) else { return nil }
        sheetCounts[key] = nil
        let whole = found.compactMap { $0 }
        return whole.count == count ? whole : nil
    }

    mutating func takeVerdict(of iteration: Int64) -> LayerVerdict? { verdicts.removeValue(forKey: iteration) }
    mutating func takeCounters(of iteration: Int64) -> [Int64]? { counters.removeValue(forKey: iteration) }
    mutating func takeStart(of iteration: Int64) -> (start: Instant, follows: Bool)? { starts.removeValue(forKey: iteration) }
    mutating func putBack(_ start: (start: Instant, follows: Bool), of iteration: Int64) { starts[iteration] = start }
}

/// When experts are placed anew, and from what counts.
struct Replanning {
    private let interval: Nanoseconds?
    private let hasBias: Bool
    private var next: Instant
    /// What all ranks counted since the last plan.
    private var sums: [Int64] = []
    /// For an expert rank: whether the iteration that comes begins with a new plan.
    private var isDue = false
    private var planned: [Int64]?

    init(_ shape: GangShape) {
        interval = shape.mixture.balance.replanInterval
        hasBias = shape.mixture.gate.biasRate > 0
        next = interval ?? .never
    }

    /// Whether ranks tell each other what they counted at the end of an iteration with this start.
    func needsExchange(start: Instant) -> Bool { hasBias || start >= next }

    /// Takes in what all ranks counted in and since the iteration with this start. Answers what a new plan costs when one is made.
    mutating func learn(
        _ counters: [Int64], start: Instant, router: inout ExpertRouter?
    ) -> (time: Nanoseconds, bytes: ByteCount)? {
        if hasBias { router?.updateBias(counters) }
        if sums.count != counters.count { sums = [Int64](repeating: 0, count: counters.count) }
        for place in sums.indices { sums[place] += counters[place] }
        guard let interval, start >= next else { return nil }
        next = start + interval
        defer { sums = [] }
        planned = sums
        return router?.replan(counters: sums)
    }

    /// What the plan was made of that holds from the next iteration on, once.
    mutating func takePlanned() -> [Int64]? {
        defer { planned = nil }
        return planned
    }

    /// For an expert rank: an iteration with this start is over.
    mutating func pass(start: Instant) {
        guard let interval, start >= next else { return }
        next = start + interval
        isDue = true
    }

    /// Whether an expert rank that chooses replicas must have the counts before it begins.
    func needsCounters(expertRouter: ExpertRouter?) -> Bool { isDue && expertRouter != nil }

    /// An expert rank makes the plan that the attention ranks have made.
    mutating func replanExperts(_ counters: [Int64], router: inout ExpertRouter?) {
        isDue = false
        _ = router?.replan(counters: counters)
    }
}
