/// The experts of a group in the order of their scores, as far as a token needs them.
struct GroupArrivals: Sendable {
    /// How many are known, and how many of these the token took.
    var known = 0
    var taken = 0
    /// Weight of the experts that did not arrive yet.
    var left = 0.0
    /// Product of the first arrival times: the smaller, the larger the sum of scores.
    var key = 0.0
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
                                // Each in two parts: one by group and place, and one by kept group.
                                let (places, room) = (groups * topK, groups)
                                var race = GroupRace(
                                    groups: groups, size: size, topK: topK, first: layer * groups * size, stamp: stamp, random: random,
                                    weights: weights, slots: slots, marks: marks, arrivals: arrivals, times: times, arrived: arrived,
                                    nextTimes: UnsafeMutableBufferPointer(rebasing: times[places..<places + room]),
                                    kept: UnsafeMutableBufferPointer(rebasing: arrived[places..<places + room]))
                                groupWeights.withUnsafeBufferPointer { sums in
                                    for _ in 0..<tokens {
                                        race.startToken(sums: UnsafeBufferPointer(rebasing: sums[layer * groups..<(layer + 1) * groups]))
                                        race.keepGroups(kept, best: best, tables)
                                        race.pick(kept, into: counts, tables)
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
    /// By place among the groups in the order of their scores: the next arrival that was not taken, and the group.
    let nextTimes: UnsafeMutableBufferPointer<Double>
    let kept: UnsafeMutableBufferPointer<Int32>

    @inline(__always)
    mutating func startToken(sums: UnsafeBufferPointer<Double>) {
        stamp &+= 1
        for group in 0..<groups { arrivals[group] = GroupArrivals(left: sums[group]) }
    }

    /// Keeps the groups with the largest sum of their `best` best scores.
    ///
    /// No branch here or in `pick` depends on which score is the better one: half of them would be mispredicted.
    mutating func keepGroups(_ number: Int, best: Int, _ tables: GateTables) {
        // An own copy, so that it stays in registers; here and below.
        var generator = random
        for group in 0..<groups {
            var key = 1.0
            for _ in 0..<best { key *= arrive(group, &generator, tables) }
            arrivals[group].key = key
        }
        random = generator
        // A group's place is the number of groups before it; the list is long enough for all places.
        for group in 0..<groups {
            let key = arrivals[group].key
            var place = 0
            for other in 0..<group { place += arrivals[other].key <= key ? 1 : 0 }
            for other in group + 1..<max(groups, group + 1) { place += arrivals[other].key < key ? 1 : 0 }
            kept[place] = Int32(group)
        }
        for place in 0..<number { nextTimes[place] = times[Int(kept[place]) * topK] }
    }

    /// Picks the first arrivals in the groups that were kept.
    mutating func pick(_ number: Int, into counts: UnsafeMutableBufferPointer<Int32>, _ tables: GateTables) {
        var generator = random
        for picked in 1...topK {
            var place = 0
            var earliest = nextTimes[0]
            for other in 1..<max(number, 1) {
                let time = nextTimes[other]
                place = time < earliest ? other : place
                earliest = time < earliest ? time : earliest
            }
            let group = Int(kept[place])
            let taken = arrivals[group].taken
            counts[Int(arrived[group * topK + taken])] &+= 1
            arrivals[group].taken = taken + 1
            guard picked < topK else { break }
            if taken + 1 == arrivals[group].known {
                nextTimes[place] = taken + 1 < size ? arrive(group, &generator, tables) : .infinity
            } else {
                nextTimes[place] = times[group * topK + taken + 1]
            }
        }
        random = generator
    }

    /// The next arrival of a group; answers its time.
    @inline(__always)
    private func arrive(_ group: Int, _ random: inout GateRandom, _ tables: GateTables) -> Double {
        let known = arrivals[group].known
        let before = known == 0 ? 0 : times[group * topK + known - 1]
        let time = before + tables.exponentialVariate(&random) / arrivals[group].left
        let expert = drawExpert(group, &random)
        marks[expert] = stamp
        arrivals[group].left -= weights[first + expert]
        if arrivals[group].left < weights[first + expert] * 1e-6 { sumLeft(group) }
        times[group * topK + known] = time
        arrived[group * topK + known] = Int32(expert)
        arrivals[group].known = known + 1
        return time
    }

    @inline(__always)
    private func drawExpert(_ group: Int, _ random: inout GateRandom) -> Int {
        guard let table = slots.baseAddress else { return 0 }
        for _ in 0..<32 {
            let expert = AliasTable.draw(
                table + first + group * size, count: UInt64(size), first: group * size, bits: random.next() >> 32)
            if marks[expert] != stamp { return expert }
        }
        return drawLeft(group, &random)
    }

    /// Goes through the experts that did not arrive, for when few draws hit one of them.
    @inline(never)
    private func drawLeft(_ group: Int, _ random: inout GateRandom) -> Int {
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
