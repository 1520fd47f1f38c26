extension RandomStream {
    /// An exponential variate of mean 1, by inversion: one draw each.
    public mutating func exponentialVariate() -> Double { -naturalLog(positiveUnit()) }

    /// A normal variate of mean 0 and variance 1, by the polar method (Marsaglia and Bray 1964).
    public mutating func normalVariate() -> Double {
        while true {
            let x = 2 * unit() - 1
            let y = 2 * unit() - 1
            let square = x * x + y * y
            // The point's twin is left out, so that a variate does not depend on how many were drawn before it.
            if square > 0, square < 1 { return x * (-2 * naturalLog(square) / square).squareRoot() }
        }
    }

    /// A gamma variate of scale 1: mean and variance are `shape` (Marsaglia and Tsang 2000).
    ///
    /// A shape that is not positive gives 0.
    public mutating func gammaVariate(shape: Double) -> Double {
        guard shape > 0 else { return 0 }
        guard shape < 1 else { return gammaVariateAboveOne(shape) }
        // Gamma(a) = Gamma(a + 1) U^(1 / a): the same paper, section 6.
        let larger = gammaVariateAboveOne(shape + 1)
        return larger * exponential(naturalLog(positiveUnit()) / shape)
    }

    private mutating func gammaVariateAboveOne(_ shape: Double) -> Double {
        let d = shape - 1.0 / 3.0
        let c = 1 / (9 * d).squareRoot()
        while true {
            let x = normalVariate()
            let root = 1 + c * x
            guard root > 0 else { continue }
            let v = root * root * root
            if naturalLog(positiveUnit()) < 0.5 * x * x + d - d * v + d * naturalLog(v) { return d * v }
        }
    }
}
