import Quantities
import Testing

@testable import Models

@Suite struct GateSelectionTests {
    static let plans: [GatePlan] = [
        GatePlan(), GatePlan(popularity: .zipf(exponent: 1.2), batchNoise: 0.3), GatePlan(popularity: .dirichlet(alpha: 0.02)),
        GatePlan(popularity: .zipf(exponent: 10)), GatePlan(popularity: .logNormal(sigma: 1), selection: .groups(count: 4, kept: 2)),
        GatePlan(popularity: .zipf(exponent: 10), selection: .groups(count: 4, kept: 3)),
        GatePlan(popularity: .logNormal(sigma: 1), selection: .noisyTopK(noise: 1)), GatePlan(selection: .expertChoice),
        GatePlan(popularity: .zipf(exponent: 1), capacityFactor: 1.25),
        GatePlan(popularity: .zipf(exponent: 1), drift: GatePlan.Drift(period: 1_000, share: 0.25), biasRate: 0.01),
        GatePlan(popularity: .zipf(exponent: 1), selection: .groups(count: 4, kept: 2), batchNoise: 0.2, capacityFactor: 1, biasRate: 0.01),
        GatePlan(sampling: .exact), GatePlan(popularity: .zipf(exponent: 1.2), batchNoise: 0.3, sampling: .exact),
        GatePlan(popularity: .logNormal(sigma: 1), selection: .groups(count: 4, kept: 4), sampling: .exact),
    ]

    @Test("counts sum to tokens x topK less what was dropped, none above the number of tokens", arguments: plans)
    func conservation(plan: GatePlan) {
        for (experts, topK) in [(32, 4), (8, 2), (256, 8), (8, 1), (4, 4)] {
            guard plan.problems(experts: experts, topK: topK, layers: 2).isEmpty else { continue }
            var gate = Gate(plan: plan, experts: experts, topK: topK, layers: 2, seed: 3)
            for tokens in [0, 1, 7, 64, 1025, 3000] where tokens < 100 || plan.selection == .topK {
                let (counts, dropped) = gate.counts(layer: 1, batch: 5, rank: 2, tokens: tokens, at: 4_000)
                #expect(counts.count == experts)
                #expect(counts.reduce(0) { $0 + Int($1) } == tokens * topK - dropped)
                #expect(counts.allSatisfy { $0 >= 0 && $0 <= tokens })
                #expect(plan.capacityFactor != nil || dropped == 0)
            }
        }
    }

