import Foundation
import Quantities
import Testing
import Workload

private func lengths(_ distribution: LengthDistribution, count: Int = 20_000, scale: Double = 1, seed: UInt64 = 1) -> [Int] {
    let plan = WorkloadPlan(arrivals: .poisson(rate: 1), promptTokens: distribution, requestLimit: count, promptScale: scale)
    return requests(GeneratedRequests(plan, seed: seed)).map { Int($0.promptTokens) }
}

@Test("uniform lengths reach both ends and are even between them")
func uniformLengths() {
    let found = lengths(.uniform(from: 10, through: 19), count: 50_000)
    var counts = [Int](repeating: 0, count: 10)
    for length in found { counts[length - 10] += 1 }
    let chiSquare = counts.reduce(0.0) { $0 + Double(($1 - 5_000) * ($1 - 5_000)) / 5_000 }
    // The 99.9% point of chi-square with 9 degrees of freedom.
    #expect(chiSquare < 27.88)
    #expect(Set(lengths(.uniform(from: 7, through: 7))) == [7])
}

@Test("log-normal lengths have the asked distribution and pile up at the limit")
func logNormalLengths() {
    // Far from rounding to whole tokens, the distribution is the continuous one.
    let found = lengths(.logNormal(median: 200_000, sigma: 0.8, limit: 10_000_000))
    let cumulative = { (x: Double) in 0.5 * erfc(-Foundation.log(x / 200_000) / (0.8 * 2.0.squareRoot())) }
    #expect(kolmogorovStatistic(found.map(Double.init), cumulative) < kolmogorovLimit)
    let cut = lengths(.logNormal(median: 200_000, sigma: 0.8, limit: 300_000))
    let share = Double(cut.count { $0 == 300_000 }) / Double(cut.count)
    #expect(cut.max() == 300_000)
    #expect(abs(share - (1 - cumulative(300_000))) < 4 * (0.25 / 20_000).squareRoot())
    #expect(zip(found, cut).allSatisfy { min($0, 300_000) == $1 })
}

@Test("empirical lengths come in the proportion of their weights")
func empiricalLengths() {
    let weights: [(Int, Double)] = [(5, 1), (50, 0), (500, 3), (5_000, 6), (7, -2)]
    let found = lengths(.empirical(weights.map { .init(tokens: $0.0, weight: $0.1) }), count: 50_000)
    let counts = Dictionary(grouping: found) { $0 }.mapValues(\.count)
    #expect(Set(counts.keys) == [5, 500, 5_000])
    for (tokens, share) in [(5, 0.1), (500, 0.3), (5_000, 0.6)] {
        let expected = share * 50_000
        #expect(abs(Double(counts[tokens] ?? 0) - expected) < 4 * (expected * (1 - share)).squareRoot())
    }
}

@Test("scaled lengths are the drawn ones times the factor, whole and at least 1")
func lengthScaling() {
    let plain = lengths(.uniform(from: 1, through: 4_000))
    for scale in [0.001, 0.5, 1.5, 3, 1e9] {
        let scaled = lengths(.uniform(from: 1, through: 4_000), scale: scale)
        let expected = plain.map { Int(min(max(1, (Double($0) * scale).rounded()), 10_000_000)) }
        #expect(scaled == expected)
    }
    #expect(Set(lengths(.fixed(100), scale: 0)) == [1])
}

@Test("no parameters give a length outside of 1 to ten million, or a trap")
func hostileLengths() {
    let hostile: [LengthDistribution] = [
        .fixed(0), .fixed(-5), .fixed(.max), .uniform(from: 9, through: 3), .uniform(from: -5, through: .max), .uniform(from: .min, through: .min),
        .logNormal(median: 0, sigma: 1, limit: 10), .logNormal(median: .nan, sigma: 1, limit: 10), .logNormal(median: 1e300, sigma: 900, limit: .max),
        .logNormal(median: 5, sigma: .infinity, limit: -3), .empirical([]), .empirical([.init(tokens: 3, weight: 0)]),
        .empirical([.init(tokens: -3, weight: .nan), .init(tokens: .max, weight: 1)]),
    ]
    for distribution in hostile {
        for scale in [1, -1, .nan, .infinity, 1e-300] {
            #expect(lengths(distribution, count: 50, scale: scale).allSatisfy { (1...10_000_000).contains($0) })
        }
    }
}
