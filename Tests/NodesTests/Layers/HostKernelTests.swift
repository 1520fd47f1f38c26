import Cluster
import Models
import Policies
import Quantities
import TestKit
import Testing

@testable import Nodes

/// Gangs in which a token goes once to each host.
@Suite("A token that goes once to each host")
struct HostKernelTests {
    /// What the mixtures of the runs differ in.
    struct Case: Sendable, CustomTestStringConvertible {
        var ranks = 8
        var devicesPerHost: Int
        var policy = PolicyChoice("contiguous")
        var redundant = 0
        var gate = GatePlan()
        var microBatches = 1
        var isMeasured = false
        var replan: Nanoseconds?

        var testDescription: String { "\(ranks) ranks by \(devicesPerHost), \(policy.name) +\(redundant), \(microBatches) parts" }

        func plan(_ granularity: LayerGranularity, kernel: ExchangeKernel = .perHost) -> ClusterPlan {
            var mixture = MixturePlan(gate: gate)
            mixture.kernel = kernel
            mixture.balance = BalancePlan(policy: policy, redundantExperts: redundant, replanInterval: replan)
            mixture.granularity = granularity
            mixture.microBatches = microBatches
            mixture.fabric = isMeasured ? .deepEPH100Normal : nil
            var plan = gangPlan(attention: ranks, mixture: mixture, devicesPerHost: devicesPerHost)
            plan.hosts.hostsPerRack = 2
            plan.workload.requestLimit = 10
            plan.workload.promptTokens = .uniform(from: 1, through: 400)
            plan.workload.outputTokens = .uniform(from: 1, through: 8)
            return plan
        }
    }

    static let cases: [Case] = [
        Case(devicesPerHost: 4), Case(devicesPerHost: 2, microBatches: 2), Case(devicesPerHost: 8), Case(devicesPerHost: 1),
        // Hosts of 3, 3 and 2 ranks.
        Case(devicesPerHost: 3, gate: GatePlan(popularity: .zipf(exponent: 1)), microBatches: 2),
        Case(devicesPerHost: 4, gate: GatePlan(selection: .groups(count: 4, kept: 2)), isMeasured: true),
        Case(devicesPerHost: 2, policy: PolicyChoice("eplb"), redundant: 8, microBatches: 2, isMeasured: true),
        Case(devicesPerHost: 4, policy: PolicyChoice("eplb"), redundant: 8, gate: GatePlan(popularity: .zipf(exponent: 1)), replan: 20_000_000),
        Case(devicesPerHost: 2, policy: PolicyChoice("random-replica"), redundant: 8),
        Case(devicesPerHost: 4, policy: PolicyChoice("token-balanced"), redundant: 16),
        Case(devicesPerHost: 2, gate: GatePlan(popularity: .dirichlet(alpha: 0.5), biasRate: 0.01)),
    ]

    @Test("takes the same time and makes the same records message by message, by loads of layers, and in one place", arguments: cases)
    func sameOutcome(variant: Case) {
        let first = runInProcess(variant.plan(.iteration))
        #expect(first.client.done > 0 && first.records.layers.count > 50)
        for (order, granularity) in [LayerGranularity.exact, .exact, .grouped(2), .iteration].enumerated() {
            let run = runInWindows(variant.plan(granularity), order: UInt64(order)).run
            expectSame(first, run, granularity)
        }
    }

