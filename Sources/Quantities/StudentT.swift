/// Student's t distribution with a whole number of degrees of freedom.
///
/// By the finite series of Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.3 (odd) and 26.7.4 (even), so that nothing but
/// + - * / and square roots is needed, and the result has the same bits everywhere.
public enum StudentT {
    /// The probability that a variable is within -t … t, for at least one degree of freedom and t of at least 0.
    public static func central(_ t: Double, freedom: Int) -> Double {
        precondition(freedom >= 1 && t >= 0, "expected at least one degree of freedom and a t of at least 0")
        guard t < .infinity else { return 1 }
        let degrees = Double(freedom)
        let length = (degrees + t * t).squareRoot()
        let (sine, cosine) = (t / length, degrees.squareRoot() / length)
        // Each term of the series is the one before times cos² and the ratio of two whole numbers.
        let isOdd = !freedom.isMultiple(of: 2)
        var term = isOdd ? cosine : 1
        var sum = freedom == 1 ? 0 : term
        var order = isOdd ? 3 : 2
        while order <= freedom - 2 {
            term *= cosine * cosine * (Double(order - 1) / Double(order))
            sum += term
            order += 2
        }
        guard isOdd else { return min(1, sine * sum) }
        return min(1, 2 / Double.pi * (arcTangent(t / degrees.squareRoot()) + sine * sum))
    }

    /// The t for which a variable is within -t … t with the given probability, between 0 and 1: what a confidence interval multiplies the standard
    /// error by. To one part in 10^12.
    public static func twoSidedQuantile(_ probability: Double, freedom: Int) -> Double {
        precondition(probability > 0 && probability < 1, "expected a probability between 0 and 1")
        var (low, high) = (0.0, 1.0)
        while central(high, freedom: freedom) < probability, high < 1e15 { (low, high) = (high, high * 2) }
        for _ in 0..<200 where high - low > high * 1e-13 {
            let middle = low + (high - low) / 2
            if central(middle, freedom: freedom) < probability { low = middle } else { high = middle }
        }
        return low + (high - low) / 2
    }
}

/// The arc tangent of a number of at least 0, to a few units in the last place: halved until its series is short.
func arcTangent(_ x: Double) -> Double {
    var (rest, factor) = (x, 1.0)
    // atan x = 2 atan(x / (1 + sqrt(1 + x²)))
    while rest > 0.1 {
        rest /= 1 + (1 + rest * rest).squareRoot()
        factor *= 2
    }
    let square = rest * rest
    var sum = 0.0
    // Terms up to 0.1^25 / 25.
    for order in stride(from: 25, through: 1, by: -2) { sum = 1 / Double(order) - square * sum }
    return factor * rest * sum
}

/// Mean of paired differences with its confidence interval, by Student's t.
public struct PairedDifference: Sendable, Equatable {
    /// Pairs.
    public let count: Int
    public let mean: Double
    /// Half the width of the interval; `nil` with less than two pairs, which say nothing of the spread.
    public let halfWidth: Double?

    /// - Parameter confidence: the share of intervals that hold the true mean, if differences are drawn independently from a normal distribution.
    /// - Precondition: there is a pair.
    public init(_ differences: [Double], confidence: Double) {
        precondition(!differences.isEmpty, "no pairs have no mean")
        count = differences.count
        let mean = differences.reduce(0, +) / Double(count)
        self.mean = mean
        guard count > 1 else {
            halfWidth = nil
            return
        }
        let squares = differences.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        let error = (squares / Double(count - 1) / Double(count)).squareRoot()
        halfWidth = error > 0 ? error * StudentT.twoSidedQuantile(confidence, freedom: count - 1) : 0
    }

    /// Whether the interval leaves 0 out.
    public var isSignificant: Bool { halfWidth.map { mean.magnitude > $0 } ?? false }
}
