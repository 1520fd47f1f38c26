/// The probability that each of some experts is among the `topK` that a token picks, one after the other in proportion to weights.
///
/// Mean-field recursion over the picks: the chance of an expert in pick `k + 1`, if it was not picked before, is its weight over the expected
/// weight that is left then, with the correction of second order for the spread of what is left. Exact for one pick and for equal weights;
/// otherwise within 0.8% for Zipf weights of exponent 1 and 8 experts, and closer with more of them (tested against enumeration).
struct Inclusion: Sendable, Equatable {
    /// Probability of each expert; sums to `topK`.
    private(set) var probabilities: [Double] = []
    private var left: [Double] = []
    private var hazard: [Double] = []

    /// Works out the probabilities for positive weights.
    mutating func solve(_ weights: UnsafeBufferPointer<Double>, topK: Int) {
        let count = weights.count
        if probabilities.count != count {
            probabilities = [Double](repeating: 0, count: count)
            left = probabilities
            hazard = probabilities
        }
        left.withUnsafeMutableBufferPointer { left in
            hazard.withUnsafeMutableBufferPointer { hazard in
                for expert in 0..<count { left[expert] = 1 }
                for _ in 0..<min(topK, count) { Self.pick(weights, left, hazard) }
            }
        }
        for expert in 0..<count { probabilities[expert] = 1 - left[expert] }
        if topK >= count { for expert in 0..<count { probabilities[expert] = 1 } }
    }

    /// One pick: lowers each expert's probability of being left.
    private static func pick(
        _ weights: UnsafeBufferPointer<Double>, _ left: UnsafeMutableBufferPointer<Double>, _ hazard: UnsafeMutableBufferPointer<Double>
    ) {
        var rest = 0.0
        var squares = 0.0
        var variance = 0.0
        for expert in 0..<weights.count {
            let share = weights[expert] * left[expert]
            rest += share
            squares += weights[expert] * share
            variance += weights[expert] * share * (1 - left[expert])
        }
        var total = 0.0
        for expert in 0..<weights.count {
            let (weight, remains) = (weights[expert], left[expert])
            let share = weight * remains
            // If this expert is left, the others were picked more often: by what it lacks, each time an expert of the mean weight of a pick.
            let others = max(rest - share, weight * 0x1p-40)
            let taken = (1 - remains) * max(squares - weight * share, 0) / others
            let sum = weight + max(others - taken, 0)
            let spread = max(variance - weight * share * (1 - remains), 0)
            let chance = min(weight / sum * (1 + spread / (sum * sum)), 1)
            hazard[expert] = chance
            total += chance * remains
        }
        guard total > 0 else { return }
        let scale = 1 / total
        for expert in 0..<weights.count { left[expert] *= 1 - min(hazard[expert] * scale, 1) }
    }

    /// Weights with which picks have these shares of all picks. A share above `1 / topK` cannot be met: no token picks an expert twice.
    static func weights(shares: [Double], topK: Int) -> [Double] {
        let most = 1 - 0x1p-10
        let total = shares.reduce(0, +)
        let targets = shares.map { min(max($0 / total * Double(topK), 0x1p-30), most) }
        var weights = targets.map { $0 / (1 - $0) }
        var inclusion = Inclusion()
        for _ in 0..<24 {
            weights.withUnsafeBufferPointer { inclusion.solve($0, topK: topK) }
            for expert in weights.indices {
                // The step is taken in the odds, which both ends leave finite.
                let reached = min(max(inclusion.probabilities[expert], 0x1p-40), most)
                weights[expert] *= targets[expert] / (1 - targets[expert]) * (1 - reached) / reached
            }
            let sum = weights.reduce(0, +) / Double(weights.count)
            for expert in weights.indices { weights[expert] /= sum }
        }
        return weights
    }
}
