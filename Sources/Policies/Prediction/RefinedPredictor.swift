import Quantities

/// A prediction that gets better as tokens appear.
///
/// Source: TRAIL (2410.01035), which reads the remaining length off the embedding of the newest token and smooths it; emulated as noise that shrinks.
/// Every `every` tokens the remaining length is predicted anew, with an error drawn evenly up to `error` x `halving` / (`halving` + tokens so far),
/// relative to what remains: after `halving` tokens it is half of that of the prompt. Bounds hold, as with `noisy`.
public struct RefinedPredictor: LengthPredictor {
    public static let description = PolicyDescription(
        name: "refined", summary: "a prediction whose error shrinks as tokens appear", source: "TRAIL, 2410.01035",
        parameters: [
            ParameterDescription("error", defaultValue: 0.5, range: 0...1, summary: "largest relative error before the first token"),
            ParameterDescription(
                "halving", unit: "tokens", defaultValue: 64, range: 1...1_000_000, summary: "tokens after which the error is half of that"),
            ParameterDescription("every", unit: "tokens", defaultValue: 1, range: 1...1_000_000, summary: "tokens between two predictions"),
        ])

    private let error: Double
    private let halving: Double
    private let every: Int32
    private let draws: HashedDraws

    public var isRefined: Bool { true }

    public init(parameters: PolicyParameters, draws: HashedDraws) {
        error = parameters["error"]
        halving = parameters["halving"]
        every = Int32(parameters["every"])
        self.draws = draws
    }

    public func predict(_ input: PredictionInput) -> Prediction {
        let step = input.generated / every
        let start = min(step * every, max(input.truth - 1, 0))
        let share = error * halving / (halving + Double(start))
        return NoisyPredictor.predict(Double(input.truth - start), error: share, draw: draws.unit(input.id, Int64(step)), after: start)
    }
}
