import Quantities

/// The predictor of a run as nodes use it: the named one, with its answers cut to what is possible in this cluster.
public struct OutputPredictor: Sendable {
    private let predictor: any LengthPredictor
    /// Longest prompt plus output that the cluster accepts, in tokens.
    private let lengthLimit: Int64
    /// Whether it predicts anything.
    public let isPresent: Bool
    /// Whether answers have to be asked for again as tokens appear.
    public let isRefined: Bool

    /// - Returns: `nil` for an unknown name.
    public init?(_ choice: PolicyChoice, seed: UInt64, lengthLimit: Int64) {
        let draws = HashedDraws(seed: seed, stream: RandomPurpose.prediction)
        guard let predictor = PredictorRegistry.make(choice, draws: draws) else { return nil }
        self.init(predictor, lengthLimit: lengthLimit)
    }

    private init(_ predictor: any LengthPredictor, lengthLimit: Int64) {
        self.predictor = predictor
        self.lengthLimit = lengthLimit
        isPresent = !(predictor is NoPrediction)
        isRefined = predictor.isRefined
    }

    /// Predicts nothing.
    public static let none = OutputPredictor(NoPrediction(), lengthLimit: Int64(Int32.max))

    /// The prediction for a request. Its bounds are in order, above the tokens produced so far, and within what the cluster accepts.
    public func predict(id: Int64, promptTokens: Int32, truth: Int32, generated: Int32) -> Prediction {
        let most = Int32(clamping: max(1, lengthLimit - Int64(promptTokens)))
        guard isPresent else { return Prediction(expected: most, lower: 1, upper: most, isKnown: false).after(generated) }
        let answer = predictor.predict(PredictionInput(id: id, truth: truth, generated: generated))
        let lower = min(max(1, answer.lower), most)
        let upper = min(max(lower, answer.upper), most)
        return Prediction(expected: min(max(lower, answer.expected), upper), lower: lower, upper: upper).after(generated)
    }
}
