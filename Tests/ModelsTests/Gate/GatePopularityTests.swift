import Quantities
import Testing

@testable import Models

@Suite struct GatePopularityTests {
    @Test(
        "inclusion probabilities agree with enumeration",
        arguments: [(8, 2, 1.0, 0.008), (12, 4, 1, 0.008), (8, 1, 2, 1e-12), (12, 4, 0, 1e-12), (16, 3, 0.6, 0.003)])
    func inclusion(experts: Int, topK: Int, exponent: Double, tolerance: Double) {
        let weights = (1...experts).map { exponential(-exponent * naturalLog(Double($0))) }
        var inclusion = Inclusion()
        weights.withUnsafeBufferPointer { inclusion.solve($0, topK: topK) }
        let exact = enumeratedInclusion(weights, picks: topK)
        #expect(zip(inclusion.probabilities, exact).allSatisfy { abs($0 / $1 - 1) < tolerance })
        #expect(abs(inclusion.probabilities.reduce(0, +) - Double(topK)) < 1e-9)
    }

    @Test("Zipf popularity: the sorted shares of single picks are those of the law, and every layer has its own order")
    func zipf() {
        var gate = Gate(plan: GatePlan(popularity: .zipf(exponent: 0.8)), experts: 64, topK: 1, layers: 3, seed: 1)
        let law = (1...64).map { exponential(-0.8 * naturalLog(Double($0))) }
        let shares = (0..<3).map { gate.expectedShares(layer: $0, at: 0) }
        for layer in shares { #expect(largestDifference(layer.sorted(by: >), law.map { $0 / law.reduce(0, +) }) < 1e-12) }
        #expect(shares[0] != shares[1] && shares[1] != shares[2])
    }

    @Test("log-normal popularity: logarithms of shares have the stated spread and a normal shape")
    func logNormal() {
        var gate = Gate(plan: GatePlan(popularity: .logNormal(sigma: 0.7)), experts: 512, topK: 1, layers: 8, seed: 5)
        let logs = (0..<8).flatMap { gate.expectedShares(layer: $0, at: 0).map(naturalLog) }
        #expect(abs(variance(logs).squareRoot() - 0.7) < 0.03)
        let centre = mean(logs)
        #expect(abs(mean(logs.map { ($0 - centre) * ($0 - centre) * ($0 - centre) })) < 0.05)
    }

    @Test("Dirichlet popularity: shares have the variance of the distribution", arguments: [0.3, 2.0])
    func dirichlet(alpha: Double) {
        var gate = Gate(plan: GatePlan(popularity: .dirichlet(alpha: alpha)), experts: 128, topK: 1, layers: 24, seed: 5)
        let shares = (0..<24).flatMap { gate.expectedShares(layer: $0, at: 0) }
        let expected = 1.0 / 128 * (1 - 1.0 / 128) / (128 * alpha + 1)
        #expect(abs(variance(shares) / expected - 1) < 0.15)
    }

    @Test("recorded loads come back as shares of the picks")
    func recorded() {
        var loads = [[Double]](repeating: [], count: 2)
        var random = RandomStream(seed: 3, stream: 3)
        for layer in 0..<2 { loads[layer] = (0..<32).map { _ in 0.2 + random.exponentialVariate() } }
        loads[1][7] = 0
        let plan = GatePlan(popularity: .recorded(loads), sampling: .exact)
        var gate = Gate(plan: plan, experts: 32, topK: 4, layers: 2, seed: 5)
        for layer in 0..<2 {
            let total = loads[layer].reduce(0, +)
            let shares = loads[layer].map { $0 / total }
            #expect(largestDifference(gate.expectedShares(layer: layer, at: 0), shares) < 1e-4)
            let measured = gate.frequencies(layer: layer, batches: 40, tokens: 1000).map { $0 / 4 }
            #expect(largestDifference(measured, shares) < 0.0025)
        }
    }

    @Test("a recorded load that no gate can give is met as far as one can")
    func recordedBeyondReach() {
        let plan = GatePlan(popularity: .recorded([[100, 1, 1, 1, 1, 1, 1, 1]]))
        var gate = Gate(plan: plan, experts: 8, topK: 2, layers: 1, seed: 5)
        let shares = gate.expectedShares(layer: 0, at: 0)
        #expect(shares[0] > 0.49 && shares[0] <= 0.5)
        #expect(shares[1...].allSatisfy { abs($0 - 0.5 / 7) < 0.01 })
    }

    @Test("popularity scores of two layers have the stated correlation", arguments: [0.0, 0.5, 0.9, 1])
    func layerCorrelation(stated: Double) {
        let plan = GatePlan(popularity: .logNormal(sigma: 1), layerCorrelation: stated)
        var gate = Gate(plan: plan, experts: 1024, topK: 1, layers: 6, seed: 5)
        let logs = (0..<6).map { gate.expectedShares(layer: $0, at: 0).map(naturalLog) }
        var found: [Double] = []
        for one in 0..<6 { for other in 0..<one { found.append(correlation(logs[one], logs[other])) } }
        #expect(abs(mean(found) - stated) < 0.03)
    }

    @Test("with full correlation the same experts are popular in all layers, whatever the law")
    func sameRanks() {
        for popularity in [GatePlan.Popularity.zipf(exponent: 1), .dirichlet(alpha: 1), .logNormal(sigma: 1)] {
            var gate = Gate(plan: GatePlan(popularity: popularity, layerCorrelation: 1), experts: 64, topK: 2, layers: 2, seed: 5)
            #expect(ranks(gate.expectedShares(layer: 0, at: 0)) == ranks(gate.expectedShares(layer: 1, at: 0)))
        }
    }

    @Test("after k steps of a drift by a share s, popularity has the correlation 1 - k s with the first, and none when all is renewed")
    func drift() {
        let plan = GatePlan(popularity: .logNormal(sigma: 1), drift: GatePlan.Drift(period: 60_000_000_000, share: 0.2))
        var gate = Gate(plan: plan, experts: 2048, topK: 1, layers: 2, seed: 5)
        func logs(_ at: Instant) -> [Double] { gate.expectedShares(layer: 1, at: at).map(naturalLog) }
        let first = logs(0)
        #expect(logs(59_999_999_999) == first)
        for step in 1...7 {
            let then = logs(Int64(step) * 60_000_000_000)
            #expect(abs(correlation(first, then) - max(0, 1 - 0.2 * Double(step))) < 0.06)
            if step == 1 {
                // Only a fifth of the experts moved; the others changed by the same factor all, that of the sum.
                let shift = zip(first, then).map { $1 - $0 }.sorted()
                let same = shift.filter { abs($0 - shift[shift.count / 2]) < 1e-9 }.count
                #expect(abs(Double(same) / 2048 - 0.8) < 0.03)
            }
        }
        #expect(logs(0) == first)
    }

    @Test("a drift moves recorded loads to other experts, and begins with the record")
    func recordedDrift() {
        let loads = [(1...64).map { Double($0) }]
        let plan = GatePlan(popularity: .recorded(loads), drift: GatePlan.Drift(period: 1, share: 0.1))
        var gate = Gate(plan: plan, experts: 64, topK: 2, layers: 1, seed: 5)
        let first = gate.expectedShares(layer: 0, at: 0)
        #expect(ranks(first) == (0..<64).map { Double($0) })
        let later = gate.expectedShares(layer: 0, at: 2)
        #expect(largestDifference(first.sorted(), later.sorted()) < 1e-12)
        #expect(correlation(first, later) < 0.98 && correlation(first, later) > 0.4)
    }

    @Test("noise differs by batch, is shared by ranks, and has the stated spread")
    func batchNoise() {
        var gate = Gate(plan: GatePlan(batchNoise: 0.4, sampling: .exact), experts: 512, topK: 1, layers: 1, seed: 5)
        var logs: [[Double]] = []
        for batch in 0..<3 {
            _ = gate.counts(batch: Int64(batch), rank: 0, tokens: 1)
            logs.append(gate.weights.map(naturalLog))
            _ = gate.counts(batch: Int64(batch), rank: 9, tokens: 1)
            #expect(gate.weights.map(naturalLog) == logs[batch])
        }
        #expect(abs(variance(logs.flatMap { $0 }).squareRoot() - 0.4) < 0.03)
        #expect(abs(correlation(logs[0], logs[1])) < 0.15)
    }
}
