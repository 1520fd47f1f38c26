import Quantities

/// The class that the output length falls into, never wrong: with two classes, one bit of advice, short or long.
///
/// Source: 2503.07545 (queueing with one-bit advice, which has most of the gain of full predictions). Class 0 holds lengths up to `first`, each
/// further class those up to `ratio` times the last; the last class has no end. The bounds are those of the class. Expected is the middle of the
/// class, the last one counted as if it ended like the others.
public struct ClassPredictor: LengthPredictor {
    public static let description = PolicyDescription(
        name: "class", summary: "the class of the output length: short or long, or finer", source: "one-bit advice, 2503.07545",
        parameters: [
            ParameterDescription("first", unit: "tokens", defaultValue: 128, range: 1...1_000_000, summary: "longest output of the first class"),
            ParameterDescription("ratio", defaultValue: 4, range: 1.01...1000, summary: "end of a class over the end of the one before"),
            ParameterDescription("classes", defaultValue: 2, range: 1...64, summary: "number of classes"),
        ])

    /// Longest output of each class, the last one as if it ended.
    private let ends: [Int32]

    public init(parameters: PolicyParameters, draws: HashedDraws) {
        var end = parameters["first"]
        var ends: [Int32] = []
        for _ in 0..<Int(parameters["classes"]) {
            ends.append(max(Int32(tokens: end), (ends.last ?? 0) + 1))
            end *= parameters["ratio"]
        }
        self.ends = ends
    }

    public func predict(_ input: PredictionInput) -> Prediction {
        let place = ends.firstIndex { input.truth <= $0 } ?? ends.count - 1
        let lower = place == 0 ? 1 : ends[place - 1] + 1
        let upper = place == ends.count - 1 ? .max : ends[place]
        return Prediction(expected: Int32((Int64(lower) + Int64(ends[place])) / 2), lower: lower, upper: upper)
    }
}