    @Test("is one that goes once for each expert, where every host has a rank with one expert", arguments: [1, 2])
    func oneExpertEach(microBatches: Int) {
        let variant = Case(ranks: 16, devicesPerHost: 1, gate: GatePlan(popularity: .zipf(exponent: 1)), microBatches: microBatches)
        let (once, each) = (runInProcess(variant.plan(.iteration)), runInProcess(variant.plan(.iteration, kernel: .perExpert)))
        // Which of two messages was the last may differ: for each expert, what a rank keeps takes a hop inside the host.
        let difference = once.records.firstDifference(from: each.records)
        #expect(difference == nil || microBatches > 1, "\(difference ?? "")")
        let (rows, others) = (once.records.iterationRows, each.records.iterationRows)
        #expect(rows.count > 40 && rows.count == others.count)
        for (row, other) in zip(rows, others) { #expect(row.node == other.node && row.start == other.start && row.end == other.end) }
        for (mine, theirs) in zip(once.hosts, each.hosts) { #expect(mine.statistics.bytes == theirs.statistics.bytes) }
    }

    @Test("crosses the network so often, and stands for so many bytes, as the numbers of each rank say", arguments: cases)
    func conservation(variant: Case) throws {
        let shape = try #require(GangShape(variant.plan(.iteration)))
        let rails = try #require(shape.rails)
        let memory = LayerMemory()
        let units = StepUnits(shape, in: memory)
        var adder = StepAdder(shape, in: memory)
        var random = RandomStream(seed: 2, stream: 3)
        let (slots, hosts, ranks) = (shape.fleet.slots, shape.membersByHost.count, shape.attentionRanks)
        for largest in [200, 60_000, 100_000] {
            let rows = (0..<ranks).map { _ in (0..<shape.width(isGlobal: false)).map { _ in Int32(random.below(largest)) } }
            adder.begin(units)
            for (rank, row) in rows.enumerated() {
                let packed = PackedCounts(row)
                packed.bytes.withUnsafeBytes { bytes in
                    guard let base = bytes.baseAddress else { return }
                    adder.add(base, width: packed.width, of: rank, tokens: 7, to: units)
                }
            }
            _ = adder.finish(units)
            // Every message of both legs, one by one.
            var (far, near) = (
                [[Int64]](repeating: Array(repeating: 0, count: ranks), count: ranks),
                [[Int64]](repeating: Array(repeating: 0, count: ranks), count: ranks)
            )
            for rank in 0..<ranks {
                for host in 0..<hosts where host != shape.hosts[rank] {
                    let relay = rails.rails[rank][host]
                    #expect(shape.hosts[relay] == host)
                    far[rank][relay] += Int64(rows[rank][slots + host])
                }
                for expert in 0..<ranks {
                    near[rails.rails[rank][shape.hosts[expert]]][expert] += Int64(rows[rank][slots + hosts + expert])
                }
            }
            let found = units.hosts
            for rank in 0..<ranks {
                let counts: (Int) -> Bool = { $0 != rank || shape.isMeasured }
                #expect(found.out[rank] == far[rank].reduce(0, +))
                #expect(found.incoming[rank] == far.reduce(0) { $0 + $1[rank] })
                #expect(found.own[rank] + found.passed[rank] == (0..<ranks).filter(counts).reduce(0) { $0 + near[rank][$1] })
                #expect(found.taken[rank] == (0..<ranks).filter(counts).reduce(0) { $0 + near[$1][rank] })
                #expect(found.kept[rank] == (shape.isMeasured ? near[rank][rank] : 0))
            }
        }
        withExtendedLifetime(memory) {}
    }

    @Test("reaches on each host and rank what its slots allow, whatever policy splits the picks", arguments: cases)
    func bounds(variant: Case) throws {
        let shape = try #require(GangShape(variant.plan(.iteration)))
        let (slots, hosts) = (shape.fleet.slots, shape.membersByHost.count)
        var router = try #require(ExpertRouter(shape, rank: 1, seed: 4))
        var row: [Int32] = []
        for (number, tokens) in [0, 1, 5, 60, 255, 1000, 3000].enumerated() {
            for layer in 0..<shape.layers {
                let batch = ExpertRouter.Batch(layer: layer, number: Int64(number), rank: 1, tokens: Int64(tokens), start: 0)
                _ = router.route(batch, into: &row)
                if router.isGlobal {
                    let (counts, none) = (row, [Int32](repeating: 0, count: row.count))
                    var decision: [Int32] = []
                    router.split(layer: layer, counts: counts, into: &decision)
                    router.share(layer: layer, counts: counts, before: none, of: decision, tokens: Int64(tokens), into: &row)
                }
                #expect(row.count == shape.width(isGlobal: false))
                #expect(row[0..<slots].reduce(0, +) == Int32(tokens * shape.topK))
                var reachedRanks = 0
                for host in 0..<hosts {
                    var (most, all): (Int32, Int32) = (0, 0)
                    for rank in shape.membersByHost[host] {
                        let own = row[shape.slots(ofExpert: rank)]
                        let reached = row[slots + hosts + rank]
                        #expect(reached >= own.max() ?? 0 && reached <= min(own.reduce(0, +), Int32(tokens)))
                        (most, all) = (max(most, reached), all + reached)
                        reachedRanks += Int(reached)
                    }
                    #expect(row[slots + host] >= most && row[slots + host] <= min(all, Int32(tokens)))
                }
                // A token reaches one host at least.
                #expect(row[slots..<slots + hosts].reduce(0, +) >= Int32(tokens) - 1)
                #expect(reachedRanks >= tokens - 1 && reachedRanks <= tokens * shape.topK)
            }
        }
    }

    @Test(
        "is there when both legs say, where all ranks are ready at once: those to other hosts and those inside go on side by side",
        arguments: [true, false])
    func legs(isMeasured: Bool) throws {
        // Experts choose, so that each of 8 ranks on two hosts has 4 tokens for each expert.
        let variant = Case(devicesPerHost: 4, gate: GatePlan(selection: .expertChoice), isMeasured: isMeasured)
        var plan = variant.plan(.exact)
        // Slow, so that shared experts are done before.
        plan.links.intraNode.bandwidth = 2_000_000_000
        plan.links.interNode.bandwidth = 1_000_000_000
        var driver = try #require(GangDriver(plan))
        let shape = driver.shape
        var router = try #require(ExpertRouter(shape, rank: 0, seed: 1))
        var row: [Int32] = []
        _ = router.route(ExpertRouter.Batch(layer: 0, number: 0, rank: 0, tokens: 16, start: 0), into: &row)
        // Of 16 tokens with 4 of 16 picks each, those that pick one of 8 experts, and one of two: 1 - C(8, 4) / C(16, 4), 1 - C(14, 4) / C(16, 4).
        let (byHost, byRank) = (Int64((16 * (1 - 70.0 / 1820)).rounded()), Int64((16 * (1 - 1001.0 / 1820)).rounded()))
        let reached = [byHost, byHost] + [Int64](repeating: byRank, count: 8)
        #expect(row[16...].map { Int64($0) } == reached)
        _ = driver.iterate(at: 500_000, Array(repeating: [decoding(16, context: 300)], count: 8))
        let (far, near) = (shape.dispatch.sending.scaleOut, shape.dispatch.sending.scaleUp)
        let bytes = shape.dispatch.tokenBytes
        // Three mates, and the rank itself where that is in the fit.
        let mates: Int64 = isMeasured ? 4 : 3
        let own = transmissionTime(mates * byRank * bytes + 3 * shape.header, at: near.bandwidth)
        let passed = transmissionTime(mates * byRank * bytes, at: near.bandwidth)
        let taken = transmissionTime(2 * mates * byRank * bytes + 3 * shape.header, at: near.bandwidth)
        let crossing = transmissionTime(byHost * bytes + shape.header, at: far.bandwidth)
        // A measured all-to-all has the hop inside the host in its latency.
        let (head, tail) = (far.latency - (isMeasured ? near.latency : 0), far.latency + crossing - (isMeasured ? near.latency : 0))
        let expected = max(near.latency + max(max(own, head) + passed, tail), near.latency + taken)
        for rank in driver.ranks {
            let notes = rank.exact.notes
            #expect(notes[1].end < notes[2].start && notes[1].isAttention && !notes[2].isAttention)
            #expect(notes[2].start - notes[0].end == expected)
        }
        if isMeasured { #expect(abs(expected - far.latency - max(crossing, taken)) <= 1 + passed) }
    }
}
