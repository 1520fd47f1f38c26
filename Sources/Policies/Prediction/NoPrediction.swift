import Quantities

/// Nothing is known of output lengths, as in most systems that serve users.
///
/// Source: the default of vLLM and SGLang. Policies see the bounds that everybody knows: at least one token more, and no more than the cluster
/// accepts.
public struct NoPrediction: LengthPredictor {
    public static let description = PolicyDescription(
        name: "none", summary: "nothing is known of output lengths", source: "default of vLLM and SGLang")

    init() {}

    public init(parameters: PolicyParameters, draws: HashedDraws) {}

    public func predict(_ input: PredictionInput) -> Prediction { .unknown }
}
