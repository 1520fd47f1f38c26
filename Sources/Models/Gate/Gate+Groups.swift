/// The experts of a group in the order of their scores, as far as a token needs them.
struct GroupArrivals: Sendable {
    /// How many are known, and how many of these the token took.
    var known = 0
    var taken = 0
    /// Weight of the experts that did not arrive yet.
    var left = 0.0
    /// Product of the first arrival times: the smaller, the larger the sum of scores.
    var key = 0.0
    var isKept = false
}

/// Node-limited routing.
extension Gate {
    /// Each expert arrives after an exponential time at the rate of its weight; minus the logarithm of that time is its score. So the experts of a
    /// group arrive one after the other, which gives a group's best scores in order without a draw for each of its experts: exact in distribution.
    mutating func pickGroups(layer: Int, kept: Int, tokens: Int, random: inout GateRandom, into counts: UnsafeMutableBufferPointer<Int32>) {
        scratch.reserveMarks(tokens: tokens)
        let tables = tables
        let best = max(1, topK / kept)
        let (stamp, groups, topK, size) = (scratch.stamp, groups, topK, experts / groups)
        weights.withUnsafeBufferPointer { weights in
            slots.withUnsafeBufferPointer { slots in
                scratch.marks.withUnsafeMutableBufferPointer { marks in
                    scratch.arrivals.withUnsafeMutableBufferPointer { arrivals in
                        scratch.arrivalTimes.withUnsafeMutableBufferPointer { times in
                            scratch.arrivalExperts.withUnsafeMutableBufferPointer { arrived in
                                var race = GroupRace(
                                    groups: groups, size: size, topK: topK, first: layer * groups * size, stamp: stamp, random: random,
                                    weights: weights, slots: slots, marks: marks, arrivals: arrivals, times: times, arrived: arrived)
                                groupWeights.withUnsafeBufferPointer { sums in
                                    for _ in 0..<tokens {
                                        race.startToken(sums: UnsafeBufferPointer(rebasing: sums[layer * groups..<(layer + 1) * groups]))
                                        race.keepGroups(kept, best: best, tables)
                                        race.pick(into: counts, tables)
                                    }
                                }
                                random = race.random
                            }
                        }
                    }
                }
            }
        }
        scratch.stamp &+= UInt32(tokens)
    }
}

/// Arrivals of one token after the other; the buffers are those of the gate's scratch.
private struct GroupRace {
    let groups: Int
    let size: Int
    let topK: Int
    /// Where the layer's experts begin in weights and slots.
    let first: Int
    var stamp: UInt32
    var random: GateRandom
    let weights: UnsafeBufferPointer<Double>
    let slots: UnsafeBufferPointer<UInt64>
    let marks: UnsafeMutableBufferPointer<UInt32>
    let arrivals: UnsafeMutableBufferPointer<GroupArrivals>
    /// By group, `topK` places each.
    let times: UnsafeMutableBufferPointer<Double>
    let arrived: UnsafeMutableBufferPointer<Int32>

    @inline(__always)
    mutating func startToken(sums: UnsafeBufferPointer<Double>) {
        stamp &+= 1
        for group in 0..<groups { arrivals[group] = GroupArrivals(left: sums[group]) }
    }

    /// Keeps the groups with the largest sum of their `best` best scores.
    mutating func keepGroups(_ kept: Int, best: Int, _ tables: GateTables) {
        for group in 0..<groups {
            var key = 1.0
            for _ in 0..<best { key *= arrive(group, tables) }
            arrivals[group].key = key
        }
        for _ in 0..<kept {
            var chosen = -1
            var least = Double.infinity
            for group in 0..<groups where !arrivals[group].isKept && arrivals[group].key < least {
                chosen = group
                least = arrivals[group].key
            }
            if chosen >= 0 { arrivals[chosen].isKept = true }
        }
    }

    /// Picks the first arrivals in the groups that were kept.
    mutating func pick(into counts: UnsafeMutableBufferPointer<Int32>, _ tables: GateTables) {
        for _ in 0..<topK {
            var chosen = -1
            var earliest = Double.infinity
            for group in 0..<groups where arrivals[group].isKept && arrivals[group].taken < size {
                let taken = arrivals[group].taken
                if taken == arrivals[group].known { _ = arrive(group, tables) }
                let time = times[group * topK + taken]
                if time < earliest {
                    chosen = group
                    earliest = time
                }
            }
            guard chosen >= 0 else { return }
            counts[Int(arrived[chosen * topK + arrivals[chosen].taken])] &+= 1
            arrivals[chosen].taken += 1
        }
    }

    /// The next arrival of a group; answers its time.
    @inline(__always)
    private mutating func arrive(_ group: Int, _ tables: GateTables) -> Double {
        let known = arrivals[group].known
        let before = known == 0 ? 0 : times[group * topK + known - 1]
        let time = before + tables.exponentialVariate(&random) / arrivals[group].left
        let expert = drawExpert(group)
        marks[expert] = stamp
        arrivals[group].left -= weights[first + expert]
        if arrivals[group].left < weights[first + expert] * 1e-6 { sumLeft(group) }
        times[group * topK + known] = time
        arrived[group * topK + known] = Int32(expert)
        arrivals[group].known = known + 1
        return time
    }

    @inline(__always)
    private mutating func drawExpert(_ group: Int) -> Int {
        guard let table = slots.baseAddress else { return 0 }
        for _ in 0..<32 {
            let expert = AliasTable.draw(
                table + first + group * size, count: UInt64(size), first: group * size, bits: random.next() >> 32)
            if marks[expert] != stamp { return expert }
        }
        return drawLeft(group)
    }

    /// Goes through the experts that did not arrive, for when few draws hit one of them.
    @inline(never)
    private mutating func drawLeft(_ group: Int) -> Int {
        sumLeft(group)
        var target = random.unit() * arrivals[group].left
        var chosen = group * size
        for expert in group * size..<(group + 1) * size where marks[expert] != stamp {
            chosen = expert
            target -= weights[first + expert]
            if target < 0 { break }
        }
        return chosen
    }

    /// Sums what is left anew, where differences have lost their digits.
    @inline(never)
    private func sumLeft(_ group: Int) {
        var left = 0.0
        for expert in group * size..<(group + 1) * size where marks[expert] != stamp { left += weights[first + expert] }
        arrivals[group].left = left
    }
}
