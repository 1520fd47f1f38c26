/// What experts are placed on: the ranks of one expert-parallel pool, and the places for weights on each.
public struct ExpertFleet: Sendable, Equatable {
    /// Routed experts of a layer.
    public var experts: Int
    /// Ranks, and hosts that they are spread over in equal blocks: rank r is on host r / (ranks / hosts).
    public var ranks: Int
    public var hosts: Int
    /// Experts whose weights fit on a rank, for each layer.
    public var slotsPerRank: Int
    /// Groups of the model's gate (DeepSeek-V3: 8), in equal blocks of experts; 1 when it has none.
    public var groups: Int

    public init(experts: Int, ranks: Int, hosts: Int = 1, slotsPerRank: Int, groups: Int = 1) {
        self.experts = experts
        self.ranks = ranks
        self.hosts = hosts
        self.slotsPerRank = slotsPerRank
        self.groups = groups
    }

    /// Places for weights on all ranks together.
    public var slots: Int { ranks * slotsPerRank }

    /// Why no policy can place these experts; `nil` when one can. Says what was found and what was expected.
    public var obstacle: String? {
        if experts < 1 || ranks < 1 || slotsPerRank < 1 || hosts < 1 || groups < 1 {
            return
                "found \(experts) experts, \(ranks) ranks, \(hosts) hosts, \(slotsPerRank) slots a rank and \(groups) groups, expected 1 of each or more"
        }
        if ranks > Int(Int32.max) / slotsPerRank || experts > Int(Int32.max) { return "found more slots or experts than a 32-bit number counts" }
        if slots < experts {
            return
                "found \(experts) experts for \(ranks) ranks of \(slotsPerRank) slots, expected at least \((experts + ranks - 1) / ranks) slots a rank"
        }
        if !ranks.isMultiple(of: hosts) { return "found \(ranks) ranks on \(hosts) hosts, expected the same number on each" }
        if !experts.isMultiple(of: groups) { return "found \(experts) experts in \(groups) groups, expected the same number in each" }
        return nil
    }
}

/// Where the replicas of one layer's experts live.
public struct ExpertPlacement: Sendable, Equatable {
    /// The expert in each slot, -1 in an empty one; slot s is on rank s / `slotsPerRank`.
    public let slots: [Int32]
    public let slotsPerRank: Int
    /// Where each expert's slots begin in `slotsByExpert`, and at the end where the last one's end.
    private let starts: [Int32]
    private let slotsByExpert: [Int32]
    /// Experts with two slots: the slot that gets the odd token of an odd number, and the other one.
    private let pairs: [Int32]
    /// Experts with more: how many slots, which of them has the first turn at what is left over, and the slots.
    private let others: [Int32]
    /// Whether every slot holds an expert.
    let isFull: Bool

    /// - Parameters:
    ///   - slots: the expert in each slot, -1 in an empty one.
    ///   - experts: how many experts there are; slots that name another count as empty.
    public init(slots: [Int32], slotsPerRank: Int, experts: Int) {
        self.slots = slots
        self.slotsPerRank = max(1, slotsPerRank)
        var starts = [Int32](repeating: 0, count: experts + 1)
        for expert in slots where expert >= 0 && expert < experts { starts[Int(expert) + 1] += 1 }
        for expert in 0..<experts { starts[expert + 1] += starts[expert] }
        var next = starts
        var slotsByExpert = [Int32](repeating: 0, count: Int(starts[experts]))
        for (slot, expert) in slots.enumerated() where expert >= 0 && expert < experts {
            slotsByExpert[Int(next[Int(expert)])] = Int32(slot)
            next[Int(expert)] += 1
        }
        self.starts = starts
        self.slotsByExpert = slotsByExpert
        isFull = slotsByExpert.count == slots.count
        var (pairs, others): ([Int32], [Int32]) = ([], [])
        for expert in 0..<experts {
            let replicas = slotsByExpert[Int(starts[expert])..<Int(starts[expert + 1])]
            if replicas.count == 2 {
                pairs += expert & 1 == 0 ? Array(replicas) : replicas.reversed()
            } else if replicas.count > 2 {
                others += [Int32(replicas.count), Int32(expert % replicas.count)] + replicas
            }
        }
        self.pairs = pairs
        self.others = others
    }

    /// How many experts there are, with a slot or without.
    public var experts: Int { starts.count - 1 }
    /// How many ranks the slots are on.
    public var ranks: Int { slots.count / slotsPerRank }

    /// The slots that hold an expert, in ascending order.
    @inline(__always)
    public func replicas(of expert: Int) -> ArraySlice<Int32> { slotsByExpert[Int(starts[expert])..<Int(starts[expert + 1])] }

    /// The rank that a slot is on.
    @inline(__always)
    public func rank(ofSlot slot: Int32) -> Int { Int(slot) / slotsPerRank }

    /// Divides tokens evenly: each slot's number is that of all tokens of its expert before, and its part of them after.
    ///
    /// Of the tokens left over, all with the same remainder, replicas get one each, beginning at one that differs from expert to expert, so that they
    /// do not pile up on low ranks. Cost O(replicas of experts with several).
    public func shareEvenly(_ tokens: UnsafeMutableBufferPointer<Int32>) { share(tokens) }

    /// The same in bytes.
    public func shareEvenly(_ tokens: UnsafeMutableBufferPointer<UInt8>) { share(tokens) }

    @inline(__always)
    private func share<Number: FixedWidthInteger>(_ tokens: UnsafeMutableBufferPointer<Number>) {
        guard tokens.count >= slots.count else { return }
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

    /// Tokens on each rank, given the tokens in each slot.
    public func tokensPerRank(_ tokensPerSlot: [Int32]) -> [Int64] {
        var sums = [Int64](repeating: 0, count: ranks)
        for slot in slots.indices { sums[slot / slotsPerRank] += Int64(tokensPerSlot[slot]) }
        return sums
    }

    /// Experts whose weights a rank must fetch to go from `old` to this placement, in the order of ranks and slots: an expert
    /// that the rank held already stays. The source is the first rank of the old placement that held it.
    public func fetches(from old: ExpertPlacement) -> [ExpertFetch] {
        var fetches: [ExpertFetch] = []
        for rank in 0..<ranks {
            let range = rank * slotsPerRank..<(rank + 1) * slotsPerRank
            let held = old.slots[old.slots.indices.clamped(to: rank * old.slotsPerRank..<(rank + 1) * old.slotsPerRank)]
            for slot in range where slots[slot] >= 0 && !held.contains(slots[slot]) && !slots[range.lowerBound..<slot].contains(slots[slot]) {
                guard Int(slots[slot]) < old.experts, let source = old.replicas(of: Int(slots[slot])).first else { continue }
                fetches.append(ExpertFetch(expert: slots[slot], rank: rank, source: old.rank(ofSlot: source)))
            }
        }
        return fetches
    }
}

/// An expert's weights that must move for a new placement.
public struct ExpertFetch: Sendable, Equatable {
    public var expert: Int32
    /// The rank that needs them, and the one that has them.
    public var rank: Int
    public var source: Int

    public init(expert: Int32, rank: Int, source: Int) {
        self.expert = expert
        self.rank = rank
        self.source = source
    }
}
