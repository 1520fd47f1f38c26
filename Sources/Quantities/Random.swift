/// A seeded generator of random numbers (xoshiro256**, Blackman and Vigna 2018), one for each node and purpose.
///
/// Streams are told apart by `stream`, so that a node's draws do not depend on how nodes are laid out over processes.
public struct RandomStream: Sendable, Equatable {
    private var a: UInt64
    private var b: UInt64
    private var c: UInt64
    private var d: UInt64

    /// How many numbers were drawn so far: the first thing to compare when two runs differ.
    public private(set) var draws: UInt64 = 0

    /// - Parameters:
    ///   - seed: the run's seed.
    ///   - stream: what the numbers are for; different streams of one seed are independent.
    public init(seed: UInt64, stream: UInt64) {
        var state = SplitMix(state: seed ^ (stream &* 0xd1b5_4a32_d192_ed03))
        a = state.next()
        b = state.next()
        c = state.next()
        d = state.next()
    }

    /// The next 64 random bits.
    @inline(__always)
    public mutating func next() -> UInt64 {
        draws &+= 1
        let product = b &* 5
        let result = ((product << 7) | (product >> 57)) &* 9
        let shifted = b << 17
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = (d << 45) | (d >> 19)
        return result
    }

    /// A number in [0, 1) with 53 random bits.
    public mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// A number in (0, 1], for logarithms.
    public mutating func positiveUnit() -> Double { Double((next() >> 11) + 1) * 0x1p-53 }

    /// A whole number in 0 ..< `bound` without bias (Lemire 2019).
    /// - Precondition: `bound` is positive.
    public mutating func below(_ bound: Int) -> Int {
        precondition(bound > 0, "an empty range has no number to draw")
        let range = UInt64(bound)
        var product = next().multipliedFullWidth(by: range)
        if product.low < range {
            let threshold = (0 &- range) % range
            while product.low < threshold { product = next().multipliedFullWidth(by: range) }
        }
        return Int(product.high)
    }
}

/// Spreads a seed over 64-bit words (SplitMix64, Steele, Lea and Flood 2014).
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}

/// The streams that a run draws from, named in one place so that no two purposes share one.
public enum RandomPurpose {
    /// Arrival times and lengths of the workload.
    public static let workload: UInt64 = 1
    /// Priorities of requests.
    public static let priorities: UInt64 = 4
    /// Decisions of the controller's prefill (or only) router.
    public static let prefillRouting: UInt64 = 2
    /// Decisions of the controller's decode router.
    public static let decodeRouting: UInt64 = 3
    /// Errors of predicted output lengths.
    public static let prediction: UInt64 = 5
    /// Where the caches of preempted workers go.
    public static let preemption: UInt64 = 6
    /// Which part of its model each device of a worker holds.
    public static func mapping(of node: Int) -> UInt64 { 5_000_000 + UInt64(node) }
    /// How many workers serve.
    public static let scaling: UInt64 = 7
    /// Times of random faults at a node, by their place in the plan.
    public static func faults(of node: Int, _ number: Int) -> UInt64 { 3_000_000_000 + UInt64(number) << 32 + UInt64(node) }
    /// Which messages of a node are lost on links that lose some.
    public static func losses(of node: Int) -> UInt64 { 4_000_000 + UInt64(node) }
    /// Decisions of a rank's balancing policy.
    public static func balancing(pool: Int, rank: Int) -> UInt64 { 2_000_000_000 + UInt64(pool) << 32 + UInt64(rank) }
    /// Decisions of the worker with the given node index.
    public static func worker(_ index: Int) -> UInt64 { 1_000_000 + UInt64(index) }
}
