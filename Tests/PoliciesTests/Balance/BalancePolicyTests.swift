import Policies
import Quantities
import Testing

/// A fleet that every policy can serve: two cubes, copies for all.
private let fleet = ExpertFleet(experts: 64, ranks: 16, hosts: 2, slotsPerRank: 6, groups: 4)

private func make(_ name: String, seed: UInt64 = 1, on fleet: ExpertFleet = fleet, _ parameters: [String: Double] = [:]) -> any BalancePolicy {
    guard
        let policy = BalanceRegistry.make(
            PolicyChoice(name, parameters: parameters), fleet: fleet, random: RandomStream(seed: seed, stream: 9))
    else { preconditionFailure("the registry has no \(name)") }
    return policy
}

private let names = BalanceRegistry.descriptions.map(\.name)

/// Batches of every kind: empty, thin, full, all on one expert.
private func batches(_ experts: Int) -> [[Int32]] {
    var random = RandomStream(seed: 8, stream: 0)
    var batches: [[Int32]] = [[Int32](repeating: 0, count: experts)]
    for scale in [1.0, 5, 300, 100_000] { batches.append((0..<experts).map { _ in Int32(random.exponentialVariate() * scale) }) }
    for _ in 0..<10 { batches.append((0..<experts).map { _ in Int32(random.below(4) == 0 ? random.below(200) : 0) }) }
    batches.append((0..<experts).map { $0 == 17 ? 1_000_001 : 0 })
    return batches
}

@Test("every policy gives every expert a slot, and every token a replica of its expert", arguments: names)
func placementAndConservation(name: String) {
    var random = RandomStream(seed: 3, stream: 0)
    var policy = make(name)
    for layer in 0..<4 {
        let loads = (0..<fleet.experts).map { _ in layer == 0 ? 0 : exponential(random.normalVariate()) }
        let placement = policy.place(layer: layer, loads: loads)
        #expect(placement.slots.count == fleet.slots)
        #expect((0..<fleet.experts).allSatisfy { !placement.replicas(of: $0).isEmpty })
        #expect(placement.slots.allSatisfy { $0 >= -1 && $0 < fleet.experts })
        var tokens: [Int32] = [7, 7, 7]
        for counts in batches(fleet.experts) {
            policy.split(layer: layer, counts: counts, placement: placement, into: &tokens)
            #expect(tokens.count == fleet.slots)
            #expect(tokens.allSatisfy { $0 >= 0 })
            var sums = [Int64](repeating: 0, count: fleet.experts)
            for (slot, expert) in placement.slots.enumerated() {
                if expert >= 0 { sums[Int(expert)] += Int64(tokens[slot]) } else { #expect(tokens[slot] == 0) }
            }
            #expect(sums == counts.map(Int64.init))
        }
    }
}

@Test("every policy decides the same when made and called in the same way", arguments: names)
func deterministic(name: String) {
    func run() -> [[Int32]] {
        var policy = make(name)
        var seen: [[Int32]] = []
        for layer in 0..<3 {
            let placement = policy.place(layer: layer, loads: (0..<fleet.experts).map { Double(($0 * 37 + layer) % 11) })
            seen.append(placement.slots)
            for counts in batches(fleet.experts) {
                var tokens: [Int32] = []
                policy.split(layer: layer, counts: counts, placement: placement, into: &tokens)
                seen.append(tokens)
            }
        }
        return seen
    }
    #expect(run() == run())
}

@Test("a fleet that no policy can serve, and one that this policy cannot, are told apart and named")
func obstacles() {
    let tight = ExpertFleet(experts: 64, ranks: 16, slotsPerRank: 3)
    #expect(tight.obstacle == "found 64 experts for 16 ranks of 3 slots, expected at least 4 slots a rank")
    #expect(BalanceRegistry.make(PolicyChoice("eplb"), fleet: tight, random: RandomStream(seed: 1, stream: 1)) == nil)
    #expect(ExpertFleet(experts: 64, ranks: 16, hosts: 3, slotsPerRank: 4).obstacle != nil)
    #expect(ExpertFleet(experts: 64, ranks: 16, slotsPerRank: 4, groups: 5).obstacle != nil)
    #expect(ExpertFleet(experts: 64, ranks: 0, slotsPerRank: 4).obstacle != nil)
    let exact = ExpertFleet(experts: 64, ranks: 16, slotsPerRank: 4)
    #expect(BalanceRegistry.obstacle(PolicyChoice("eplb"), to: exact) == nil)
    #expect(
        BalanceRegistry.obstacle(PolicyChoice("lplb"), to: exact)
            == "found 4 slots a rank, expected at least 6: 4 experts and 2 copies")
    let odd = ExpertFleet(experts: 60, ranks: 12, slotsPerRank: 7)
    #expect(BalanceRegistry.obstacle(PolicyChoice("lplb"), to: odd) == "found 12 ranks, expected a multiple of the graph's 8")
    #expect(BalanceRegistry.obstacle(PolicyChoice("lplb", parameters: ["graph": 2]), to: exact) != nil)
    #expect(BalanceRegistry.obstacle(PolicyChoice("lplb", parameters: ["graph": 3, "ring": 3]), to: exact) != nil)
    #expect(BalanceRegistry.obstacle(PolicyChoice("best"), to: exact) != nil)
}

@Test("blocks of experts that do not divide over ranks differ by one")
func contiguousBlocks() {
    var policy = make("contiguous", on: ExpertFleet(experts: 10, ranks: 4, slotsPerRank: 3))
    #expect(policy.place(layer: 0, loads: []).slots == [0, 1, 2, 3, 4, -1, 5, 6, 7, 8, 9, -1])
}

