import Quantities

/// LPLB: each rank's heaviest experts have a copy on a neighbour, and a linear programme a batch splits their tokens.
///
/// Source: DeepSeek-AI, LPLB (github.com/deepseek-ai/LPLB, 2025). Assumes that a rank's time goes with its tokens, not with the shape of
/// its grouped GEMM. Rule: experts are packed on ranks by `eplb` without replicas (the gate's groups within hosts where they divide);
/// on each rank they are ordered by load, and the first ones duplicated along a `DuplicateGraph`. For each group of ranks and
/// batch, with w the tokens of a duplicated expert (or of the class of them that shares an edge), x the share that its original
/// keeps and fix_r the tokens of rank r's other experts:
///
///     minimise t  subject to  sum of w x on r + sum of w (1 - x) for copies on r + fix_r <= t  for every r,  0 <= x <= 1
///
/// which is the published programme with its shares y = 1 - x and its slacks eliminated. Tokens are rounded, halves towards the
/// copy; where no optimum is found, and where rounding makes it worse than that, every share is a half.
///
/// Cost: a programme of (ranks of a group) rows a group; `solve_us` says what the emulated device takes (published: about 100 us within a
/// host). Guarantee: the optimum for divisible tokens on this graph, plus at most half a token for each edge at the rank; never
/// above the half-half split. No expert has more than two replicas, so that `eplb` may win when loads are very skewed.
public struct LinearProgrammeBalancer: BalancePolicy {
    public static let description = PolicyDescription(
        name: "lplb", summary: "copies on neighbours in a graph, split by a linear programme for each batch", source: "DeepSeek-AI, LPLB 2025",
        parameters: [
            ParameterDescription(
                "graph", defaultValue: 0, range: 0...3, summary: "0: cube of 8 ranks, 1: hypercube of 16, 2: torus of hosts by ranks, 3: ring"),
            ParameterDescription("ring", defaultValue: 8, range: 2...4096, summary: "ranks in a ring"),
            ParameterDescription("global", defaultValue: 0, range: 0...1, summary: "1: never keep the gate's groups within hosts"),
            ParameterDescription(
                "solve_us", unit: "us", defaultValue: 100, range: 0...100_000, summary: "time to solve, a layer and batch"),
        ])

    public let decisionTime: Nanoseconds
    public let needsGlobalCounts = true
    private let fleet: ExpertFleet
    private let withinHosts: Bool
    private let graph: DuplicateGraph
    private let solver: LinearSolver
    /// Experts of a rank, and how many of them share an edge.
    private let local: Int
    private let classes: Int
    private var candidate: [Int32] = []

    /// How far below a half a remainder still counts as one: the last bits of a share must not decide where a token goes.
    private static let roundingSlack = 1e-6

    public static func obstacle(to fleet: ExpertFleet, parameters: PolicyParameters) -> String? {
        let width = fleet.ranks / fleet.hosts
        if parameters["graph"] == 2 && (fleet.hosts < 2 || width < 2) {
            return "found \(fleet.hosts) hosts of \(width) ranks, expected a torus of 2 hosts or more with 2 ranks or more each"
        }
        let graph = graph(for: fleet, parameters)
        if !fleet.ranks.isMultiple(of: graph.ranks) { return "found \(fleet.ranks) ranks, expected a multiple of the graph's \(graph.ranks)" }
        if !fleet.experts.isMultiple(of: fleet.ranks) {
            return "found \(fleet.experts) experts for \(fleet.ranks) ranks, expected the same number on each"
        }
        let local = fleet.experts / fleet.ranks
        if local < graph.duplicates { return "found \(local) experts a rank, expected at least the \(graph.duplicates) that the graph duplicates" }
        if fleet.slotsPerRank < local + graph.duplicates {
            return
                "found \(fleet.slotsPerRank) slots a rank, expected at least \(local + graph.duplicates): \(local) experts and \(graph.duplicates) copies"
        }
        return nil
    }

    private static func graph(for fleet: ExpertFleet, _ parameters: PolicyParameters) -> DuplicateGraph {
        switch Int(parameters["graph"]) {
        case 1: .hypercube
        case 2: .torus(hosts: fleet.hosts, width: fleet.ranks / fleet.hosts)
        case 3: .ring(Int(parameters["ring"]))
        default: .cube
        }
    }

    public init(parameters: PolicyParameters, fleet: ExpertFleet, random: RandomStream, solver: @escaping LinearSolver) {
        self.fleet = fleet
        self.solver = solver
        withinHosts = parameters["global"] < 0.5
        decisionTime = nanoseconds(fromSeconds: parameters["solve_us"] / 1e6)
        graph = Self.graph(for: fleet, parameters)
        local = fleet.experts / fleet.ranks
        classes = min(fleet.slotsPerRank - local, local) / graph.duplicates
    }

