import Quantities

/// The true output length.
///
/// Source: the clairvoyant setting of the scheduling literature (2502.07115, section 2). No real system has it; it separates what a policy
/// loses by its decisions from what it loses by not knowing.
public struct OraclePredictor: LengthPredictor {
    public static let description = PolicyDescription(
        name: "oracle", summary: "the true output length", source: "clairvoyant scheduling, 2502.07115")

    public init(parameters: PolicyParameters, draws: HashedDraws) {}

    public func predict(_ input: PredictionInput) -> Prediction { Prediction(exactly: input.truth) }
}
