import Quantities

/// The predictors that a topology can name. A new one is one file and one line here.
public enum PredictorRegistry {
    private static let predictors: [any LengthPredictor.Type] = [
        NoPrediction.self,
        OraclePredictor.self,
        ClassPredictor.self,
        NoisyPredictor.self,
        IntervalPredictor.self,
        BucketPredictor.self,
        RefinedPredictor.self,
    ]

    /// Every predictor, in the order of the registry.
    public static var descriptions: [PolicyDescription] { predictors.map { $0.description } }

    /// Makes the predictor that `choice` names; `nil` for an unknown name.
    static func make(_ choice: PolicyChoice, draws: HashedDraws) -> (any LengthPredictor)? {
        for predictor in predictors where predictor.description.answers(to: choice.name) {
            return predictor.init(parameters: PolicyParameters(choice, for: predictor.description), draws: draws)
        }
        return nil
    }
}

extension Int32 {
    /// The nearest whole number of tokens, at least 1.
    init(tokens: Double) { self = Int32(Swift.min(Swift.max(tokens.rounded(), 1), 2_000_000_000)) }
}