    public mutating func place(layer: Int, loads: [Double]) -> ExpertPlacement {
        var once = fleet
        once.slotsPerRank = local
        let originals = ReplicaPlanner.place(loads, on: once, withinHosts: withinHosts)
        var slots = [Int32](repeating: -1, count: fleet.slots)
        for rank in 0..<fleet.ranks {
            let mine = originals[rank * local..<(rank + 1) * local].sorted { a, b in
                let (x, y) = (load(of: a, in: loads), load(of: b, in: loads))
                return x != y ? x > y : a < b
            }
            for (place, expert) in mine.enumerated() { slots[rank * fleet.slotsPerRank + place] = expert }
        }
        for rank in 0..<fleet.ranks {
            for k in 0..<classes {
                for j in 0..<graph.duplicates {
                    slots[copySlot(rank, k, j)] = slots[originalSlot(originalRank(rank, j), k, j)]
                }
            }
        }
        return ExpertPlacement(slots: slots, slotsPerRank: fleet.slotsPerRank, experts: fleet.experts)
    }

    public mutating func split(layer: Int, counts: [Int32], placement: ExpertPlacement, into tokensPerSlot: inout [Int32]) {
        tokensPerSlot.reset(count: placement.slots.count)
        for rank in 0..<fleet.ranks {
            for place in classes * graph.duplicates..<local {
                let slot = rank * fleet.slotsPerRank + place
                tokensPerSlot[slot] = counts[Int(placement.slots[slot])]
            }
        }
        let halves = [Double](repeating: 0.5, count: graph.ranks * graph.duplicates)
        candidate = tokensPerSlot
        for first in stride(from: 0, to: fleet.ranks, by: graph.ranks) {
            assign(halves, first, counts, placement, into: &tokensPerSlot)
            guard let shares = shares(first, counts, placement, fixed: candidate) else { continue }
            assign(shares, first, counts, placement, into: &candidate)
            guard heaviest(first, candidate) < heaviest(first, tokensPerSlot) else { continue }
            for slot in first * fleet.slotsPerRank..<(first + graph.ranks) * fleet.slotsPerRank { tokensPerSlot[slot] = candidate[slot] }
        }
    }

    /// The programme's shares for a group of ranks, by rank and then edge; `nil` when there is none.
    private func shares(_ first: Int, _ counts: [Int32], _ placement: ExpertPlacement, fixed: [Int32]) -> [Double]? {
        var weights = [Double](repeating: 0, count: graph.ranks * graph.duplicates)
        var largest = 0.0
        for rank in 0..<graph.ranks {
            for j in 0..<graph.duplicates {
                var sum: Int64 = 0
                for k in 0..<classes { sum += Int64(counts[Int(placement.slots[originalSlot(first + rank, k, j)])]) }
                weights[rank * graph.duplicates + j] = Double(sum)
                largest = max(largest, Double(sum))
            }
        }
        guard largest > 0 else { return nil }
        var program = LinearProgram()
        for _ in weights { program.addColumn(upper: 1) }
        let t = program.addColumn(cost: 1)
        for rank in 0..<graph.ranks {
            var terms = [LinearProgram.Term(t, -1)]
            var constant = 0.0
            for place in classes * graph.duplicates..<local { constant += Double(fixed[(first + rank) * fleet.slotsPerRank + place]) }
            for j in 0..<graph.duplicates {
                let own = rank * graph.duplicates + j
                let copied = graph.originals[rank][j] * graph.duplicates + j
                terms.append(.init(own, weights[own] / largest))
                terms.append(.init(copied, -weights[copied] / largest))
                constant += weights[copied]
            }
            program.addRow(terms, upper: -constant / largest)
        }
        guard let values = solver(program), values.count > weights.count else { return nil }
        return values
    }

    /// Splits the tokens of a group's duplicated experts by shares.
    private func assign(_ shares: [Double], _ first: Int, _ counts: [Int32], _ placement: ExpertPlacement, into tokens: inout [Int32]) {
        for rank in 0..<graph.ranks {
            for j in 0..<graph.duplicates {
                let share = min(max(shares[rank * graph.duplicates + j], 0), 1)
                for k in 0..<classes {
                    let original = originalSlot(first + rank, k, j)
                    let count = counts[Int(placement.slots[original])]
                    let kept = Int32((Double(count) * share - Self.roundingSlack).rounded())
                    tokens[original] = max(0, kept)
                    tokens[copySlot(first + graph.copies[rank][j], k, j)] = count - max(0, kept)
                }
            }
        }
    }

    private func heaviest(_ first: Int, _ tokens: [Int32]) -> Int64 {
        var heaviest: Int64 = 0
        for rank in first..<first + graph.ranks {
            var sum: Int64 = 0
            for slot in rank * fleet.slotsPerRank..<(rank + 1) * fleet.slotsPerRank { sum += Int64(tokens[slot]) }
            heaviest = max(heaviest, sum)
        }
        return heaviest
    }

    private func load(of expert: Int32, in loads: [Double]) -> Double { Int(expert) < loads.count ? loads[Int(expert)] : 0 }

    /// The rank whose j-th expert `rank` has a copy of.
    private func originalRank(_ rank: Int, _ j: Int) -> Int {
        rank / graph.ranks * graph.ranks + graph.originals[rank % graph.ranks][j]
    }

    private func originalSlot(_ rank: Int, _ k: Int, _ j: Int) -> Int { rank * fleet.slotsPerRank + k * graph.duplicates + j }
    private func copySlot(_ rank: Int, _ k: Int, _ j: Int) -> Int { rank * fleet.slotsPerRank + local + k * graph.duplicates + j }
}
