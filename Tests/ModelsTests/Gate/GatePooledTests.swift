import Quantities
import Testing

@testable import Models

/// Batches put together from rows against batches of which every pick is drawn.
@Suite struct GatePooledTests {
    static let plans: [GatePlan] = [
        GatePlan(), GatePlan(popularity: .zipf(exponent: 1)), GatePlan(popularity: .logNormal(sigma: 0.5), batchNoise: 0.3),
        GatePlan(popularity: .logNormal(sigma: 0.5), selection: .groups(count: 4, kept: 2)),
        GatePlan(popularity: .logNormal(sigma: 0.5), selection: .noisyTopK(noise: 1)),
        GatePlan(popularity: .zipf(exponent: 1), capacityFactor: 1.25),
    ]

    /// Of independent batches: sums by expert, the load of the first quarter of the experts, largest of four ranks' to mean, and distinct experts.
    private struct Sample {
        var sums: [Double]
        var loads: [Double] = []
        var imbalance: [Double] = []
        var distinct: [Double] = []

        /// - Parameter apart: batches between two that are looked at, more than any row lives.
        init(_ plan: GatePlan, sampling: GatePlan.Sampling, tokens: Int, batches: Int, apart: Int64) {
            var plan = plan
            plan.sampling = sampling
            let experts = 32
            sums = [Double](repeating: 0, count: experts)
            var gate = Gate(plan: plan, experts: experts, topK: 4, layers: 1, seed: 17)
            for batch in 0..<Int64(batches) {
                let counts = gate.counts(batch: batch * apart, tokens: tokens).counts
                for expert in counts.indices { sums[expert] += Double(counts[expert]) }
                loads.append(Double(counts[..<8].reduce(0, +)))
                let quarters = (0..<4).map { Double(counts[$0 * 8..<$0 * 8 + 8].reduce(0, +)) }
                imbalance.append((quarters.max() ?? 0) / mean(quarters))
                distinct.append(Double(counts.filter { $0 > 0 }.count))
            }
        }
    }

    /// Whether two samples have the same mean, to 4.5 standard deviations.
    private func isSameMean(_ one: [Double], _ other: [Double]) -> Bool {
        abs(mean(one) - mean(other)) <= 4.5 * (variance(one) / Double(one.count) + variance(other) / Double(other.count)).squareRoot() + 1e-9
    }

    @Test("a batch of rows has the distribution of one drawn pick by pick", arguments: plans, [11, 37])
    func marginal(plan: GatePlan, tokens: Int) {
        let batches = 900
        let exact = Sample(plan, sampling: .exact, tokens: tokens, batches: batches, apart: 1)
        let pooled = Sample(plan, sampling: .pooled, tokens: tokens, batches: batches, apart: 2051)
        // Two samples of the same numbers by expert: chi-square of 31 or 32 degrees of freedom, and its 1 - 1e-6 quantile. Noise of batches and
        // picks without replacement make numbers vary more or less than Poisson ones, so their variance is that of the samples.
        var chiSquare = 0.0
        for (one, other) in zip(exact.sums, pooled.sums) where one + other > 0 { chiSquare += (one - other) * (one - other) / (one + other) }
        #expect(chiSquare < (plan.batchNoise > 0 ? 400 : 86))
        #expect(isSameMean(exact.loads, pooled.loads))
        #expect(isSameMean(exact.imbalance, pooled.imbalance))
        #expect(isSameMean(exact.distinct, pooled.distinct))
        // A variance of 900 samples is known to 4.7%: five standard deviations of the difference.
        #expect(abs(variance(pooled.loads) / variance(exact.loads) - 1) < 0.34)
        #expect(abs(variance(pooled.imbalance) / variance(exact.imbalance) - 1) < 0.42)
    }

    @Test("with equal weights an expert is hit as hypergeometric numbers say")
    func closedForm() {
        var gate = Gate(plan: GatePlan(), experts: 32, topK: 4, layers: 1, seed: 5)
        let (batches, tokens) = (1500, 21)
        var distinct: [Double] = []
        var quarters: [Double] = []
        for batch in 0..<Int64(batches) {
            let counts = gate.counts(batch: batch * 2051, tokens: tokens).counts
            distinct.append(Double(counts.filter { $0 > 0 }.count))
            quarters.append(Double(counts[..<8].reduce(0, +)))
        }
        var missed = 1.0
        for _ in 0..<tokens { missed *= 28.0 / 32 }
        #expect(abs(mean(distinct) - 32 * (1 - missed)) < 4.5 * (variance(distinct) / Double(batches)).squareRoot())
        // A token's picks among 8 of 32 experts: mean 1, variance 4 (1/4)(3/4)(28/31).
        let expected = Double(tokens) * 0.75 * 28 / 31
        #expect(abs(mean(quarters) - Double(tokens)) < 4.5 * (expected / Double(batches)).squareRoot())
        #expect(abs(variance(quarters) / expected - 1) < 0.18)
    }

