import Quantities

/// The true length with a stated relative error: drawn evenly from (1 - error) to (1 + error) times the truth, once for each request.
///
/// Source: the noise of the studies of 2502.07115. Since the error is bounded, so is the truth: between the prediction over 1 + error and the
/// prediction over 1 - error. A mean absolute error of m (relative) is that of `error` = 2 m.
public struct NoisyPredictor: LengthPredictor {
    public static let description = PolicyDescription(
        name: "noisy", summary: "the true length with a bounded relative error", source: "2502.07115",
        parameters: [ParameterDescription("error", defaultValue: 0.3, range: 0...1, summary: "largest relative error")])

    private let error: Double
    private let draws: HashedDraws

    public init(parameters: PolicyParameters, draws: HashedDraws) {
        error = parameters["error"]
        self.draws = draws
    }

    public func predict(_ input: PredictionInput) -> Prediction {
        Self.predict(Double(input.truth), error: error, draw: draws.unit(input.id), after: 0)
    }

    /// A length with an error, as a prediction with the bounds that hold for everything that would have given it.
    ///
    /// - Parameters:
    ///   - draw: the error's place between its least and its most, from 0 to 1.
    ///   - start: tokens that are known and carry no error.
    static func predict(_ tokens: Double, error: Double, draw: Double, after start: Int32) -> Prediction {
        let expected = Int32(tokens: tokens * (1 + error * (2 * draw - 1)))
        // Half a token each way for the rounding of the prediction.
        let lower = Int32(tokens: ((Double(expected) - 0.5) / (1 + error)).rounded(.up))
        let upper = Int32(tokens: error < 1 ? ((Double(expected) + 0.5) / (1 - error)).rounded(.down) : 2_000_000_000)
        return Prediction(
            expected: start + min(expected, .max - start), lower: start + min(lower, .max - start), upper: start + min(upper, .max - start))
    }
}
