/// Ranks that all wait for the heaviest one before each step: `T = C + t max over ranks of L`, with the loads `L` in tokens of cache (2601.17855).
public struct BarrierBound: Sendable, Equatable {
    /// Sum of the steps' times, as they were, and as they would be with each step's load spread evenly over the ranks.
    public var measured: Double
    public var balanced: Double

    /// - Parameters:
    ///   - loads: by step, then by rank.
    ///   - fixed: time of a step without load; `perToken`: time for each token of the heaviest rank. Both in the same unit.
    public init(loads: [[Double]], fixed: Double, perToken: Double) {
        measured = 0
        balanced = 0
        for step in loads where !step.isEmpty {
            measured += fixed + perToken * (step.max() ?? 0)
            balanced += fixed + perToken * step.reduce(0, +) / Double(step.count)
        }
    }

    /// Measured by balanced: 1 is perfect.
    public var ratio: Double { balanced > 0 ? measured / balanced : 1 }
}
