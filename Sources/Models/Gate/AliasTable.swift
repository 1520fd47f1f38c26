/// Draws from a discrete distribution in constant time (Walker 1977), as slots of a packed table.
///
/// A slot holds a limit in its upper and another index in its lower 32 bits. A draw takes 32 random bits: times the number of slots, the upper half
/// of the product is the slot, and the lower half decides between the slot's own index and the other one.
enum AliasTable {
    /// A slot's whole width.
    private static let whole: Int64 = 1 << 32

    /// Room for the work of building a table.
    struct Scratch: Sendable {
        var shares: [Int64]
        var order: [Int32]

        init(count: Int) {
            shares = [Int64](repeating: 0, count: count)
            order = [Int32](repeating: 0, count: count)
        }
    }

    /// Fills `slots` for positive `weights` of the given sum. Indices count from `first`.
    ///
    /// Without branches on the weights, which no processor could predict.
    static func build(
        _ slots: UnsafeMutableBufferPointer<UInt64>, weights: UnsafeBufferPointer<Double>, sum: Double, first: Int, scratch: inout Scratch
    ) {
        let count = weights.count
        scratch.shares.withUnsafeMutableBufferPointer { shares in
            scratch.order.withUnsafeMutableBufferPointer { order in
                let small = partition(weights, scale: Double(count) / sum * 0x1p32, shares, order)
                fill(slots, shares, order, small: small, count: count, first: UInt64(first))
            }
        }
    }

    /// Sets the shares in units of 2^-32 slots, and the order: slots that are too narrow from the front, the others from the back.
    @inline(__always)
    private static func partition(
        _ weights: UnsafeBufferPointer<Double>, scale: Double, _ shares: UnsafeMutableBufferPointer<Int64>,
        _ order: UnsafeMutableBufferPointer<Int32>
    ) -> Int {
        var small = 0
        for index in 0..<weights.count {
            let share = Int64(weights[index] * scale)
            shares[index] = share
            order[small] = Int32(truncatingIfNeeded: index)
            order[weights.count - 1 - (index - small)] = Int32(truncatingIfNeeded: index)
            small += share < whole ? 1 : 0
        }
        return small
    }

    /// Fills each narrow slot from a wide one, which is narrow itself when it has given enough.
    @inline(__always)
    private static func fill(
        _ slots: UnsafeMutableBufferPointer<UInt64>, _ shares: UnsafeMutableBufferPointer<Int64>, _ order: UnsafeMutableBufferPointer<Int32>,
        small: Int, count: Int, first: UInt64
    ) {
        var narrow = 0
        var wide = count - 1
        if small < count {
            var giver = Int(order[wide])
            var left = shares[giver]
            // A wide slot that has become narrow needs the next wide one, even when no other narrow one is left.
            while left < whole ? wide > small : narrow < small {
                let gives = left >= whole
                let taker = Int(order[narrow])
                let next = Int(order[wide - 1 + (gives ? 1 : 0)])
                let slot = gives ? taker : giver
                let share = gives ? shares[taker] : left
                giver = gives ? giver : next
                slots[slot] = UInt64(bitPattern: max(share, 0)) << 32 | (first + UInt64(giver))
                left = (gives ? left : shares[next]) - (whole - share)
                narrow += gives ? 1 : 0
                wide -= gives ? 0 : 1
            }
        }
        // What remains holds a whole share but for rounding.
        for place in narrow..<small { setWhole(slots, Int(order[place]), first) }
        for place in small..<max(wide + 1, small) { setWhole(slots, Int(order[place]), first) }
    }

    @inline(__always)
    private static func setWhole(_ slots: UnsafeMutableBufferPointer<UInt64>, _ slot: Int, _ first: UInt64) {
        slots[slot] = 0xffff_ffff << 32 | (first + UInt64(slot))
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
