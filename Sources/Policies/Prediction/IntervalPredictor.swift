import Quantities

/// A lower and an upper bound that hold, and nothing else.
///
/// Source: 2508.14544 (A-max and A-min), whose guarantees are in `ratio` = lower / upper. The true length is anywhere between the two, at a place
/// drawn for each request; with `symmetric` it is the middle, as in the paper's experiment with intervals (1 - x) o to (1 + x) o, where x = (1 -
/// ratio) / (1 + ratio). Expected is the middle of the interval.
public struct IntervalPredictor: LengthPredictor {
    public static let description = PolicyDescription(
        name: "interval", summary: "a lower and an upper bound that hold", source: "2508.14544",
        parameters: [
            ParameterDescription("ratio", defaultValue: 0.5, range: 0.001...1, summary: "lower bound over upper bound"),
            ParameterDescription(
                "symmetric", defaultValue: 0, range: 0...1, summary: "1: the truth is the middle; 0: at a place drawn for each request"),
        ])

    private let ratio: Double
    private let isSymmetric: Bool
    private let draws: HashedDraws

    public init(parameters: PolicyParameters, draws: HashedDraws) {
        ratio = parameters["ratio"]
        isSymmetric = parameters["symmetric"] >= 0.5
        self.draws = draws
    }

    public func predict(_ input: PredictionInput) -> Prediction {
        let truth = Double(input.truth)
        let least = isSymmetric ? truth * 2 * ratio / (1 + ratio) : truth * (ratio + (1 - ratio) * draws.unit(input.id))
        // Rounded outwards: bounds that hold for the real numbers hold for the whole ones.
        let lower = Int32(tokens: least.rounded(.down))
        let upper = max(Int32(tokens: (least / ratio).rounded(.up)), input.truth)
        return Prediction(expected: Int32((Int64(lower) + Int64(upper)) / 2), lower: min(lower, input.truth), upper: upper)
    }
}
