/// What is proved of a policy and when, in a form that can be put to the test (`testbed audit`).
///
/// Total latency is the sum over requests of end less arrival, in the model of 2502.07115: one worker, rounds of equal length, caches that grow by a
/// token a round, and work that is lost with the cache.
public struct Guarantee: Sendable, Equatable {
    /// What holds.
    public enum Claim: Sendable, Equatable {
        /// Total latency is at most so many times the least that any schedule has.
        case ratioToOptimum(Double)
        /// With r the largest upper over lower bound of a length, total latency is at most r (1 + r) / 2 times that of the shortest first with true
        /// lengths.
        case intervalRatioToShortestFirst
        /// Total latency over the least grows like log r at the most; the factor is not published.
        case logarithmInInterval
        /// Nobody loses its cache.
        case noEvictions
    }

    /// What an instance must be like for the claim.
    public enum Condition: String, Sendable, CaseIterable {
        case allAtStart = "all there at the start"
        case equalPrompts = "equal prompts"
        case exactPredictions = "exact predictions"
        case noShortPredictions = "no prediction too short"
        case boundsHold = "bounds that hold"
        case oneInterval = "one interval for all"
        case roomForTwo = "memory for two of the longest"
    }

    public var claim: Claim
    public var conditions: [Condition]
    /// Whether it is a statement about memory without end: a small instance that goes beyond it is no contradiction.
    public var isAsymptotic: Bool

    public init(_ claim: Claim, when conditions: [Condition], isAsymptotic: Bool = false) {
        self.claim = claim
        self.conditions = conditions
        self.isAsymptotic = isAsymptotic
    }
}
