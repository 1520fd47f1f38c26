import Quantities

/// What is predicted of the output length of a request, in tokens: all that a policy may know of it.
public struct Prediction: Sendable, Equatable {
    /// The most likely length, the tokens produced so far included.
    public var expected: Int32
    /// Bounds that the length is said to lie between. Whether they hold is the predictor's affair.
    public var lower: Int32
    public var upper: Int32
    /// Whether anything was predicted. If not, `lower` and `upper` are what everybody knows, and `expected` is no more than a guess: `upper`.
    public var isKnown: Bool

    public init(expected: Int32, lower: Int32, upper: Int32, isKnown: Bool = true) {
        self.expected = expected
        self.lower = lower
        self.upper = upper
        self.isKnown = isKnown
    }

    /// A length known for certain.
    public init(exactly tokens: Int32) { self.init(expected: tokens, lower: tokens, upper: tokens) }

    /// Nothing known.
    public static let unknown = Prediction(expected: .max, lower: 1, upper: .max, isKnown: false)

    /// The same, corrected by what has been seen: after `generated` tokens of a request that goes on there is at least one more.
    @inlinable
    public func after(_ generated: Int32) -> Prediction {
        guard generated >= lower else { return self }
        let least = generated + 1
        return Prediction(expected: max(expected, least), lower: least, upper: max(upper, least), isKnown: isKnown)
    }
}

/// What a predictor is given: the one place beside the engine that produces the tokens where the true length is known.
public struct PredictionInput: Sendable, Equatable {
    public var id: Int64
    /// Output tokens in all.
    public var truth: Int32
    /// Output tokens produced so far.
    public var generated: Int32

    public init(id: Int64, truth: Int32, generated: Int32) {
        self.id = id
        self.truth = truth
        self.generated = generated
    }
}

/// Predicts output lengths, with an error that it states.
///
/// A pure function of its input and the run's seed, so that controller and workers get the same answer, in whatever processes they are. No
/// policy holds a predictor: policies get `Prediction`s, made by the nodes.
public protocol LengthPredictor: Sendable {
    static var description: PolicyDescription { get }

    /// Whether an answer depends on the tokens produced so far by more than that the length is above them.
    var isRefined: Bool { get }

    /// - Parameters:
    ///   - parameters: checked values, one for each described parameter.
    ///   - draws: where its errors come from.
    init(parameters: PolicyParameters, draws: HashedDraws)

    /// The prediction; what is outside of the possible is cut off by `OutputPredictor`.
    func predict(_ input: PredictionInput) -> Prediction
}

extension LengthPredictor {
    public var isRefined: Bool { false }
}