@Test("an even split differs by one token at most, and what is left over does not pile up on low slots")
func evenSplit() {
    let fleet = ExpertFleet(experts: 8, ranks: 8, slotsPerRank: 2)
    var policy = make("eplb", on: fleet)
    let placement = policy.place(layer: 0, loads: [Double](repeating: 1, count: 8))
    var tokens: [Int32] = []
    policy.split(layer: 0, counts: [5, 5, 5, 5, 5, 5, 5, 5], placement: placement, into: &tokens)
    var firsts = 0
    for expert in 0..<8 {
        let shares = placement.replicas(of: expert).map { tokens[Int($0)] }
        #expect(shares.sorted() == [2, 3])
        firsts += shares[0] == 3 ? 1 : 0
    }
    #expect(firsts == 4)
}

/// The least maximum over ranks when each activated expert goes to one of its replicas, by trying all ways.
private func leastActivated(_ experts: ArraySlice<Int>, _ placement: ExpertPlacement, _ load: [Int]) -> Int {
    guard let expert = experts.first else { return load.max() ?? 0 }
    return placement.replicas(of: expert).map { slot in
        var load = load
        load[placement.rank(ofSlot: slot)] += 1
        return leastActivated(experts.dropFirst(), placement, load)
    }.min() ?? .max
}

@Test("AEBS activates one replica an expert, and at most one expert more on the busiest rank than the optimum on small cases")
func activatedExperts() {
    var random = RandomStream(seed: 6, stream: 0)
    var optimal = 0
    for trial in 0..<200 {
        let fleet = ExpertFleet(experts: 8, ranks: 4, slotsPerRank: 3)
        var policy = make("aebs", on: fleet)
        let placement = policy.place(layer: 0, loads: (0..<8).map { _ in random.exponentialVariate() })
        let counts = (0..<8).map { _ in Int32(random.below(3) * random.below(9)) }
        var tokens: [Int32] = []
        policy.split(layer: trial, counts: counts, placement: placement, into: &tokens)
        var load = [Int](repeating: 0, count: 4)
        for slot in tokens.indices where tokens[slot] > 0 {
            load[placement.rank(ofSlot: Int32(slot))] += 1
            #expect(tokens[slot] == counts[Int(placement.slots[slot])])
        }
        let activated = counts.indices.filter { counts[$0] > 0 }
        #expect(load.reduce(0, +) == activated.count)
        let least = leastActivated(activated[...], placement, [0, 0, 0, 0])
        let found = load.max() ?? 0
        #expect(found <= least + 1)
        if found == least { optimal += 1 }
    }
    #expect(optimal >= 180)
}

@Test("token balancing levels the ranks of one replicated expert exactly")
func waterFills() {
    // Expert 0 is on all four ranks, 1 to 4 on one each.
    let placement = ExpertPlacement(slots: [0, 1, 0, 2, 0, 3, 0, 4], slotsPerRank: 2, experts: 5)
    var policy = make("token-balanced", on: ExpertFleet(experts: 5, ranks: 4, slotsPerRank: 2))
    var tokens: [Int32] = []
    policy.split(layer: 0, counts: [10, 9, 2, 4, 0], placement: placement, into: &tokens)
    #expect(placement.tokensPerRank(tokens) == [9, 5, 5, 6])
    policy.split(layer: 0, counts: [2, 9, 2, 4, 0], placement: placement, into: &tokens)
    #expect(placement.tokensPerRank(tokens) == [9, 2, 4, 2])
}

@Test("random replicas share tokens like fair coins: mean and variance of a binomial")
func randomReplicas() {
    let placement = ExpertPlacement(slots: [0, 0, 1, 1, 1, 1], slotsPerRank: 1, experts: 2)
    var policy = make("random-replica", on: ExpertFleet(experts: 2, ranks: 6, slotsPerRank: 1))
    var tokens: [Int32] = []
    let trials = 4000
    var sums = [0.0, 0.0]
    var squares = [0.0, 0.0]
    for _ in 0..<trials {
        policy.split(layer: 0, counts: [100, 100], placement: placement, into: &tokens)
        for (index, slot) in [0, 2].enumerated() {
            sums[index] += Double(tokens[slot])
            squares[index] += Double(tokens[slot]) * Double(tokens[slot])
        }
    }
    for (index, share) in [0.5, 0.25].enumerated() {
        let mean = sums[index] / Double(trials)
        let variance = squares[index] / Double(trials) - mean * mean
        #expect(abs(mean - 100 * share) < 0.4)
        #expect(abs(variance / (100 * share * (1 - share)) - 1) < 0.1)
    }
}

@Test("only weights that a rank lacks are fetched, once, from a rank that had them")
func fetches() {
    let old = ExpertPlacement(slots: [0, 1, 2, 3], slotsPerRank: 2, experts: 4)
    let new = ExpertPlacement(slots: [1, 0, 2, 0], slotsPerRank: 2, experts: 4)
    #expect(new.fetches(from: old) == [ExpertFetch(expert: 0, rank: 1, source: 0)])
    #expect(old.fetches(from: old).isEmpty)
    let doubled = ExpertPlacement(slots: [3, 3, 2, 3], slotsPerRank: 2, experts: 4)
    #expect(doubled.fetches(from: old) == [ExpertFetch(expert: 3, rank: 0, source: 1)])
}
