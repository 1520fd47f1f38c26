/// Divides the tokens of every expert in equal parts over its replicas.
public final class EvenShares: Sendable, Equatable {
    fileprivate let slots: Int
    /// Experts with two slots: the slot that gets the odd token of an odd number, and the other one.
    fileprivate let pairs: [Int32]
    /// Experts with more: how many slots, which of them has the first turn at what is left over, and the slots.
    fileprivate let others: [Int32]

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
    public func divide(_ tokens: UnsafeMutableBufferPointer<Int32>) {
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
                    tokens[Int(slot)] = Int32(truncatingIfNeeded: each + (turn < left ? 1 : 0))
                    turn = turn + 1 == replicas ? 0 : turn + 1
                }
                place += 2 + replicas
            }
        }
    }
}

/// The even shares of all layers, for numbers of a byte.
///
/// In one piece, and in as few bytes as they need: ranks go through it once an iteration, and by then it has left the caches.
public final class LayerShares: Sendable {
    private let slots: Int
    /// By layer, where its experts with two slots begin, and those with more; and where the last layer ends.
    private let starts: [Int]
    /// As `EvenShares` has them, with what to multiply by to divide by the number of slots after the first turn.
    private let list: [UInt16]

    /// `nil` where slots, or those of one expert, are more than such numbers hold.
    public init?(_ layers: [EvenShares]) {
        slots = layers.first?.slots ?? 0
        guard layers.allSatisfy({ [slots] in $0.slots == slots }), slots <= 1 << 16 else { return nil }
        var (starts, list): ([Int], [UInt16]) = ([], [])
        for layer in layers {
            starts.append(list.count)
            list += layer.pairs.map { UInt16($0) }
            starts.append(list.count)
            var place = 0
            while place < layer.others.count {
                let replicas = Int(layer.others[place])
                guard replicas < 256 else { return nil }
                list += [UInt16(replicas), UInt16(layer.others[place + 1]), UInt16(((1 << 16) + replicas - 1) / replicas)]
                list += layer.others[place + 2..<place + 2 + replicas].map { UInt16($0) }
                place += 2 + replicas
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
            guard let list = list.baseAddress else { return }
            for layer in layers {
                let (pairs, others, end) = (starts[2 * layer], starts[2 * layer + 1], starts[2 * layer + 2])
                for _ in 0..<count {
                    let tokens = row.assumingMemoryBound(to: UInt8.self)
                    Self.halve(tokens, list + pairs, (others - pairs) / 2)
                    Self.share(tokens, list + others, end - others)
                    row += rowBytes
                }
            }
        }
    }

    @inline(__always)
    private static func halve(_ tokens: UnsafeMutablePointer<UInt8>, _ pairs: UnsafePointer<UInt16>, _ count: Int) {
        for pair in 0..<count {
            let (odd, even) = (Int(pairs[2 * pair]), Int(pairs[2 * pair + 1]))
            let all = tokens[odd]
            let half = all >> 1
            tokens[even] = half
            tokens[odd] = all &- half
        }
    }

    @inline(__always)
    private static func share(_ tokens: UnsafeMutablePointer<UInt8>, _ others: UnsafePointer<UInt16>, _ count: Int) {
        var place = 0
        while place < count {
            let (replicas, first) = (Int(others[place]), place + 3)
            let all = Int(tokens[Int(others[first])])
            // Exact for numbers and divisors of a byte: what the inverse is too large by stays below one over the divisor.
            let each = (all &* Int(others[place + 2])) >> 16
            let left = all &- each &* replicas
            var turn = Int(others[place + 1])
            for slot in first..<first &+ replicas {
                tokens[Int(others[slot])] = UInt8(truncatingIfNeeded: each &+ (turn < left ? 1 : 0))
                turn = turn &+ 1 == replicas ? 0 : turn &+ 1
            }
            place = first &+ replicas
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
