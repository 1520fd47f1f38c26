import Quantities
import Testing

@testable import Models

/// Numbers of tokens that reach hosts and ranks.
@Suite("Tokens that reach a host or a rank")
struct GateReachTests {
    static let plans: [GatePlan] = [
        GatePlan(), GatePlan(popularity: .zipf(exponent: 1)), GatePlan(popularity: .logNormal(sigma: 0.5), batchNoise: 0.3),
        GatePlan(popularity: .logNormal(sigma: 0.5), selection: .groups(count: 4, kept: 2)),
        GatePlan(popularity: .logNormal(sigma: 0.5), selection: .noisyTopK(noise: 1)), GatePlan(popularity: .zipf(exponent: 0.8), sampling: .exact),
        GatePlan(selection: .expertChoice),
    ]

    /// One replica of each expert, in order, over ranks and hosts in equal parts.
    private static func reach(experts: Int, ranks: Int, hosts: Int) -> ExpertReach {
        ExpertReach(
            slots: (0..<experts).map { Int32($0) }, slotsPerRank: experts / ranks, experts: experts, hosts: (0..<ranks).map { $0 / (ranks / hosts) })
    }

    private static func gate(
        _ plan: GatePlan, experts: Int, topK: Int, layers: Int = 1, seed: UInt64 = 5, places: Int? = nil, _ reach: ExpertReach?
    ) -> Gate {
        var gate = Gate(plan: plan, experts: experts, topK: topK, layers: layers, seed: seed, places: places, reached: reach?.count ?? 0)
        if let reach { for layer in 0..<layers { gate.setReach(layer: layer, reach) } }
        return gate
    }

    private static func binomial(_ n: Int, _ k: Int) -> Double { (0..<k).reduce(1) { $0 * Double(n - $1) / Double($1 + 1) } }

    @Test("leave what is drawn by expert as it is", arguments: plans)
    func sameDraws(plan: GatePlan) {
        let reach = Self.reach(experts: 32, ranks: 8, hosts: 4)
        var (plain, counting) = (Self.gate(plan, experts: 32, topK: 4, nil), Self.gate(plan, experts: 32, topK: 4, reach))
        let order = (0..<32).map { Int32(31 - $0) }
        var laid = Self.gate(plan, experts: 32, topK: 4, places: 32, reach)
        laid.arrange(layer: 0, as: order)
        for (batch, tokens) in [1, 3, 17, 64, 255, 300, 1024, 1025, 5000].enumerated() {
            for rank in 0..<2 {
                let expected = plain.counts(batch: Int64(batch), rank: rank, tokens: tokens).counts
                let found = counting.counts(batch: Int64(batch), rank: rank, tokens: tokens).counts
                #expect(Array(found[0..<32]) == expected)
                let arranged = laid.counts(batch: Int64(batch), rank: rank, tokens: tokens).counts
                #expect(Array(arranged[0..<32]) == expected.reversed())
                #expect(arranged[32...] == found[32...])
                guard tokens < 256 else { continue }
                var bytes = [UInt8](repeating: 9, count: counting.places)
                bytes.withUnsafeMutableBytes {
                    _ = counting.route(layers: 0..<1, batches: [Gate.Batch(number: Int64(batch), tokens: tokens)], rank: rank, at: 0, into: $0)
                }
                #expect(bytes.map { Int32($0) } == found)
            }
        }
    }

    @Test("are those by expert where every host has one, and all tokens where there is one host", arguments: plans)
    func ends(plan: GatePlan) {
        var apart = Self.gate(plan, experts: 32, topK: 4, Self.reach(experts: 32, ranks: 32, hosts: 32))
        var together = Self.gate(plan, experts: 32, topK: 4, Self.reach(experts: 32, ranks: 1, hosts: 1))
        for (batch, tokens) in [1, 9, 200, 700, 3000].enumerated() {
            let counts = apart.counts(batch: Int64(batch), tokens: tokens).counts
            #expect(counts[32..<64] == counts[0..<32])
            #expect(counts[64..<96] == counts[0..<32])
            #expect(together.counts(batch: Int64(batch), tokens: tokens).counts[32...] == [Int32(tokens), Int32(tokens)])
        }
    }

