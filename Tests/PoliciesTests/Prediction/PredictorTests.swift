import Policies
import Quantities
import Testing

/// A predictor by name.
func predictor(_ name: String, _ parameters: [String: Double] = [:], seed: UInt64 = 1, limit: Int64 = 100_000) throws -> OutputPredictor {
    try #require(OutputPredictor(PolicyChoice(name, parameters: parameters), seed: seed, lengthLimit: limit))
}

extension OutputPredictor {
    fileprivate func predict(_ id: Int64, truth: Int32, generated: Int32 = 0) -> Prediction {
        predict(id: id, promptTokens: 10, truth: truth, generated: generated)
    }
}

@Suite("Every predictor")
struct PredictorConformanceTests {
    static let descriptions = PredictorRegistry.descriptions

    @Test("answers bounds in order, above what was produced and within what is accepted, at the ends of its parameters too", arguments: descriptions)
    func bounds(description: PolicyDescription) throws {
        var choices: [[String: Double]] = [[:]]
        for parameter in description.parameters {
            choices += [[parameter.name: parameter.range.lowerBound], [parameter.name: parameter.range.upperBound]]
        }
        var random = stream(1)
        for choice in choices {
            let predictor = try predictor(description.name, choice, limit: 5_010)
            for id in 0..<Int64(300) {
                let truth = Int32(1 + random.below(5_000))
                let generated = Int32(random.below(Int(truth)))
                let answer = predictor.predict(id, truth: truth, generated: generated)
                #expect(generated < answer.lower && answer.lower <= answer.expected && answer.expected <= answer.upper)
                #expect(answer.upper <= 5_000)
                #expect(answer.isKnown == (description.name != "none"))
            }
        }
    }

    @Test("is a function of request, truth, progress and seed, whatever was asked before", arguments: descriptions.map(\.name))
    func purity(name: String) throws {
        let (one, other) = (try predictor(name), try predictor(name))
        let ids = Array(0..<Int64(200))
        let forwards = ids.map { one.predict($0, truth: Int32(3 * $0 + 1), generated: Int32($0)) }
        let backwards = ids.reversed().map { other.predict($0, truth: Int32(3 * $0 + 1), generated: Int32($0)) }
        #expect(forwards == backwards.reversed())
    }

    @Test(
        "says how far the length is from its bounds, and these hold where it says so", arguments: ["oracle", "class", "noisy", "interval", "refined"])
    func truthfulBounds(name: String) throws {
        var random = stream(2)
        for parameters in [[:], name == "noisy" || name == "refined" ? ["error": 0.999] : [:], name == "interval" ? ["symmetric": 1] : [:]] {
            let predictor = try predictor(name, parameters)
            for id in 0..<Int64(2_000) {
                let truth = Int32(1 + random.below(id % 2 == 0 ? 9 : 3_000))
                let generated = Int32(random.below(Int(truth)))
                let answer = predictor.predict(id, truth: truth, generated: generated)
                #expect(answer.lower <= truth && truth <= answer.upper, "\(truth) after \(generated): \(answer)")
            }
        }
    }

    @Test("draws anew under another seed", arguments: ["noisy", "interval", "bucket", "refined"])
    func seeds(name: String) throws {
        let (one, other) = (try predictor(name, seed: 1), try predictor(name, seed: 2))
        #expect((0..<100).contains { one.predict($0, truth: 400) != other.predict($0, truth: 400) })
    }
}

@Suite("Predictors")
struct PredictorTests {
    @Test("oracle tells the truth and none nothing")
    func ends() throws {
        #expect(try predictor("oracle").predict(1, truth: 77, generated: 12) == Prediction(exactly: 77))
        #expect(
            try predictor("none", limit: 500).predict(1, truth: 77, generated: 12) == Prediction(expected: 490, lower: 13, upper: 490, isKnown: false)
        )
    }

    @Test("noisy has the stated error: bounded, even, without bias")
    func noise() throws {
        let predictor = try predictor("noisy", ["error": 0.4])
        let errors = (0..<Int64(20_000)).map { Double(predictor.predict($0, truth: 10_000).expected) / 10_000 - 1 }
        #expect(errors.allSatisfy { abs($0) <= 0.4001 })
        let mean = errors.reduce(0, +) / 20_000
        let variance = errors.reduce(0) { $0 + $1 * $1 } / 20_000
        // Standard deviation of the mean: 0.4 / sqrt(3) / sqrt(20,000) = 0.0016.
        #expect(abs(mean) < 0.007)
        #expect(abs(variance - 0.16 / 3) < 0.002)
    }

    @Test("bucket errs as its confusion matrix says")
    func confusion() throws {
        let predictor = try predictor("bucket", ["buckets": 5, "width": 100, "accuracy": 0.6, "spread": 0.5])
        var counts = Array(repeating: 0, count: 5)
        let total = 40_000
        for id in 0..<Int64(total) { counts[Int((predictor.predict(id, truth: 150).lower - 1) / 100)] += 1 }
        // From bucket 1: 0 and 2 at distance 1, 3 at 2, 4 at 3, with weights 1, 1, 1/2, 1/4 of the 0.4 that are left.
        let expected = [0.4 / 2.75, 0.6, 0.4 / 2.75, 0.2 / 2.75, 0.1 / 2.75]
        for (count, share) in zip(counts, expected) { #expect(abs(Double(count) / Double(total) - share) < 0.012) }
    }

    @Test("refined errs less, the more tokens there are")
    func refined() throws {
        let predictor = try predictor("refined", ["error": 0.8, "halving": 50])
        func error(at generated: Int32) -> Double {
            let truth = generated + 1_000
            let errors = (0..<Int64(4_000)).map { id in
                let answer = predictor.predict(id, truth: truth, generated: generated)
                return Double(abs(answer.expected - truth))
            }
            return errors.reduce(0, +) / 4_000
        }
        // Mean of an even error up to 0.8 x 50 / (50 + tokens) of the 1,000 that remain.
        #expect(abs(error(at: 0) - 400) < 15)
        #expect(abs(error(at: 50) - 200) < 8)
        #expect(abs(error(at: 150) - 100) < 4)
    }

    @Test("class names the class that the length is in")
    func classes() throws {
        let predictor = try predictor("class", ["first": 100, "ratio": 3, "classes": 3])
        for truth: Int32 in [1, 50, 100] { #expect(predictor.predict(1, truth: truth) == Prediction(expected: 50, lower: 1, upper: 100)) }
        for truth: Int32 in [101, 300] { #expect(predictor.predict(1, truth: truth) == Prediction(expected: 200, lower: 101, upper: 300)) }
        for truth: Int32 in [301, 5_000] { #expect(predictor.predict(1, truth: truth) == Prediction(expected: 600, lower: 301, upper: 99_990)) }
    }

    @Test("interval has bounds of the stated ratio")
    func interval() throws {
        let predictor = try predictor("interval", ["ratio": 0.25])
        var places: [Double] = []
        for id in 0..<Int64(3_000) {
            let answer = predictor.predict(id, truth: 10_000)
            #expect(abs(Double(answer.lower) / Double(answer.upper) - 0.25) < 0.001)
            places.append(Double(answer.lower))
        }
        #expect(places.contains { $0 < 2_600 } && places.contains { $0 > 9_900 })
        let middle = ["ratio": 1.0 / 3, "symmetric": 1]
        let symmetric = try PoliciesTests.predictor("interval", middle)
        #expect(symmetric.predict(5, truth: 1_000) == Prediction(expected: 1_000, lower: 500, upper: 1_500))
    }
}
