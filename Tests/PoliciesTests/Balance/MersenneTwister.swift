import Foundation

/// The generator of Python's `random.Random(seed)`, with its `gauss` and `shuffle`: figures that were computed there are compared draw by draw.
struct MersenneTwister {
    private var state: [UInt32]
    private var place = 624
    private var spare: Double?

    /// Seeds by an array of one key, as Python does for a whole number of 32 bits.
    init(seed: UInt32) {
        state = [19_650_218]
        for i in 1..<624 { state.append(1_812_433_253 &* Self.mixed(state[i - 1]) &+ UInt32(i)) }
        var i = 1
        func advance(_ state: inout [UInt32]) {
            i += 1
            if i == 624 { (state[0], i) = (state[623], 1) }
        }
        for _ in 0..<624 {
            state[i] = (state[i] ^ (Self.mixed(state[i - 1]) &* 1_664_525)) &+ seed
            advance(&state)
        }
        for _ in 0..<623 {
            state[i] = (state[i] ^ (Self.mixed(state[i - 1]) &* 1_566_083_941)) &- UInt32(i)
            advance(&state)
        }
        state[0] = 0x8000_0000
    }

    private static func mixed(_ word: UInt32) -> UInt32 { word ^ (word >> 30) }

    mutating func word() -> UInt32 {
        if place == 624 {
            for i in 0..<624 {
                let bits = (state[i] & 0x8000_0000) | (state[(i + 1) % 624] & 0x7fff_ffff)
                state[i] = state[(i + 397) % 624] ^ (bits >> 1) ^ (bits & 1 == 0 ? 0 : 0x9908_b0df)
            }
            place = 0
        }
        var word = state[place]
        place += 1
        word ^= word >> 11
        word ^= (word << 7) & 0x9d2c_5680
        word ^= (word << 15) & 0xefc6_0000
        return word ^ (word >> 18)
    }

    /// From 0 to below 1, of 53 bits.
    mutating func uniform() -> Double {
        let high = Double(word() >> 5)
        return (high * 67_108_864 + Double(word() >> 6)) / 9_007_199_254_740_992
    }

    mutating func gauss() -> Double {
        if let next = spare {
            spare = nil
            return next
        }
        let angle = 2 * Double.pi * uniform()
        let radius = (-2 * log(1 - uniform())).squareRoot()
        spare = sin(angle) * radius
        return cos(angle) * radius
    }

    mutating func shuffle(_ values: inout [Double]) {
        for i in values.indices.dropFirst().reversed() {
            let bits = UInt32(Int.bitWidth - (i + 1).leadingZeroBitCount)
            var j = Int(word() >> (32 - bits))
            while j > i { j = Int(word() >> (32 - bits)) }
            values.swapAt(i, j)
        }
    }
}
