import Bounds
import Policies
import Quantities
import Testing

/// The least heaviest load by duality: the largest, over sets of ranks, of the tokens that cannot go elsewhere a rank of the set.
private func leastByCuts(_ counts: [Int32], _ placement: ExpertPlacement) -> Double {
    var hosts = [Int](repeating: 0, count: counts.count)
    for expert in counts.indices {
        for slot in placement.replicas(of: expert) { hosts[expert] |= 1 << placement.rank(ofSlot: slot) }
    }
    var largest = 0.0
    for set in 1..<(1 << placement.ranks) {
        var tokens: Int64 = 0
        for expert in counts.indices where hosts[expert] & ~set == 0 { tokens += Int64(counts[expert]) }
        largest = max(largest, Double(tokens) / Double(set.nonzeroBitCount))
    }
    return largest
}

@Test("the bound is the largest cut (exhaustive search), and no policy goes below it")
func boundIsTheLargestCut() throws {
    var random = RandomStream(seed: 21, stream: 0)
    let fleet = ExpertFleet(experts: 32, ranks: 8, slotsPerRank: 6)
    for trial in 0..<30 {
        let loads = (0..<32).map { _ in exponential(random.normalVariate()) }
        let counts = loads.map { Int32($0 * 200 * exponential(0.3 * random.normalVariate())) }
        for description in BalanceRegistry.descriptions {
            guard
                var policy = BalanceRegistry.make(
                    PolicyChoice(description.name), fleet: fleet, random: RandomStream(seed: 1, stream: 2), solver: SimplexSolver.values)
            else { throw SolverError.abandoned }
            let placement = policy.place(layer: trial, loads: loads)
            let bound = try ExpertBounds.leastHeaviestLoad(counts: counts, placement: placement)
            let cut = leastByCuts(counts, placement)
            #expect(abs(bound - cut) < 1e-6 * cut)
            #expect(bound > ExpertBounds.idealLoad(counts: counts, ranks: 8) * (1 - 1e-9))
            var tokens: [Int32] = []
            policy.split(layer: trial, counts: counts, placement: placement, into: &tokens)
            #expect(Double(placement.tokensPerRank(tokens).max() ?? 0) > bound * (1 - 1e-9))
        }
    }
}

@Test("an empty batch has the bound 0, and counts of another model are refused")
func boundOfNothing() throws {
    let placement = ExpertPlacement(slots: [0, 1, 1, 0], slotsPerRank: 2, experts: 2)
    #expect(try ExpertBounds.leastHeaviestLoad(counts: [0, 0], placement: placement) == 0)
    #expect(abs(try ExpertBounds.leastHeaviestLoad(counts: [3, 4], placement: placement) - 3.5) < 1e-9)
    #expect(throws: SolverError.self) { try ExpertBounds.leastHeaviestLoad(counts: [1], placement: placement) }
}