    @Test("picks of pooled batches follow the weights, as enumeration says")
    func enumeration() {
        var gate = Gate(plan: GatePlan(popularity: .zipf(exponent: 1)), experts: 7, topK: 3, layers: 1, seed: 11)
        var sums = [Double](repeating: 0, count: 7)
        let batches = 3000
        for batch in 0..<Int64(batches) {
            for (expert, count) in gate.counts(batch: batch * 300, tokens: 21).counts.enumerated() { sums[expert] += Double(count) }
        }
        let exact = enumeratedInclusion(Array(gate.weights[0..<7]), picks: 3)
        #expect(largestDifference(sums.map { $0 / Double(21 * batches) }, exact) < 0.0082)
    }

    @Test("ranks of a batch are independent, and share a batch's noise", arguments: [0, 0.6])
    func ranks(noise: Double) {
        var gate = Gate(plan: GatePlan(batchNoise: noise), experts: 32, topK: 4, layers: 1, seed: 8)
        var one: [Double] = []
        var other: [Double] = []
        for batch in 0..<Int64(1500) {
            one.append(Double(gate.counts(batch: batch * 300, rank: 0, tokens: 40).counts[3]))
            other.append(Double(gate.counts(batch: batch * 300, rank: 1, tokens: 40).counts[3]))
        }
        let found = correlation(one, other)
        #expect(noise > 0 ? found > 0.4 : abs(found) < 0.12)
    }

    @Test("a number of tokens is made of its digits, and no row lives longer than it may")
    func reuse() {
        for tokens in [1, 5, 63, 64, 127, 255, 256, 1023, 4097, 65_535] {
            var left = tokens
            var sum = 0
            while left > 0 { sum += GatePool.tokens(GatePool.takeSize(&left)) }
            #expect(sum == tokens)
        }
        var gate = Gate(plan: GatePlan(), experts: 64, topK: 4, layers: 1, seed: 3)
        var uses: [[Int32]: (first: Int, last: Int, number: Int)] = [:]
        for batch in 0..<4096 {
            let counts = gate.counts(batch: Int64(batch), tokens: 64).counts
            let known = uses[counts] ?? (batch, batch, 0)
            uses[counts] = (known.first, batch, known.number + 1)
        }
        // 32 uses each, in a life of 256 batches; 4,096 batches need 128 rows and those whose life was cut by the ends.
        #expect(uses.count >= 128 && uses.count <= 136)
        #expect(uses.values.allSatisfy { $0.number <= 32 && $0.last - $0.first < 256 })
    }

    @Test("a change of popularity or of the bias reaches the next batch")
    func renewal() {
        var plan = GatePlan(popularity: .zipf(exponent: 1), drift: GatePlan.Drift(period: 1_000, share: 1), biasRate: 0.5)
        plan.sampling = .pooled
        var gate = Gate(plan: plan, experts: 32, topK: 4, layers: 2, seed: 3)
        let before = gate.counts(batch: 9, tokens: 200).counts
        #expect(gate.counts(batch: 9, tokens: 200, at: 1_000).counts != before)
        #expect(gate.counts(batch: 9, tokens: 200).counts == before)
        gate.updateBias(layer: 1, loads: before.map { Int($0) })
        #expect(gate.counts(batch: 9, tokens: 200).counts == before)
        for _ in 0..<4 { gate.updateBias(layer: 0, loads: before.map { Int($0) }) }
        let after = gate.counts(batch: 9, tokens: 200).counts
        #expect((after.max() ?? 0) < (before.max() ?? 0))
    }

