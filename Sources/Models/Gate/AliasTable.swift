/// Draws from a discrete distribution in constant time (Walker 1977), as slots of a packed table.
///
/// A slot holds a limit in its upper and another index in its lower 32 bits. A draw takes 32 random bits: times the number of slots, the upper half
/// of the product is the slot, and the lower half decides between the slot's own index and the other one.
enum AliasTable {
    /// Fills `slots` for positive `weights` of the given sum. Indices count from `first`.
    static func build(_ slots: UnsafeMutableBufferPointer<UInt64>, weights: UnsafeBufferPointer<Double>, sum: Double, first: Int = 0) {
        let count = weights.count
        let scale = Double(count) / sum
        @inline(__always)
        func nextLarge(after index: Int) -> Int {
            var index = index + 1
            while index < count, weights[index] * scale < 1 { index += 1 }
            return index
        }
        @inline(__always)
        func set(_ slot: Int, _ share: Double, _ other: Int) {
            let limit = share >= 1 ? 0xffff_ffff : UInt64(max(share, 0) * 0x1p32)
            slots[slot] = limit << 32 | UInt64(first + other)
        }
        var large = nextLarge(after: -1)
        guard large < count else {
            // Only rounding can bring this about: all weights are alike.
            for index in 0..<count { set(index, 1, index) }
            return
        }
        var left = weights[large] * scale
        for index in 0..<count {
            let share = weights[index] * scale
            if share >= 1 { continue }
            set(index, share, large)
            left -= 1 - share
            while left < 1 {
                let next = nextLarge(after: large)
                guard next < count else { break }
                set(large, left, next)
                left = weights[next] * scale - (1 - left)
                large = next
            }
        }
        set(large, 1, large)
        // What follows was never needed to fill another slot: rounding apart, it holds a whole share.
        var rest = nextLarge(after: large)
        while rest < count {
            set(rest, 1, rest)
            rest = nextLarge(after: rest)
        }
    }

    /// The index that 32 random bits stand for.
    @inline(__always)
    static func draw(_ slots: UnsafePointer<UInt64>, count: UInt64, first: Int, bits: UInt64) -> Int {
        let product = bits &* count
        let slot = Int(product >> 32)
        let packed = slots[slot]
        let other = Int(packed & 0xffff_ffff)
        return (product & 0xffff_ffff) < packed >> 32 ? first + slot : other
    }
}
