import Foundation
import Quantities
import Testing

/// The distance in units in the last place between two finite numbers of one sign.
private func unitsApart(_ a: Double, _ b: Double) -> UInt64 {
    if a == b { return 0 }
    return a.sign == b.sign ? UInt64((Int64(bitPattern: a.magnitude.bitPattern) - Int64(bitPattern: b.magnitude.bitPattern)).magnitude) : .max
}

@Test("the natural logarithm is within 2 units in the last place of the C library's over the whole range")
func logarithmIsAccurate() {
    var random = RandomStream(seed: 1, stream: 0)
    var worst: UInt64 = 0
    for _ in 0..<400_000 {
        // Any positive finite bit pattern, subnormals included.
        let x = Double(bitPattern: random.next() % Double.infinity.bitPattern)
        guard x > 0 else { continue }
        worst = max(worst, unitsApart(naturalLog(x), Foundation.log(x)))
    }
    for _ in 0..<400_000 {
        // Near 1, where the result is small and errors do not cancel.
        let x = 1 + (random.unit() - 0.5) * (random.unit() < 0.5 ? 1 : 1e-6)
        worst = max(worst, unitsApart(naturalLog(x), Foundation.log(x)))
    }
    #expect(worst <= 2)
}

@Test("the exponential is within 2 units in the last place of the C library's over the whole range")
func exponentialIsAccurate() {
    var random = RandomStream(seed: 2, stream: 0)
    var worst: UInt64 = 0
    for width in [1e-9, 1e-3, 1, 40, 708] {
        for _ in 0..<200_000 {
            let x = (2 * random.unit() - 1) * width
            worst = max(worst, unitsApart(exponential(x), Foundation.exp(x)))
        }
    }
    for _ in 0..<100_000 {
        // Results from subnormal to the smallest: one unit is one step of the grid.
        let x = -708 - random.unit() * 38
        worst = max(worst, unitsApart(exponential(x), Foundation.exp(x)))
    }
    #expect(worst <= 2)
}

@Test("the elementary functions keep their limits and special values")
func elementarySpecialValues() {
    #expect(naturalLog(1) == 0)
    #expect(naturalLog(0) == -.infinity)
    #expect(naturalLog(-1).isNaN)
    #expect(naturalLog(.nan).isNaN)
    #expect(naturalLog(.infinity) == .infinity)
    #expect(naturalLog(2) == Foundation.log(2))
    #expect(exponential(0) == 1)
    #expect(exponential(710) == .infinity)
    #expect(exponential(.infinity) == .infinity)
    #expect(exponential(-746) == 0)
    #expect(exponential(-.infinity) == 0)
    #expect(exponential(.nan).isNaN)
    #expect(exponential(709.782712893384) < .infinity)
    #expect(exponential(709.7827128933841) == .infinity)
    #expect(exponential(-745.1332191019411) == .leastNonzeroMagnitude)
}

@Test("the elementary functions give these very bits on every machine")
func elementaryBitsAreFixed() {
    var hash: UInt64 = 0
    var random = RandomStream(seed: 3, stream: 0)
    for _ in 0..<10_000 {
        let x = random.positiveUnit() * 100
        hash = (hash &* 0x100_0000_01b3) ^ naturalLog(x).bitPattern
        hash = (hash &* 0x100_0000_01b3) ^ exponential(x - 50).bitPattern
    }
    // Computed apart by the same operations in another language on IEEE numbers. A change means that records differ.
    #expect(hash == 10303187727688994500)
}