    @Test("more ranks than a gate has room for get the same answers")
    func manyRanks() {
        var gate = Gate(plan: GatePlan(), experts: 16, topK: 2, layers: 1, seed: 3)
        let answers = (0..<600).map { gate.counts(rank: $0, tokens: 30).counts }
        for rank in [0, 256, 255, 512, 599, 1] { #expect(gate.counts(rank: rank, tokens: 30).counts == answers[rank]) }
    }

    @Test("thinned arrivals pick as a score for each expert does", arguments: [0.3, 1.0, 2.0])
    func thinning(noise: Double) {
        var plan = GatePlan(popularity: .zipf(exponent: 1), selection: .noisyTopK(noise: noise), sampling: .exact)
        plan.biasRate = 0
        var gate = Gate(plan: plan, experts: 64, topK: 4, layers: 1, seed: 6)
        let (batches, tokens) = (8, 1000)
        let measured = gate.frequencies(batches: batches, tokens: tokens)
        let weights = Array(gate.weights[0..<64])
        var random = RandomStream(seed: 2, stream: 2)
        var sums = [Double](repeating: 0, count: 64)
        for _ in 0..<batches * tokens {
            let times = weights.map { random.exponentialVariate() / ($0 * exponential(noise * random.normalVariate())) }
            var best = Array(0..<4).sorted { times[$0] < times[$1] }
            for expert in 4..<64 where times[expert] < times[best[3]] {
                best[3] = expert
                best.sort { times[$0] < times[$1] }
            }
            for expert in best { sums[expert] += 1 }
        }
        // Four and a half standard deviations of the difference of two samples.
        for expert in 0..<64 {
            let share = sums[expert] / Double(batches * tokens)
            #expect(abs(measured[expert] - share) < 4.5 * (2 * share * (1 - share) / Double(batches * tokens)).squareRoot() + 1e-4)
        }
    }

    /// With and without rows, below and above what bytes hold, and with tokens that pick all experts.
    @Test("numbers laid out by place are those by expert", arguments: [GatePlan.Sampling.pooled, .exact], [4, 32])
    func arranged(sampling: GatePlan.Sampling, topK: Int) {
        let plan = GatePlan(popularity: .zipf(exponent: 1), batchNoise: 0.3, sampling: sampling)
        let (experts, layers) = (32, 2)
        var byExpert = Gate(plan: plan, experts: experts, topK: topK, layers: layers, seed: 3)
        var byPlace = Gate(plan: plan, experts: experts, topK: topK, layers: layers, seed: 3, places: 37)
        var random = RandomStream(seed: 1, stream: 2)
        // The second order comes when rows are there already.
        for order in 0..<2 {
            let places = (0..<layers).map { _ in (0..<37).map { _ in Int32(random.below(experts + 1)) - 1 } }
            for layer in 0..<layers { byPlace.arrange(layer: layer, as: places[layer]) }
            for call in 0..<200 {
                let (layer, rank, batch) = (call % layers, call / 2 % 3, Int64(order * 20 + call / 6))
                let tokens = [0, 1, 7, 44, 64, 255, 256, 300, 2000, 70_000][random.below(10)]
                let expected = byExpert.counts(layer: layer, batch: batch, rank: rank, tokens: tokens)
                let laid = places[layer].map { $0 < 0 ? 0 : expected.counts[Int($0)] }
                let found = byPlace.counts(layer: layer, batch: batch, rank: rank, tokens: tokens)
                #expect(found.counts == laid && found.dropped == 0, "\(tokens) tokens")
                guard tokens < 256 else { continue }
                var bytes = [UInt8](repeating: 9, count: 37)
                let dropped = bytes.withUnsafeMutableBytes {
                    byPlace.route(layers: layer..<layer + 1, batches: [Gate.Batch(number: batch, tokens: tokens)], rank: rank, at: 0, into: $0)
                }
                #expect(bytes.map { Int32($0) } == laid && dropped == 0, "\(tokens) tokens in bytes")
            }
        }
    }

    @Test("numbers of all layers and batches of a rank at once are those of each", arguments: [0, 0.3])
    func together(batchNoise: Double) {
        let plan = GatePlan(popularity: .zipf(exponent: 0.8), drift: GatePlan.Drift(period: 1_000, share: 0.5), batchNoise: batchNoise)
        let (experts, layers, places) = (32, 5, 43)
        var one = Gate(plan: plan, experts: experts, topK: 4, layers: layers, seed: 3, places: places)
        for layer in 0..<layers { one.arrange(layer: layer, as: (0..<places).map { Int32(($0 * 5 + layer) % (experts + 1)) - 1 }) }
        var all = one
        var random = RandomStream(seed: 4, stream: 2)
        for call in 0..<300 {
            let rank = random.below(3)
            let range = random.below(2)..<(3 + random.below(3))
            // Far apart now and then, so that rows are of several epochs.
            let batches = (0..<3).map { Gate.Batch(number: Int64(3 * call + $0 + random.below(2) * 5_000), tokens: random.below(256)) }
            let now = Instant(call) * 10
            var bytes = [UInt8](repeating: 9, count: range.count * 3 * places + 7)
            _ = bytes.withUnsafeMutableBytes { all.route(layers: range, batches: batches, rank: rank, at: now, into: $0) }
            var expected: [UInt8] = []
            for layer in range {
                for batch in batches {
                    var counts: [Int32] = []
                    _ = one.route(layer: layer, batch: batch.number, rank: rank, tokens: batch.tokens, at: now, into: &counts)
                    expected += counts.map { UInt8($0) }
                }
            }
            #expect(bytes == expected + [UInt8](repeating: 9, count: 7))
            // A copy begins without rows, and changes nothing in the other.
            if call % 50 == 0 { all = one }
        }
    }
}
