import Quantities

/// The longest prompt or output of a request, in tokens: ten million, more than any published context window.
public let longestRequestTokens = 10_000_000

/// Draws lengths in tokens from a distribution, then scales them.
struct LengthSampler {
    private let distribution: LengthDistribution
    private let scale: Double
    /// Running sums of an empirical distribution's weights; a weight that is not positive counts as 0.
    private let weightSums: [Double]
    private var stream: RandomStream

    init(_ distribution: LengthDistribution, scale: Double, stream: RandomStream) {
        self.distribution = distribution
        self.scale = scale
        self.stream = stream
        if case .empirical(let lengths) = distribution {
            var sum = 0.0
            weightSums = lengths.map { length in
                if length.weight > 0 { sum += length.weight }
                return sum
            }
        } else {
            weightSums = []
        }
    }

    /// The next length: between 1 and `longestRequestTokens`.
    mutating func next() -> Int32 { scaledLength(draw(), by: scale) }

    private mutating func draw() -> Int {
        switch distribution {
        case .fixed(let tokens):
            return tokens
        case .uniform(let from, let through):
            let low = min(max(1, from), longestRequestTokens)
            let high = min(max(low, through), longestRequestTokens)
            return low + stream.below(high - low + 1)
        case .logNormal(let median, let sigma, let limit):
            let length = median * exponential(sigma * stream.normalVariate())
            return Int(max(1, min(length, Double(min(limit, longestRequestTokens))).rounded(.toNearestOrAwayFromZero)))
        case .empirical(let lengths):
            let place = stream.unit() * (weightSums.last ?? 0)
            // The first sum above the place; without a positive weight there is none, and the length is 1.
            var low = 0
            var high = weightSums.count
            while low < high {
                let middle = (low + high) / 2
                if weightSums[middle] > place { high = middle } else { low = middle + 1 }
            }
            return low < lengths.count ? lengths[low].tokens : 1
        }
    }
}

/// A length times a factor, rounded to whole tokens, halves away from zero: at least 1, at most `longestRequestTokens`.
func scaledLength(_ tokens: Int, by scale: Double) -> Int32 {
    guard scale != 1 else { return Int32(max(1, min(tokens, longestRequestTokens))) }
    let scaled = (Double(tokens) * scale).rounded(.toNearestOrAwayFromZero)
    return Int32(max(1, min(scaled, Double(longestRequestTokens))))
}
