/// Divides the tokens of every expert in equal parts over its replicas.
public final class EvenShares: Sendable, Equatable {
    fileprivate let slots: Int
    /// Experts with two slots, and those with more, as `Division` has them.
    fileprivate let pairs: [Int32]
    fileprivate let others: [Int32]

    /// - Parameter replicas: the slots of each expert.
    init(_ replicas: [ArraySlice<Int32>], slots: Int) {
        self.slots = slots
        var (pairs, others): ([Int32], [Int32]) = ([], [])
        for (expert, replicas) in replicas.enumerated() {
            if replicas.count == 2 {
                pairs += expert & 1 == 0 ? Array(replicas) : replicas.reversed()
            } else if replicas.count > 2 {
                others += [Int32(replicas.count), Int32(expert % replicas.count), Division.inverse(of: replicas.count)] + replicas
            }
        }
        self.pairs = pairs
        self.others = others
    }

    public static func == (one: EvenShares, other: EvenShares) -> Bool {
        one === other || (one.slots == other.slots && one.pairs == other.pairs && one.others == other.others)
    }

    /// Divides tokens evenly: each slot's number is that of all tokens of its expert before, and its part of them after.
    ///
    /// Of the tokens left over, all with the same remainder, replicas get one each, beginning at one that differs from expert to expert, so that they
    /// do not pile up on low ranks. Cost O(replicas of experts with several).
    public func divide(_ tokens: UnsafeMutableBufferPointer<Int32>) {
        guard tokens.count >= slots, let tokens = tokens.baseAddress else { return }
        pairs.withUnsafeBufferPointer { Division.halve(tokens, $0) }
        others.withUnsafeBufferPointer { Division.share(tokens, $0) }
    }
}

/// The even shares of all layers, for numbers of a byte.
///
/// In one piece, and in as few bytes as they need: ranks go through it once an iteration, and by then it has left the caches.
public final class LayerShares: Sendable {
    private let slots: Int
    /// By layer, where its experts with two slots begin, and those with more; and where the last layer ends.
    private let starts: [Int]
    private let list: [UInt16]

    /// `nil` where slots are more than such numbers hold.
    public init?(_ layers: [EvenShares]) {
        slots = layers.first?.slots ?? 0
        guard layers.allSatisfy({ [slots] in $0.slots == slots }), slots < 1 << 16 else { return nil }
        var (starts, list): ([Int], [UInt16]) = ([], [])
        for layer in layers {
            for numbers in [layer.pairs, layer.others] {
                starts.append(list.count)
                list += numbers.map { UInt16($0) }
            }
        }
        self.starts = starts + [list.count]
        self.list = list
    }

    /// Divides the numbers of some layers, of which each has several rows: `count` of them side by side, as those of the next layer are.
    public func divide(_ layers: Range<Int>, of rows: UnsafeMutableRawBufferPointer, count: Int) {
        let rowBytes = rows.count / max(1, layers.count * count)
        guard rowBytes >= slots, layers.lowerBound >= 0, 2 * layers.upperBound < starts.count, var row = rows.baseAddress else { return }
        list.withUnsafeBufferPointer { list in
            for layer in layers {
                let pairs = UnsafeBufferPointer(rebasing: list[starts[2 * layer]..<starts[2 * layer + 1]])
                let others = UnsafeBufferPointer(rebasing: list[starts[2 * layer + 1]..<starts[2 * layer + 2]])
                for _ in 0..<count {
                    let tokens = row.assumingMemoryBound(to: UInt8.self)
                    Division.halve(tokens, pairs)
                    Division.share(tokens, others)
                    row += rowBytes
                }
            }
        }
    }
}

/// How tokens are divided, in numbers of any width.
private enum Division {
    /// - Parameter pairs: experts with two slots: the slot that gets the odd token of an odd number, and the other one.
    @inline(__always)
    static func halve<Number: FixedWidthInteger, Slot: FixedWidthInteger>(
        _ tokens: UnsafeMutablePointer<Number>, _ pairs: UnsafeBufferPointer<Slot>
    ) {
        for pair in 0..<pairs.count / 2 {
            let (odd, even) = (Int(pairs[2 * pair]), Int(pairs[2 * pair + 1]))
            let all = tokens[odd]
            let half = all >> 1
            tokens[even] = half
            tokens[odd] = all &- half
        }
    }

    /// - Parameter others: experts with more slots: how many, which of them has the first turn at what is left over, their `inverse`, and the slots.
    @inline(__always)
    static func share<Number: FixedWidthInteger, Slot: FixedWidthInteger>(
        _ tokens: UnsafeMutablePointer<Number>, _ others: UnsafeBufferPointer<Slot>
    ) {
        var place = 0
        while place < others.count {
            let (replicas, first) = (Int(others[place]), place &+ 3)
            let all = Int(tokens[Int(others[first])])
            let each = Number.bitWidth == 8 ? (all &* Int(others[place &+ 2])) >> 16 : all / replicas
            let left = all &- each &* replicas
            var turn = Int(others[place &+ 1])
            for slot in first..<first &+ replicas {
                tokens[Int(others[slot])] = Number(truncatingIfNeeded: each &+ (turn < left ? 1 : 0))
                turn = turn &+ 1 == replicas ? 0 : turn &+ 1
            }
            place = first &+ replicas
        }
    }

    /// What a number of a byte is multiplied by, and cut by 16 bits, to divide it by `replicas`. Exact: what it is too large by adds less than 1/256, and up to
    /// 256 replicas a fraction is at least as far below one; with more of them the quotient is 0, and 255/257 and so much is below one.
    static func inverse(of replicas: Int) -> Int32 { Int32(((1 << 16) + replicas - 1) / replicas) }
}

/// Tokens of every expert in equal parts over its replicas, as `EvenShares` has it. Cost O(slots).
struct EvenSplit {
    static func split(_ counts: [Int32], _ placement: ExpertPlacement, into tokensPerSlot: inout [Int32]) {
        // A full placement leaves no slot as it was.
        if !placement.isFull || tokensPerSlot.count != placement.slots.count { tokensPerSlot.reset(count: placement.slots.count) }
        let isWhole = placement.isFull && counts.count == placement.experts
        // Pointers: this runs for every rank, layer and batch.
        counts.withUnsafeBufferPointer { counts in
            tokensPerSlot.withUnsafeMutableBufferPointer { tokens in
                placement.slots.withUnsafeBufferPointer { slots in
                    if isWhole {
                        for slot in 0..<slots.count { tokens[slot] = counts[Int(slots[slot])] }
                        return
                    }
                    for slot in slots.indices {
                        let expert = Int(slots[slot])
                        tokens[slot] = expert >= 0 && expert < counts.count ? counts[expert] : 0
                    }
                }
                placement.evenShares.divide(tokens)
            }
        }
    }
}
