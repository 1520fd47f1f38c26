import Quantities

/// How fast experts arrive whose scores have a normal variate more: an expert of weight `w` arrives at rate `w f`, of which the factor `f` is drawn
/// for each token, so that its time is a mixture of exponentials.
///
/// With `x = w t`, the share that did not arrive is `S(x) = mean exp(-f x)` and its hazard by `x` is `h(x) = mean f exp(-f x) / S(x)`, which
/// falls from `h(0) = mean f`. Both are held at 32 points an octave and interpolated, to 1e-4 of `h(0)`.
struct NoisyHazard: Sendable, Equatable {
    private static let stepBits: UInt64 = 5
    private static let steps = 1 << Int(stepBits)
    /// Octaves of `x h(0)`.
    private static let octaves = -20..<20

    /// `h(x) / h(0)` and `S(x)` by place.
    private var hazards: [Double] = []
    private var shares: [Double] = []

    /// - Parameter factors: equally likely; none where no score has noise.
    init(factors: [Double]) {
        guard !factors.isEmpty else { return }
        let mean = factors.reduce(0, +) / Double(factors.count)
        let count = Self.octaves.count * Self.steps + 2
        hazards = [Double](repeating: 0, count: count)
        shares = hazards
        let lowest = Self.lowest
        for step in 0..<Self.steps {
            // From one octave to the next, an exponential is squared.
            var terms = factors.map { exponential(-lowest * (1 + Double(step) / Double(Self.steps)) * $0 / mean) }
            for place in stride(from: step, to: count, by: Self.steps) {
                var share = 0.0
                var rate = 0.0
                for index in factors.indices {
                    let term = terms[index]
                    share += term
                    rate += factors[index] * term
                    terms[index] = term * term
                }
                shares[place] = share / Double(factors.count)
                // Where all terms are too small to represent, what is left has the least factor.
                hazards[place] = share > 1e-280 ? rate / (share * mean) : hazards[max(place - Self.steps, 0)]
            }
        }
    }

    private static var lowest: Double { Double(sign: .plus, exponent: octaves.lowerBound, significand: 1) }

    /// `h(x) / h(0)` where `value` is `x h(0)`: the share of arrivals at rate `w h(0)` that are real.
    @inline(__always)
    func realShare(_ value: Double) -> Double { Self.interpolated(hazards, value) }

    /// `S(x)` where `value` is `x h(0)`.
    func leftShare(_ value: Double) -> Double { Self.interpolated(shares, value) }

    @inline(__always)
    private static func interpolated(_ table: [Double], _ value: Double) -> Double {
        guard value >= lowest else { return table[0] }
        // The exponent and the first bits of the fraction are the place; the rest of the fraction is how far it is to the next one.
        let bits = value.bitPattern &- lowest.bitPattern
        let place = Int(bits >> (52 - stepBits))
        guard place < table.count - 1 else { return table[table.count - 1] }
        let part = Double(bits & (1 << (52 - stepBits) - 1)) * (1 / Double(sign: .plus, exponent: 52 - Int(stepBits), significand: 1))
        return table[place] + (table[place + 1] - table[place]) * part
    }
}