    @Test("a call's answer does not depend on the calls before it", arguments: plans)
    func callOrder(plan: GatePlan) {
        func answers(_ order: [Int]) -> [Int: [Int32]] {
            var gate = Gate(plan: plan, experts: 32, topK: 4, layers: 2, seed: 3)
            var answers: [Int: [Int32]] = [:]
            for index in order {
                let tokens = [3, 40, 1500][index % 3]
                let batch = Int64(index / 8)
                answers[index] = gate.counts(layer: index % 2, batch: batch, rank: index / 2 % 4, tokens: tokens, at: Int64(index) * 300).counts
            }
            return answers
        }
        let forward = answers(Array(0..<40))
        #expect(forward == answers((0..<40).reversed()))
        for index in [5, 22, 39] { #expect(answers([index])[index] == forward[index]) }
    }

    @Test("seed, layer, batch and rank each change the answer; the first tokens of a larger batch pick what those of a smaller one do")
    func keys() {
        var gate = Gate(plan: GatePlan(sampling: .exact), experts: 64, topK: 4, layers: 2, seed: 1)
        var other = Gate(plan: GatePlan(), experts: 64, topK: 4, layers: 2, seed: 2)
        let reference = gate.counts(tokens: 64).counts
        #expect(other.counts(tokens: 64).counts != reference)
        #expect(gate.counts(layer: 1, tokens: 64).counts != reference)
        #expect(gate.counts(batch: 1, tokens: 64).counts != reference)
        #expect(gate.counts(rank: 1, tokens: 64).counts != reference)
        #expect(zip(gate.counts(tokens: 50).counts, reference).allSatisfy { $0 <= $1 })
    }

    @Test("picks follow the weights one after the other, as enumeration says", arguments: [0.0, 1, 2])
    func inclusionFrequencies(exponent: Double) {
        var gate = Gate(plan: GatePlan(popularity: .zipf(exponent: exponent), sampling: .exact), experts: 7, topK: 3, layers: 1, seed: 11)
        let measured = gate.frequencies(batches: 60, tokens: 1000)
        let exact = enumeratedInclusion(Array(gate.weights[0..<7]), picks: 3)
        // Four standard deviations of a frequency from 60,000 tokens.
        #expect(largestDifference(measured, exact) < 0.0082)
    }

    @Test("picks that hardly ever hit anything new are still exact")
    func concentrated() {
        var gate = Gate(plan: GatePlan(popularity: .zipf(exponent: 9), sampling: .exact), experts: 5, topK: 4, layers: 1, seed: 5)
        let measured = gate.frequencies(batches: 20, tokens: 1000)
        let exact = enumeratedInclusion(Array(gate.weights[0..<5]), picks: 4)
        #expect(largestDifference(measured, exact) < 0.015)
    }

    @Test("a token stays within the groups that were kept")
    func groupLimit() {
        let plan = GatePlan(popularity: .logNormal(sigma: 0.5), selection: .groups(count: 8, kept: 4))
        var gate = Gate(plan: plan, experts: 256, topK: 8, layers: 1, seed: 4)
        var largest = 0
        for rank in 0..<400 {
            let counts = gate.counts(rank: rank, tokens: 1).counts
            let hit = Set(counts.indices.filter { counts[$0] > 0 }.map { $0 / 32 })
            largest = max(largest, hit.count)
        }
        #expect(largest == 4)
    }

    @Test("groups are kept by the sum of their best scores: as a draw of every score says")
    func groupOracle() {
        let plan = GatePlan(popularity: .zipf(exponent: 1), selection: .groups(count: 4, kept: 2), sampling: .exact)
        var gate = Gate(plan: plan, experts: 16, topK: 4, layers: 1, seed: 8)
        let measured = gate.frequencies(batches: 20, tokens: 1000)
        let weights = Array(gate.weights[0..<16])
        var random = RandomStream(seed: 1, stream: 1)
        var sums = [Double](repeating: 0, count: 16)
        let tokens = 20_000
        for _ in 0..<tokens {
            let scores = weights.map { naturalLog($0 / random.exponentialVariate()) }
            let groups = (0..<4).sorted { one, other in
                func best(_ group: Int) -> Double { scores[group * 4..<group * 4 + 4].sorted(by: >).prefix(2).reduce(0, +) }
                return best(one) > best(other)
            }
            let open = groups.prefix(2).flatMap { Array($0 * 4..<$0 * 4 + 4) }
            for expert in open.sorted(by: { scores[$0] > scores[$1] }).prefix(4) { sums[expert] += 1 }
        }
        // Both are samples: four standard deviations of the difference.
        #expect(largestDifference(measured, sums.map { $0 / Double(tokens) }) < 0.02)
    }

    @Test("all groups kept is no limit")
    func allGroups() {
        let plan = GatePlan(popularity: .zipf(exponent: 1), selection: .groups(count: 2, kept: 2), sampling: .exact)
        var gate = Gate(plan: plan, experts: 8, topK: 2, layers: 1, seed: 8)
        let measured = gate.frequencies(batches: 20, tokens: 1000)
        #expect(largestDifference(measured, enumeratedInclusion(Array(gate.weights[0..<8]), picks: 2)) < 0.015)
    }

    @Test("noise on the scores evens picks out as its integral says", arguments: [0.0, 1, 3])
    func noise(sigma: Double) {
        let plan = GatePlan(popularity: .zipf(exponent: 2), selection: .noisyTopK(noise: sigma), sampling: .exact)
        var gate = Gate(plan: plan, experts: 2, topK: 1, layers: 1, seed: 2)
        let measured = gate.frequencies(batches: 20, tokens: 1000).max() ?? 0
        // Difference of two Gumbel variates: logistic. Weights are 1 and 1/4; two normals add up.
        let quantiles = (0..<2000).map { normalQuantile((Double($0) + 0.5) / 2000) }
        let expected = mean(quantiles.map { 1 / (1 + 0.25 * exponential(-sigma * 2.0.squareRoot() * $0)) })
        #expect(abs(measured - expected) < 0.013)
    }

    @Test("no expert gets more than its capacity, and what is beyond is counted")
    func capacity() {
        let plan = GatePlan(popularity: .zipf(exponent: 1), capacityFactor: 1.25)
        var free = Gate(plan: GatePlan(popularity: .zipf(exponent: 1)), experts: 64, topK: 2, layers: 1, seed: 6)
        var gate = Gate(plan: plan, experts: 64, topK: 2, layers: 1, seed: 6)
        for tokens in [1, 40, 500, 4000] {
            let limit = Int32((1.25 * Double(tokens * 2) / 64).rounded(.up))
            let wanted = free.counts(tokens: tokens).counts
            let (counts, dropped) = gate.counts(tokens: tokens)
            #expect(counts == wanted.map { min($0, limit) })
            #expect(dropped == wanted.reduce(0) { $0 + max(0, Int($1 - limit)) })
            #expect(tokens < 40 || dropped > 0)
        }
    }

    @Test("loss-free bias brings the worst expert towards the mean")
    func lossFreeBias() {
        let plan = GatePlan(popularity: .logNormal(sigma: 0.8), biasRate: 0.02)
        var gate = Gate(plan: plan, experts: 64, topK: 4, layers: 2, seed: 9)
        func worstViolation() -> Double { (gate.expectedShares(layer: 1, at: 0).max() ?? 0) * 64 - 1 }
        let before = worstViolation()
        let untouched = gate.expectedShares(layer: 0, at: 0)
        var violations: [Double] = []
        for batch in 0..<200 {
            var loads = [Int](repeating: 0, count: 64)
            for rank in 0..<2 {
                for (expert, count) in gate.counts(layer: 1, batch: Int64(batch), rank: rank, tokens: 500).counts.enumerated() {
                    loads[expert] += Int(count)
                }
            }
            violations.append(Double(loads.max() ?? 0) / Double(2 * 500 * 4 / 64) - 1)
            gate.updateBias(layer: 1, loads: loads)
        }
        #expect(before > 1)
        #expect(worstViolation() < 0.15)
        // What is left over is the noise of a batch: the largest of 64 numbers of mean 62.5 and standard deviation 7.7.
        #expect(mean(Array(violations.suffix(20))) < 0.45)
        #expect(violations[0] > 1)
        #expect(gate.expectedShares(layer: 0, at: 0) == untouched)
    }

    @Test("expert choice is balanced on each rank and over ranks")
    func expertChoice() {
        var gate = Gate(plan: GatePlan(popularity: .zipf(exponent: 2), selection: .expertChoice), experts: 48, topK: 3, layers: 1, seed: 1)
        var sums = [Int32](repeating: 0, count: 48)
        for rank in 0..<32 {
            let counts = gate.counts(batch: 7, rank: rank, tokens: 21).counts
            #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 1)
            for expert in sums.indices { sums[expert] += counts[expert] }
        }
        #expect(sums.allSatisfy { $0 == 42 })
    }
}
