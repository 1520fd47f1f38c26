import Quantities

/// Random numbers of one purpose, keyed by what they are for (SplitMix64, Steele, Lea and Flood 2014).
///
/// A key gives the same numbers wherever and whenever it is asked for: that is what makes the gate independent of the layout of processes.
struct GateRandom {
    private var state: UInt64

    /// Numbers for `purpose` and up to three coordinates of it.
    @inline(__always)
    init(seed: UInt64, _ purpose: Purpose, _ a: UInt64 = 0, _ b: UInt64 = 0, _ c: UInt64 = 0) {
        var word = Self.mix(seed ^ (purpose.rawValue &* 0xd1b5_4a32_d192_ed03))
        word = Self.mix(word &+ 0x9e37_79b9_7f4a_7c15 &+ a)
        word = Self.mix(word &+ 0x9e37_79b9_7f4a_7c15 &+ b)
        state = Self.mix(word &+ 0x9e37_79b9_7f4a_7c15 &+ c)
    }

    /// What the gate draws numbers for.
    enum Purpose: UInt64 {
        case sharedScore = 1
        case layerScore, phase, tie, spectrum, batch, route, remainder, pooledOrder, pooledNoise, pooledRow
    }

    /// 64 random bits for `purpose` and two coordinates of it.
    @inline(__always)
    static func word(seed: UInt64, _ purpose: Purpose, _ a: UInt64, _ b: UInt64) -> UInt64 {
        mix(mix(seed &+ (purpose.rawValue &* 0xd1b5_4a32_d192_ed03) &+ a &* 0x9e37_79b9_7f4a_7c15) &+ b)
    }

    @inline(__always)
    private static func mix(_ word: UInt64) -> UInt64 {
        var word = word
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }

    @inline(__always)
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return Self.mix(state)
    }

    /// A number in (0, 1) with 52 random bits.
    @inline(__always)
    mutating func unit() -> Double { (Double(next() >> 12) + 0.5) * 0x1p-52 }

    /// A whole number in 0 ..< `bound`; the bias is below `bound / 2^64`.
    @inline(__always)
    mutating func below(_ bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }

    /// A generator for the variates of `Quantities`.
    mutating func stream() -> RandomStream { RandomStream(seed: next(), stream: 0) }
}

/// The quantile function of the standard normal distribution (Acklam's rational approximation, relative error below 1.2e-9).
///
/// - Parameter share: above 0 and below 1.
func normalQuantile(_ share: Double) -> Double {
    func ratio(_ x: Double, _ numerator: [Double], _ denominator: [Double]) -> Double {
        numerator.reduce(0) { $0 * x + $1 } / denominator.reduce(0) { $0 * x + $1 }
    }
    let tail = 0.02425
    let tailNumerator = [
        -7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00, -2.549732539343734e+00, 4.374664141464968e+00,
        2.938163982698783e+00,
    ]
    let tailDenominator = [7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00, 3.754408661907416e+00, 1]
    if share < tail { return ratio((-2 * naturalLog(share)).squareRoot(), tailNumerator, tailDenominator) }
    if share > 1 - tail { return -normalQuantile(1 - share) }
    let centre = share - 0.5
    let numerator = [
        -3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02, 1.383577518672690e+02, -3.066479806614716e+01,
        2.506628277459239e+00,
    ]
    let denominator = [
        -5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02, 6.680131188771972e+01, -1.328068155288572e+01, 1,
    ]
    return centre * ratio(centre * centre, numerator, denominator)
}

/// Tables of variates that the gate draws very often.
struct GateTables: Sendable, Equatable {
    static let normalBits: UInt64 = 10

    /// Standard normal variates in equal steps of probability, scaled to a variance of 1: a draw is a look-up.
    let normals: [Double]
    /// Exponential variates by the ziggurat (Marsaglia and Tsang 2000): widths, and limits below which a draw is accepted.
    let width: [Double]
    let limit: [UInt64]
    private let height: [Double]

    /// Where the tail of the ziggurat begins, for 256 strips.
    private static let tail = 7.697117470131487
    private static let area = 3.949659822581572e-3

    init() {
        let count = 1 << Int(Self.normalBits)
        var quantiles = (0..<count).map { normalQuantile((Double($0) + 0.5) / Double(count)) }
        let variance = quantiles.reduce(0) { $0 + $1 * $1 } / Double(count)
        for index in quantiles.indices { quantiles[index] /= variance.squareRoot() }
        normals = quantiles

        let scale = 0x1p56
        var width = [Double](repeating: 0, count: 256)
        var limit = [UInt64](repeating: 0, count: 256)
        var height = [Double](repeating: 0, count: 256)
        var x = Self.tail
        var previous = x
        let base = Self.area / exponential(-x)
        limit[0] = UInt64(x / base * scale)
        width[0] = base / scale
        width[255] = x / scale
        height[0] = 1
        height[255] = exponential(-x)
        for strip in stride(from: 254, through: 1, by: -1) {
            x = -naturalLog(Self.area / x + exponential(-x))
            limit[strip + 1] = UInt64(x / previous * scale)
            previous = x
            height[strip] = exponential(-x)
            width[strip] = x / scale
        }
        limit[1] = 0
        self.width = width
        self.limit = limit
        self.height = height
    }

    /// The wedge and the tail of the ziggurat: one draw in ninety.
    @inline(never)
    func exponentialSlowly(_ bits: UInt64, _ strip: Int, _ random: inout GateRandom) -> Double {
        var bits = bits
        var strip = strip
        while true {
            if strip == 0 { return Self.tail - naturalLog(random.unit()) }
            let x = Double(bits) * width[strip]
            if height[strip] + random.unit() * (height[strip - 1] - height[strip]) < exponential(-x) { return x }
            let word = random.next()
            (bits, strip) = (word >> 8, Int(word & 255))
            if bits < limit[strip] { return Double(bits) * width[strip] }
        }
    }

    /// An exponential variate of mean 1.
    @inline(__always)
    func exponentialVariate(_ random: inout GateRandom) -> Double {
        let word = random.next()
        let bits = word >> 8
        let strip = Int(word & 255)
        if bits < limit[strip] { return Double(bits) * width[strip] }
        return exponentialSlowly(bits, strip, &random)
    }
}
