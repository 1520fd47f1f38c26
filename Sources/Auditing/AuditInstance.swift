import Bounds
import Policies

/// A request of an instance, with what the policy is told of its length before its first token.
public struct AuditRequest: Sendable, Equatable {
    public var unit: UnitRequest
    public var prediction: Prediction

    public init(_ unit: UnitRequest, prediction: Prediction) {
        self.unit = unit
        self.prediction = prediction
    }
}

/// An instance of the unit-round model with predictions: all that decides what a policy does.
public struct AuditInstance: Sendable, Equatable {
    public var requests: [AuditRequest]
    /// Tokens that the worker holds.
    public var memory: Int

    public init(_ requests: [AuditRequest], memory: Int) {
        self.requests = requests
        self.memory = memory
    }

    /// The instance as the optimum sees it.
    public var unit: UnitInstance { UnitInstance(requests.map(\.unit), memory: memory) }

    /// The largest upper over lower bound of a length; 1 without requests.
    public var intervalRatio: Double {
        requests.reduce(1) { max($0, Double($1.prediction.upper) / Double(max(1, $1.prediction.lower))) }
    }

    /// Whether the instance is as a guarantee asks.
    public func meets(_ condition: Guarantee.Condition) -> Bool {
        guard let first = requests.first else { return true }
        switch condition {
        case .allAtStart: return requests.allSatisfy { $0.unit.arrival == first.unit.arrival }
        case .equalPrompts: return requests.allSatisfy { $0.unit.prompt == first.unit.prompt }
        case .exactPredictions: return requests.allSatisfy { $0.prediction == Prediction(exactly: Int32(clamping: $0.unit.output)) }
        case .noShortPredictions: return requests.allSatisfy { Int($0.prediction.expected) >= $0.unit.output }
        case .boundsHold:
            return requests.allSatisfy {
                $0.prediction.isKnown && Int($0.prediction.lower) <= $0.unit.output && $0.unit.output <= Int($0.prediction.upper)
            }
        case .oneInterval:
            return requests.allSatisfy { $0.prediction.lower == first.prediction.lower && $0.prediction.upper == first.prediction.upper }
        case .roomForTwo:
            return requests.allSatisfy { 2 * ($0.unit.prompt + max($0.unit.output, Int($0.prediction.expected))) <= memory }
        }
    }
}

/// What a policy is told of output lengths: a predictor of the product, asked once for each request.
public struct Teller: Sendable {
    /// The predictor and its parameters.
    public let choice: PolicyChoice
    private let seed: UInt64

    /// - Returns: `nil` for an unknown predictor, and for one whose answers change as tokens appear: an instance states one answer for each request.
    public init?(_ choice: PolicyChoice, seed: UInt64) {
        guard let predictor = OutputPredictor(choice, seed: seed, lengthLimit: 2), !predictor.isRefined else { return nil }
        self.choice = choice
        self.seed = seed
    }

    /// Whether it answers with the truth, and whether with bounds that hold.
    var isExact: Bool { choice.name == "oracle" }
    var isInterval: Bool { choice.name == "interval" }
    /// Upper over lower bound of an interval; 1 for other predictors.
    var intervalRatio: Double { isInterval ? 1 / max(1e-3, PolicyParameters(choice, for: IntervalPredictor.description)["ratio"]) : 1 }

    /// What is said of the request at a place of an instance.
    func prediction(of request: UnitRequest, at place: Int, memory: Int) -> Prediction {
        // One token of the prompt more than the model counts: see `SchedulerInRounds`.
        let predictor = OutputPredictor(choice, seed: seed, lengthLimit: Int64(memory) + 1) ?? .none
        return predictor.predict(
            id: Int64(place), promptTokens: Int32(clamping: request.prompt + 1), truth: Int32(clamping: request.output), generated: 0)
    }

    /// An instance with what is said of each request.
    public func instance(_ requests: [UnitRequest], memory: Int) -> AuditInstance {
        AuditInstance(
            requests.enumerated().map { AuditRequest($1, prediction: prediction(of: $1, at: $0, memory: memory)) }, memory: memory)
    }
}
