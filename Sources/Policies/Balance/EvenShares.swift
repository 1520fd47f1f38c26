/// Divides the tokens of every expert in equal parts over its replicas.
///
/// One object a layer, made once: it is asked for every rank, layer and batch.
public final class EvenShares: Sendable, Equatable {
    private let slots: Int
    /// Experts with two slots: the slot that gets the odd token of an odd number, and the other one.
    private let pairs: [Int32]
    /// Experts with more: how many slots, which of them has the first turn at what is left over, and the slots.
    private let others: [Int32]

    /// - Parameter replicas: the slots of each expert.
    init(_ replicas: [ArraySlice<Int32>], slots: Int) {
        self.slots = slots
        var (pairs, others): ([Int32], [Int32]) = ([], [])
        for (expert, replicas) in replicas.enumerated() {
            if replicas.count == 2 {
                pairs += expert & 1 == 0 ? Array(replicas) : replicas.reversed()
            } else if replicas.count > 2 {
                others += [Int32(replicas.count), Int32(expert % replicas.count)] + replicas
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
    public func divide(_ tokens: UnsafeMutableBufferPointer<Int32>) { share(tokens) }

    /// The same in bytes.
    public func divide(_ tokens: UnsafeMutableBufferPointer<UInt8>) { share(tokens) }

    @inline(__always)
    private func share<Number: FixedWidthInteger>(_ tokens: UnsafeMutableBufferPointer<Number>) {
        guard tokens.count >= slots else { return }
        pairs.withUnsafeBufferPointer { pairs in
            for place in 0..<pairs.count / 2 {
                let (odd, even) = (Int(pairs[2 * place]), Int(pairs[2 * place + 1]))
                let count = tokens[odd]
                let half = count >> 1
                tokens[even] = half
                tokens[odd] = count &- half
            }
        }
        others.withUnsafeBufferPointer { others in
            var place = 0
            while place < others.count {
                let replicas = Int(others[place])
                let (each, left) = Int(tokens[Int(others[place + 2])]).quotientAndRemainder(dividingBy: replicas)
                var turn = Int(others[place + 1])
                for slot in others[place + 2..<place + 2 + replicas] {
                    tokens[Int(slot)] = Number(truncatingIfNeeded: each + (turn < left ? 1 : 0))
                    turn = turn + 1 == replicas ? 0 : turn + 1
                }
                place += 2 + replicas
            }
        }
    }
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