    @Test("are, of uniform picks, the closed form H (1 - C(E - E/H, k) / C(E, k)) a token", arguments: [(4, 256), (2, 1024), (8, 4096)])
    func closedForm(hosts: Int, tokens: Int) {
        let (experts, topK, batches, ranks) = (256, 8, 40, 32)
        var plan = GatePlan()
        plan.sampling = .exact
        var gate = Self.gate(plan, experts: experts, topK: topK, Self.reach(experts: experts, ranks: ranks, hosts: hosts))
        func chance(_ groups: Int) -> Double { 1 - Self.binomial(experts - experts / groups, topK) / Self.binomial(experts, topK) }
        var sums = (hosts: 0.0, ranks: 0.0)
        for batch in 0..<batches {
            let counts = gate.counts(batch: Int64(batch), tokens: tokens).counts
            sums.hosts += counts[experts..<experts + hosts].reduce(0) { $0 + Double($1) }
            sums.ranks += counts[(experts + hosts)...].reduce(0) { $0 + Double($1) }
        }
        let all = Double(batches * tokens)
        // Hosts of a token vary by less than one; five standard errors.
        let (byHost, byRank) = (Double(hosts) * chance(hosts), Double(ranks) * chance(ranks))
        #expect(abs(sums.hosts / all - byHost) < 5 / all.squareRoot(), "\(sums.hosts / all) \(byHost)")
        #expect(abs(sums.ranks / all - byRank) < 5 / all.squareRoot(), "\(sums.ranks / all) \(byRank)")
    }

