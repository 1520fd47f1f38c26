import Quantities
import Testing

@Test("the generator is xoshiro256** seeded by SplitMix64, by independently computed values")
func generatorMatchesReference() {
    // Computed in exact integers from the published reference codes of both, state seeded with 42.
    var random = RandomStream(seed: 42, stream: 0)
    let numbers = (0..<4).map { _ in random.next() }
    #expect(numbers == [0x1578_0b2e_0c2e_c716, 0x6104_d986_6d11_3a7e, 0xae17_5332_39e4_99a1, 0xecb8_ad47_03b3_60a1])
    #expect(random.draws == 4)
}

@Test("streams of one seed and seeds of one stream differ from the first number on")
func streamsDiffer() {
    var first: Set<UInt64> = []
    for seed in UInt64(0)..<40 {
        for stream in UInt64(0)..<40 {
            var random = RandomStream(seed: seed, stream: stream)
            first.insert(random.next())
        }
    }
    #expect(first.count == 1_600)
}

@Test("numbers below a bound are in range and uniform")
func numbersBelowBoundAreUniform() {
    var random = RandomStream(seed: 5, stream: 9)
    for bound in [1, 2, 3, 7, 100, Int.max] {
        let numbers = (0..<200).map { _ in random.below(bound) }
        #expect(numbers.allSatisfy { (0..<bound).contains($0) })
    }
    var counts = [Int](repeating: 0, count: 7)
    for _ in 0..<70_000 { counts[random.below(7)] += 1 }
    let chiSquare = counts.reduce(0.0) { $0 + Double(($1 - 10_000) * ($1 - 10_000)) / 10_000 }
    // The 99.9% point of chi-square with 6 degrees of freedom.
    #expect(chiSquare < 22.46)
}

@Test("unit numbers fill [0, 1) and positive ones (0, 1]")
func unitNumbersAreInRange() {
    var random = RandomStream(seed: 6, stream: 0)
    var sum = 0.0
    for _ in 0..<100_000 {
        let unit = random.unit()
        let positive = random.positiveUnit()
        #expect(unit >= 0 && unit < 1 && positive > 0 && positive <= 1)
        sum += unit
    }
    // Five standard errors of a uniform mean.
    #expect(abs(sum / 100_000 - 0.5) < 5 * (1.0 / 12 / 100_000).squareRoot())
}

@Test("variates have the means and variances of their distributions", arguments: [0.2, 0.8, 1, 3.5, 40])
func gammaMoments(shape: Double) {
    var random = RandomStream(seed: 7, stream: 1)
    checkMoments(mean: shape, variance: shape, fourth: 3 * shape * shape + 6 * shape) { random.gammaVariate(shape: shape) }
}

@Test("normal and exponential variates have their means and variances")
func normalAndExponentialMoments() {
    var random = RandomStream(seed: 8, stream: 1)
    checkMoments(mean: 0, variance: 1, fourth: 3) { random.normalVariate() }
    checkMoments(mean: 1, variance: 1, fourth: 9) { random.exponentialVariate() }
}

/// Compares 200,000 draws with a distribution's mean and variance, within five standard errors; `fourth` is the fourth central moment.
private func checkMoments(mean: Double, variance: Double, fourth: Double, _ draw: () -> Double) {
    let count = 200_000
    let draws = (0..<count).map { _ in draw() }
    let sampleMean = draws.reduce(0, +) / Double(count)
    let sampleVariance = draws.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
    #expect(abs(sampleMean - mean) < 5 * (variance / Double(count)).squareRoot())
    #expect(abs(sampleVariance - variance) < 5 * ((fourth - variance * variance) / Double(count)).squareRoot())
}

@Test("a gamma variate of a shape that is not positive is 0")
func gammaOfBadShape() {
    var random = RandomStream(seed: 9, stream: 1)
    let variates = [0, -.infinity, .nan].map { random.gammaVariate(shape: $0) }
    #expect(variates == [0, 0, 0])
}
