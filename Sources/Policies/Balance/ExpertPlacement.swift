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
    /// How tokens are divided evenly.
    public let evenShares: EvenShares
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
        evenShares = EvenShares(
            (0..<experts).map { slotsByExpert[Int(starts[$0])..<Int(starts[$0 + 1])] }, slots: slots.count)
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
