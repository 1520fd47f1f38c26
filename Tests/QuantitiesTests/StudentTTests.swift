import Testing

@testable import Quantities

@Suite("Student's t")
struct StudentTTests {
    /// Two-sided 95% and 99% quantiles as printed in tables (Fisher and Yates, "Statistical Tables", table III; three decimals).
    static let table: [(freedom: Int, at95: Double, at99: Double)] = [
        (1, 12.706, 63.657), (2, 4.303, 9.925), (3, 3.182, 5.841), (4, 2.776, 4.604), (5, 2.571, 4.032), (6, 2.447, 3.707), (7, 2.365, 3.499),
        (8, 2.306, 3.355), (9, 2.262, 3.250), (10, 2.228, 3.169), (15, 2.131, 2.947), (20, 2.086, 2.845), (29, 2.045, 2.756), (30, 2.042, 2.750),
        (40, 2.021, 2.704), (60, 2.000, 2.660), (120, 1.980, 2.617),
    ]

    @Test("has the published quantiles", arguments: table.indices)
    func published(row: Int) {
        let (freedom, at95, at99) = Self.table[row]
        #expect(abs(StudentT.twoSidedQuantile(0.95, freedom: freedom) - at95) < 0.000_51)
        #expect(abs(StudentT.twoSidedQuantile(0.99, freedom: freedom) - at99) < 0.000_51)
    }

    @Test("has the closed forms of one and two degrees of freedom: tan(pi p / 2), p sqrt(2 / (1 - p²))", arguments: [0.1, 0.5, 0.8, 0.9, 0.99])
    func closedForms(probability: Double) {
        let two = probability * (2 / (1 - probability * probability)).squareRoot()
        #expect(abs(StudentT.twoSidedQuantile(probability, freedom: 2) / two - 1) < 1e-11)
        // tan(pi / 4) and tan(9 pi / 20), by hand; the others by the probability that comes back.
        #expect(abs(StudentT.twoSidedQuantile(0.5, freedom: 1) - 1) < 1e-11)
        #expect(abs(StudentT.twoSidedQuantile(0.9, freedom: 1) - 6.313_751_514_675) < 1e-9)
        let t = StudentT.twoSidedQuantile(probability, freedom: 7)
        #expect(abs(StudentT.central(t, freedom: 7) - probability) < 1e-12)
    }

    @Test("comes to the normal distribution with many degrees of freedom")
    func normal() {
        #expect(abs(StudentT.twoSidedQuantile(0.95, freedom: 99_999) - 1.959_964) < 5e-5)
    }

    @Test("gives the interval worked out by hand")
    func interval() throws {
        // Mean 3, squares 4 + 1 + 0 + 1 + 4 = 10, variance 2.5, error sqrt(2.5 / 5) = 0.70711, times 2.776445.
        let paired = PairedDifference([1, 2, 3, 4, 5], confidence: 0.95)
        #expect(paired.mean == 3)
        #expect(abs(try #require(paired.halfWidth) - 1.963_243) < 1e-6)
        #expect(paired.isSignificant)
        #expect(!PairedDifference([-1, 2, 3], confidence: 0.95).isSignificant)
        #expect(PairedDifference([2], confidence: 0.95).halfWidth == nil)
        #expect(!PairedDifference([2], confidence: 0.95).isSignificant)
        #expect(PairedDifference([2, 2], confidence: 0.95).halfWidth == 0)
        #expect(!PairedDifference([0, 0], confidence: 0.95).isSignificant)
    }

    @Test("covers the true mean as often as it says")
    func coverage() {
        var random = RandomStream(seed: 7, stream: 1)
        var held = 0
        for _ in 0..<4_000 {
            // The sum of twelve uniform numbers is close to normal with mean 6.
            let sample = (0..<5).map { _ in (0..<12).reduce(0.0) { sum, _ in sum + random.unit() } }
            let paired = PairedDifference(sample, confidence: 0.9)
            if abs(paired.mean - 6) <= (paired.halfWidth ?? 0) { held += 1 }
        }
        // Four standard errors of a share of 0.9 among 4,000.
        #expect(abs(Double(held) / 4_000 - 0.9) < 0.019)
    }
}
