/// Random numbers that are functions of what they are for, not of what was drawn before: whoever asks, wherever and whenever, gets the same.
public struct HashedDraws: Sendable, Equatable {
    private let key: UInt64

    /// - Parameters:
    ///   - seed: the run's seed.
    ///   - stream: what the numbers are for (`RandomPurpose`).
    public init(seed: UInt64, stream: UInt64) {
        var state = SplitMix(state: seed ^ (stream &* 0xd1b5_4a32_d192_ed03))
        key = state.next()
    }

    /// 64 random bits for an item and a step of its life.
    public func bits(_ item: Int64, _ step: Int64 = 0) -> UInt64 {
        // Two rounds of SplitMix64's finalizer, so that neither neighbouring items nor neighbouring steps are alike.
        var first = SplitMix(state: key ^ UInt64(bitPattern: item) &* 0x9fb2_1c65_1e98_df25)
        var second = SplitMix(state: first.next() ^ UInt64(bitPattern: step) &* 0xc2b2_ae3d_27d4_eb4f)
        return second.next()
    }

    /// A number in [0, 1) with 53 random bits, for an item and a step of its life.
    public func unit(_ item: Int64, _ step: Int64 = 0) -> Double { Double(bits(item, step) >> 11) * 0x1p-53 }
}
