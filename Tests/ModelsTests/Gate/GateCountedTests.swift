import Quantities
import Testing

@testable import Models

/// Numbers drawn at once against every pick drawn.
@Suite struct GateCountedTests {
    static let shapes: [(popularity: GatePlan.Popularity, experts: Int, topK: Int)] = [
        (.uniform, 256, 8), (.logNormal(sigma: 1), 256, 8), (.zipf(exponent: 1), 64, 4), (.logNormal(sigma: 0.7), 8, 2), (.zipf(exponent: 1), 512, 2),
    ]

    @Test("many tokens drawn at once are like many drawn one by one", arguments: shapes)
    func agreement(popularity: GatePlan.Popularity, experts: Int, topK: Int) {
        var gate = Gate(plan: GatePlan(popularity: popularity, sampling: .exact), experts: experts, topK: topK, layers: 1, seed: 21)
        let (batches, half) = (160, 600)
        let tokens = 2 * half
        var exact = Sample(experts: experts)
        var counted = Sample(experts: experts)
        for batch in 0..<batches {
            let one = gate.counts(batch: Int64(batch), rank: 0, tokens: half).counts
            let two = gate.counts(batch: Int64(batch), rank: 1, tokens: half).counts
            exact.add(zip(one, two).map { $0 + $1 })
            counted.add(gate.counts(batch: Int64(batch), rank: 2, tokens: tokens).counts)
        }
        // Probabilities within the error of both samples (four standard deviations) and of the inclusion model.
        let bound = 4 * (2 * 0.25 / Double(batches * tokens)).squareRoot() + 0.004
        #expect(largestDifference(exact.means.map { $0 / Double(tokens) }, counted.means.map { $0 / Double(tokens) }) < bound)
        // Standard deviations: those of all experts together, of which the sample's own error is 1% to 3%.
        let spread = (counted.variances.reduce(0, +) / exact.variances.reduce(0, +)).squareRoot()
        let binomial = exact.means.map { $0 * (1 - $0 / Double(tokens)) }.reduce(0, +)
        let ideal = (counted.variances.reduce(0, +) / binomial).squareRoot()
        print("counted \(popularity) \(experts)/\(topK): deviation x\(spread) of exact, x\(ideal) of binomial,", terminator: " ")
        print("max \(mean(counted.largest) / mean(exact.largest)), distinct \(mean(counted.distinct) / mean(exact.distinct))")
        #expect(abs(spread - 1) < 0.05 && abs(ideal - 1) < 0.05)
        #expect(abs(mean(counted.largest) / mean(exact.largest) - 1) < 0.015)
        #expect(abs(mean(counted.distinct) / mean(exact.distinct) - 1) < 0.01)
        // The experts that are last in the order of drawing are like the others.
        let tail = counted.variances.suffix(4).reduce(0, +) / exact.means.suffix(4).map { $0 * (1 - $0 / Double(tokens)) }.reduce(0, +)
        #expect(tail > 0.6 && tail < 1.5)
    }

    private struct Sample {
        private var sums: [Double]
        private var squares: [Double]
        private var number = 0.0
        var largest: [Double] = []
        var distinct: [Double] = []

        init(experts: Int) {
            sums = [Double](repeating: 0, count: experts)
            squares = sums
        }

        var means: [Double] { sums.map { $0 / number } }
        var variances: [Double] { zip(means, squares).map { $1 / number - $0 * $0 } }

        mutating func add(_ counts: [Int32]) {
            number += 1
            for (expert, count) in counts.enumerated() {
                sums[expert] += Double(count)
                squares[expert] += Double(count) * Double(count)
            }
            largest.append(Double(counts.max() ?? 0))
            distinct.append(Double(counts.filter { $0 > 0 }.count))
        }
    }

    @Test("the tables of variates have the moments of their distributions")
    func variates() {
        let tables = GateTables()
        #expect(abs(mean(tables.normals)) < 1e-9 && abs(variance(tables.normals) - 1) < 1e-9)
        #expect(abs(mean(tables.normals.map { $0 * $0 * $0 * $0 }) - 3) < 0.06)
        var random = GateRandom(seed: 1, .route)
        let draws = (0..<200_000).map { _ in tables.exponentialVariate(&random) }
        #expect(abs(mean(draws) - 1) < 0.01 && abs(variance(draws) - 1) < 0.03)
        for quantile in [0.01, 0.1, 1, 3, 8] {
            let share = Double(draws.filter { $0 > quantile }.count) / 200_000
            #expect(abs(share - exponential(-quantile)) < 4.5 * (exponential(-quantile) / 200_000).squareRoot())
        }
        for share in [0.001, 0.02, 0.3, 0.5, 0.9, 0.99] { #expect(abs(normalQuantile(share) + normalQuantile(1 - share)) < 1e-8) }
        #expect(abs(normalQuantile(0.975) - 1.959963985) < 1e-8)
    }

    @Test("a packed table holds every index in proportion to its weight", arguments: 0..<60)
    func alias(number: Int) {
        var random = RandomStream(seed: UInt64(number), stream: 0)
        let weights = (0...random.below(40)).map { _ in exponential(Double(number % 6) * random.normalVariate()) }
        var slots = [UInt64](repeating: 0, count: weights.count)
        var scratch = AliasTable.Scratch(count: weights.count)
        let sum = weights.reduce(0, +)
        slots.withUnsafeMutableBufferPointer { slots in
            weights.withUnsafeBufferPointer { AliasTable.build(slots, weights: $0, sum: sum, first: 0, scratch: &scratch) }
        }
        // What the slots hold for each index, summed exactly.
        var shares = [Double](repeating: 0, count: weights.count)
        for (slot, packed) in slots.enumerated() {
            let own = Double(packed >> 32) * 0x1p-32
            shares[slot] += own
            shares[Int(packed & 0xffff_ffff)] += 1 - own
        }
        #expect(largestDifference(shares.map { $0 / Double(weights.count) }, weights.map { $0 / sum }) < 1e-9)
    }
}
