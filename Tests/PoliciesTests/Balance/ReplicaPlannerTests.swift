import Policies
import Quantities
import Testing

private func ratio(_ loads: [Double]) -> Double { (loads.max() ?? 0) / (loads.reduce(0, +) / Double(loads.count)) }

/// Load of each rank when experts split evenly over their replicas.
private func rankLoads(_ slots: [Int32], slotsPerRank: Int, _ weights: [Double]) -> [Double] {
    var counts = [Double](repeating: 0, count: weights.count)
    for expert in slots where expert >= 0 { counts[Int(expert)] += 1 }
    return stride(from: 0, to: slots.count, by: slotsPerRank).map { start in
        slots[start..<start + slotsPerRank].reduce(0) { $0 + ($1 < 0 ? 0 : weights[Int($1)] / counts[Int($1)]) }
    }
}

@Test("EPLB places the published example slot for slot, and its ranks' loads follow")
func publishedExample() {
    let fleet = ExpertFleet(experts: 12, ranks: 8, hosts: 2, slotsPerRank: 2, groups: 4)
    let first: [Double] = [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86]
    let second: [Double] = [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27]
    let slots = ReplicaPlanner.place(first, on: fleet, withinHosts: true)
    #expect(slots == [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1])
    #expect(ReplicaPlanner.place(second, on: fleet, withinHosts: true) == [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1])
    let loads = rankLoads(slots, slotsPerRank: 2, first)
    #expect(loads == [121.5, 86.5, 125, 113, 147.5, 131.5, 156, 152])
    #expect(abs(ratio(loads) - 1.208) < 0.0005)
}

/// Ratios of the heaviest rank to the mean for 256 experts: in order on 32 ranks, packed there, with 32 more slots there, and on 144 ranks with 2 each.
private func ratios(_ weights: [Double]) -> [Double] {
    func placed(ranks: Int, slots: Int) -> Double {
        let fleet = ExpertFleet(experts: 256, ranks: ranks, slotsPerRank: slots)
        return ratio(rankLoads(ReplicaPlanner.place(weights, on: fleet, withinHosts: false), slotsPerRank: slots, weights))
    }
    let contiguous = ratio(rankLoads((0..<256).map { Int32($0) }, slotsPerRank: 8, weights))
    return [contiguous, placed(ranks: 32, slots: 8), placed(ranks: 32, slots: 9), placed(ranks: 144, slots: 2)]
}

/// The figures are of one draw each, from Python's generator with seed 0: both log-normal popularities one after the other, then all three are shuffled.
@Test("in order, packed, with replicas and on 144 ranks, experts of Zipf and log-normal popularity have the computed ratios")
func computedRatios() {
    var random = MersenneTwister(seed: 0)
    // What Python prints for `random.Random(0).random()`.
    var fresh = random
    #expect(fresh.uniform() == 0.8444218515250481)
    let zipf = (1...256).map { exponential(-0.6 * naturalLog(Double($0))) }
    let narrow = (0..<256).map { _ in exponential(0.5 * random.gauss()) }
    let wide = (0..<256).map { _ in exponential(random.gauss()) }
    let computed = [[3.03, 1.91, 1.001, 1.38], [1.57, 1.09, 1.009, 1.07], [1.89, 1.12, 1.003, 1.44]]
    for (popularity, expected) in zip([zipf, narrow, wide], computed) {
        var shuffled = popularity
        random.shuffle(&shuffled)
        let found = ratios(shuffled)
        // To the digits that are given, which is closer than 2%.
        for (found, expected) in zip(found, expected) {
            #expect(abs(found - expected) < (expected < 1.01 ? 0.000501 : 0.00501), "\(found) \(expected)")
        }
    }
}

@Test("for log-normal popularity replicas even out every draw on 32 ranks, and on 144 they do not", arguments: [0.5, 1.0])
func logNormalRatios(sigma: Double) {
    var random = RandomStream(seed: 5, stream: 0)
    for _ in 0..<20 {
        let weights = (0..<256).map { _ in exponential(sigma * random.normalVariate()) }
        let found = ratios(weights)
        #expect(found[2] < 1.02)
        // With two slots a rank, one rank has the heaviest replica and another one beside it.
        var counts = [Double](repeating: 0, count: 256)
        for expert in ReplicaPlanner.replicate(weights, replicas: 288) { counts[expert] += 1 }
        let heaviest = zip(weights, counts).map { $0 / $1 }.max() ?? 0
        let mean = weights.reduce(0, +) / 144
        #expect(found[3] >= heaviest / mean * (1 - 1e-12))
        #expect(found[3] > found[2])
    }
}

@Test("replication minimises the largest load of a replica, for every total (exhaustive search)")
func replicationIsOptimal() {
    /// The least maximum over all ways to share `replicas` out, one each at least.
    func least(_ weights: ArraySlice<Double>, _ replicas: Int) -> Double {
        guard let first = weights.first else { return 0 }
        guard weights.count > 1 else { return first / Double(replicas) }
        return (1...replicas - weights.count + 1).map { max(first / Double($0), least(weights.dropFirst(), replicas - $0)) }.min() ?? .infinity
    }
    var random = RandomStream(seed: 2, stream: 0)
    for _ in 0..<200 {
        let weights = (0..<1 + random.below(5)).map { _ in Double(random.below(40)) }
        let total = weights.count + random.below(6)
        let replicas = ReplicaPlanner.replicate(weights, replicas: total)
        #expect(replicas.count == total)
        let found = weights.indices.map { expert in weights[expert] / Double(replicas.count { $0 == expert }) }.max() ?? 0
        #expect(found == least(weights[...], total))
    }
}

@Test("packing fills every pack equally and stays within 4/3 of the optimum on small cases (exhaustive search)")
func packingIsNearOptimal() {
    func least(_ weights: ArraySlice<Double>, _ loads: [Double], _ room: [Int]) -> Double {
        guard let first = weights.first else { return loads.max() ?? 0 }
        var best = Double.infinity
        for pack in loads.indices where room[pack] > 0 {
            var (loads, room) = (loads, room)
            loads[pack] += first
            room[pack] -= 1
            best = min(best, least(weights.dropFirst(), loads, room))
        }
        return best
    }
    var random = RandomStream(seed: 3, stream: 0)
    for _ in 0..<60 {
        let packs = 2 + random.below(2)
        let size = 2 + random.below(2)
        let weights = (0..<packs * size).map { _ in Double(random.below(50)) }
        let contents = ReplicaPlanner.pack(weights, into: packs)
        #expect(contents.allSatisfy { $0.count == size })
        #expect(contents.flatMap { $0 }.sorted() == Array(weights.indices))
        let found = contents.map { $0.reduce(0) { $0 + weights[$1] } }.max() ?? 0
        #expect(found * 3 <= 4 * least(weights[...], [Double](repeating: 0, count: packs), [Int](repeating: size, count: packs)))
    }
}

@Test("groups stay within hosts where they divide over them")
func groupsStayWithinHosts() {
    var random = RandomStream(seed: 4, stream: 0)
    let fleet = ExpertFleet(experts: 64, ranks: 16, hosts: 4, slotsPerRank: 5, groups: 8)
    let loads = (0..<64).map { _ in random.exponentialVariate() }
    let slots = ReplicaPlanner.place(loads, on: fleet, withinHosts: true)
    var hosts = [Set<Int>](repeating: [], count: 8)
    for (slot, expert) in slots.enumerated() { hosts[Int(expert) / 8].insert(slot / 20) }
    #expect(hosts.allSatisfy { $0.count == 1 })
}
