import Quantities
import Testing

@testable import Policies

@Suite("Placement by co-activation")
struct CoactivationPlacementTests {
    private let fleet = ExpertFleet(experts: 6, ranks: 3, slotsPerRank: 2)

    private func loads(_ random: inout RandomStream, _ count: Int, sigma: Double = 1) -> [Double] {
        (0..<count).map { _ in exponential(sigma * random.normalVariate()) }
    }

    @Test("places every copy once, on ranks that have none of its expert as long as there are any", arguments: UInt64(0)..<40)
    func whole(seed: UInt64) {
        var random = RandomStream(seed: seed, stream: 8)
        let fleet = ExpertFleet(experts: 16, ranks: 8, slotsPerRank: 3)
        let slots = CoactivationPlacement.place(loads(&random, 16), on: fleet, picks: 20)
        #expect(slots.count == 24 && Set(slots) == Set(0..<16))
        for expert in Int32(0)..<16 where slots.count(where: { $0 == expert }) <= 2 {
            let ranks = slots.indices.filter { slots[$0] == expert }.map { $0 / 3 }
            #expect(Set(ranks).count == ranks.count)
        }
        #expect(CoactivationPlacement.place([], on: fleet, picks: 20).count == 24)
    }

    /// With two on each rank the best pairs the most with the least, which exhaustive search confirms.
    @Test("has the least co-activation of all placements on small cases (exhaustive search)", arguments: UInt64(0)..<40)
    func optimal(seed: UInt64) {
        var random = RandomStream(seed: seed, stream: 9)
        let loads = loads(&random, 6)
        let activated = CoactivationPlacement.activations(loads, experts: 6, picks: 8)
        func least(_ left: [Int32], _ placed: [Int32]) -> Double {
            guard let first = left.first else { return CoactivationPlacement.largest(placed, slotsPerRank: 2, activated: activated) }
            return left.dropFirst().map { mate in least(left.filter { $0 != first && $0 != mate }, placed + [first, mate]) }.min() ?? .infinity
        }
        let found = CoactivationPlacement.place(loads, on: fleet, picks: 8)
        let largest = CoactivationPlacement.largest(found, slotsPerRank: 2, activated: activated)
        #expect(abs(largest - least(Array(0..<6), [])) < 1e-12)
    }

    @Test("swaps never make the worst rank worse, and help on most draws")
    func swaps() {
        var random = RandomStream(seed: 1, stream: 10)
        let fleet = ExpertFleet(experts: 64, ranks: 8, slotsPerRank: 9)
        var better = 0
        for _ in 0..<30 {
            let loads = loads(&random, 64)
            let activated = CoactivationPlacement.activations(loads, experts: 64, picks: 60)
            let values = [0, 1, 4, 72].map {
                CoactivationPlacement.largest(
                    CoactivationPlacement.place(loads, on: fleet, picks: 60, swaps: $0), slotsPerRank: 9, activated: activated)
            }
            #expect(values == values.sorted(by: >))
            if values[3] < values[0] { better += 1 }
        }
        #expect(better > 15)
    }

    /// `a_max`: distinct experts of the rank that activates most, in the mean over batches drawn without replacement. With 256 tokens of even popularity
    /// it is 9 whatever the placement.
    @Test("activates fewer experts on the worst rank than EPLB's placement", arguments: [(64, 0.5), (64, 1.0), (256, 1.0)])
    func activated(tokens: Int, sigma: Double) throws {
        var random = RandomStream(seed: 3, stream: 11)
        let fleet = ExpertFleet(experts: 256, ranks: 32, slotsPerRank: 9)
        let scores = (0..<256).map { _ in sigma * random.normalVariate() }
        func counts(_ tokens: Int) -> [Int32] {
            var counts = [Int32](repeating: 0, count: 256)
            for _ in 0..<tokens {
                // Gumbel's maxima: the largest eight are drawn without replacement.
                let keys = scores.map { $0 - naturalLog(random.exponentialVariate()) }
                for expert in keys.indices.sorted(by: { keys[$0] > keys[$1] }).prefix(8) { counts[expert] += 1 }
            }
            return counts
        }
        let history = counts(2_000).map(Double.init)
        func mean(_ picks: Double, _ batches: [[Int32]]) throws -> Double {
            let choice = PolicyChoice("aebs", parameters: ["picks": picks])
            var policy = try #require(BalanceRegistry.make(choice, fleet: fleet, random: RandomStream(seed: 1, stream: 1)))
            let placement = policy.place(layer: 0, loads: history)
            var slots: [Int32] = []
            return batches.reduce(0) { sum, counts in
                policy.split(layer: 0, counts: counts, placement: placement, into: &slots)
                let most = stride(from: 0, to: slots.count, by: 9).map { start in slots[start..<start + 9].count { $0 > 0 } }.max() ?? 0
                return sum + Double(most)
            } / Double(batches.count)
        }
        let batches = (0..<20).map { _ in counts(tokens) }
        let (eplb, placed) = (try mean(0, batches), try mean(Double(8 * tokens), batches))
        print("aebs, \(tokens) tokens, log-normal \(sigma): a_max \(eplb) as eplb places, \(placed) by co-activation")
        #expect(placed < eplb)
    }
}