    @Test("are of no more hosts than the gate keeps groups", arguments: [1, 2, 4])
    func groups(kept: Int) {
        let plan = GatePlan(popularity: .logNormal(sigma: 1), selection: .groups(count: 8, kept: kept))
        var gate = Self.gate(plan, experts: 64, topK: 8, Self.reach(experts: 64, ranks: 16, hosts: 8))
        for tokens in [1, 50, 900, 4096] {
            let counts = gate.counts(batch: Int64(tokens), tokens: tokens).counts
            let hosts = counts[64..<72].reduce(0) { $0 + Int($1) }
            #expect(hosts <= kept * tokens && hosts >= tokens)
            if kept == 1 { #expect(hosts == tokens) }
        }
    }

    @Test("are expected as all sets of picks say, by the products of their odds")
    func enumeration() {
        let picks = [30.0, 20, 15, 10, 60, 5, 40]
        let (ranks, topK, tokens) = ([0, 0, 1, 1, 1, 2, 2], 3, 60)
        var sums = PickSums(ranks: 3, topK: topK, tokens: tokens)
        for (expert, number) in picks.enumerated() { sums.add(number, on: ranks[expert]) }
        let odds = picks.map { number in
            let share = min(number / Double(tokens), 1 - 0x1p-20)
            return share / (1 - share)
        }
        var (all, reached) = (0.0, [0.0, 0, 0])
        for set in 0..<1 << picks.count where set.nonzeroBitCount == topK {
            let members = picks.indices.filter { set & 1 << $0 != 0 }
            let weight = members.reduce(1.0) { $0 * odds[$1] }
            all += weight
            for rank in 0..<3 where members.contains(where: { ranks[$0] == rank }) { reached[rank] += weight }
        }
        let found = sums.reached(groups: 3) { $0 }
        for rank in 0..<3 { #expect(abs(found[rank] - 60 * reached[rank] / all) < 1e-9) }
        // Two groups of ranks.
        let both = sums.reached(groups: 2) { $0 / 2 }
        #expect(abs(both[1] - found[2]) < 1e-9)
    }

    @Test(
        "are expected within 1% of what tokens do whose picks are all drawn, given the same numbers by expert",
        arguments: [
            GatePlan(), GatePlan(popularity: .zipf(exponent: 0.6)), GatePlan(popularity: .zipf(exponent: 1)),
            GatePlan(popularity: .logNormal(sigma: 0.5), batchNoise: 0.3), GatePlan(popularity: .logNormal(sigma: 1)),
        ])
    func expectation(plan: GatePlan) {
        let (experts, tokens, layers) = (256, 1024, 6)
        let reach = Self.reach(experts: experts, ranks: 32, hosts: 4)
        var plan = plan
        plan.sampling = .exact
        var gate = Self.gate(plan, experts: experts, topK: 8, layers: layers, reach)
        for layer in 0..<layers {
            var (drawn, expected) = ([Int](repeating: 0, count: reach.count), [Int](repeating: 0, count: reach.count))
            for batch in 0..<20 {
                var counts = gate.counts(layer: layer, batch: Int64(batch), tokens: tokens).counts
                for place in drawn.indices { drawn[place] += Int(counts[experts + place]) }
                counts.withUnsafeMutableBufferPointer { reach.expect($0, topK: 8, tokens: tokens) }
                for place in drawn.indices { expected[place] += Int(counts[experts + place]) }
            }
            for place in drawn.indices {
                let error = Double(expected[place]) / Double(drawn[place]) - 1
                // A number of 20,480 tokens is itself known to some standard errors.
                let noise = 4 / Double(drawn[place]).squareRoot()
                #expect(abs(error) < 0.01 + (place < reach.hosts ? 0 : noise), "layer \(layer), place \(place): \(error)")
            }
        }
    }

    @Test("where an expert has replicas on several hosts, are those of picks that take one at random, to 1%", arguments: [40, 1024, 2048])
    func replicas(tokens: Int) {
        // 64 experts on 16 ranks of 4 hosts; those of the first quarter have three more replicas, on the other hosts.
        let (experts, topK) = (64, 6)
        var slots: [Int32] = []
        for rank in 0..<16 { for place in 0..<8 { slots.append(Int32(place < 4 ? rank * 4 + place : rank % 4 * 4 + place - 4)) } }
        let hosts = (0..<16).map { $0 / 4 }
        let reach = ExpertReach(slots: slots, slotsPerRank: 8, experts: experts, hosts: hosts)
        #expect(reach.hasReplicas)
        var plan = GatePlan(popularity: .zipf(exponent: 0.5))
        plan.sampling = .exact
        var gate = Self.gate(plan, experts: experts, topK: topK, reach)
        var sums = [Double](repeating: 0, count: reach.count)
        let batches = 40_960 / tokens
        for batch in 0..<batches {
            let counts = gate.counts(batch: Int64(batch), tokens: tokens).counts
            for place in sums.indices { sums[place] += Double(counts[experts + place]) }
        }
        // Token by token, each pick to a replica by chance.
        var single = Self.gate(plan, experts: experts, topK: topK, nil)
        var random = RandomStream(seed: 3, stream: 4)
        var truth = [Double](repeating: 0, count: reach.count)
        for token in 0..<40_960 {
            let picks = single.counts(batch: Int64(token), tokens: 1).counts
            var reached = Set<Int>()
            for expert in 0..<experts where picks[expert] > 0 {
                let places = slots.indices.filter { slots[$0] == Int32(expert) }
                let rank = places[random.below(places.count)] / 8
                reached.insert(hosts[rank])
                reached.insert(4 + rank)
            }
            for place in reached { truth[place] += 1 }
        }
        let all = Double(batches * tokens)
        // With few tokens the first turn of an expert, which is the same in every batch, gives one of its ranks more than the others.
        for place in truth.indices where tokens >= 1024 {
            let (found, expected) = (sums[place] / all, truth[place] / 40_960)
            #expect(abs(found / expected - 1) < 0.01 + 4 / truth[place].squareRoot(), "\(place): \(found), \(expected)")
        }
        let found: Double = sums[0..<4].reduce(0, +) / all
        let expected: Double = truth[0..<4].reduce(0, +) / 40_960
        #expect(abs(found / expected - 1) < 0.01, "\(found) hosts, expected \(expected)")
    }

    @Test("are brought within what slots allow, and left where they are")
    func tighten() {
        // Two ranks of two slots on each of two hosts.
        let reach = ExpertReach(slots: [0, 1, 2, 3, 0, 1, 4, 5], slotsPerRank: 2, experts: 6, hosts: [0, 0, 1, 1])
        var within: [Int32] = [3, 4, 0, 2, 5, 0, 1, 1, 7, 6, 5, 2, 5, 2]
        let before = within
        within.withUnsafeMutableBufferPointer { reach.tighten($0, tokens: 10) }
        #expect(within == before)
        var out: [UInt8] = [3, 4, 0, 2, 5, 0, 1, 1, 9, 1, 8, 1, 6, 2]
        out.withUnsafeMutableBufferPointer { reach.tighten($0, tokens: 10) }
        #expect(out == [3, 4, 0, 2, 5, 0, 1, 1, 9, 5, 7, 2, 5, 2])
        var few: [Int32] = [3, 3, 3, 3, 0, 0, 0, 0, 9, 9, 9, 9, 9, 9]
        few.withUnsafeMutableBufferPointer { reach.tighten($0, tokens: 4) }
        #expect(few[8...] == [4, 0, 4, 4, 0, 0])
    }
}
