import Cluster
import Models
import Policies
import Quantities
import TestKit
import Testing

@testable import Nodes

@Suite("Ranks of a gang")
struct GangRankTests {
    // MARK: - Empty batches, sleep and waking

    @Test("without a request join with an empty batch: they compute experts, and no attention", arguments: [LayerGranularity.exact, .iteration])
    func idleRank(granularity: LayerGranularity) throws {
        var driver = try #require(GangDriver(gangPlan(attention: 4, mixture: MixturePlan(granularity: granularity))))
        var batches = Array(repeating: driver.shape.emptyBatches, count: 4)
        batches[2] = [decoding(8, context: 100)]
        let outcomes = driver.iterate(at: 5_000_000, batches)
        #expect(outcomes.allSatisfy { $0 != nil })
        for (place, rank) in driver.ranks.enumerated() {
            let statistics = rank.tally.statistics
            #expect((statistics.attention > 0) == (place == 2))
            #expect(statistics.experts > 0)
            #expect(!rank.sleepsNext)
        }
        #expect(driver.ranks.reduce(0) { $0 + $1.tally.statistics.routedTokens } == 8 * 4 * 3)
        #expect(Set(driver.ranks.map(\.nextStart)).count == 1)
    }

    @Test("fall asleep after an iteration without tokens, and wake at the earliest time that one of them says")
    func sleep() throws {
        var driver = try #require(GangDriver(gangPlan(attention: 3)))
        _ = driver.iterate(at: 1000, Array(repeating: driver.shape.emptyBatches, count: 3))
        let end = driver.ranks[0].nextStart
        for rank in driver.ranks.indices {
            #expect(driver.ranks[rank].sleepsNext)
            let reached = driver.ranks[rank].reachStart(at: end)
            #expect(!reached.begins && reached.wakes == nil)
            #expect(driver.ranks[rank].nextStart == .never)
        }
        // Two get work at nearly the same time.
        let (late, early) = (driver.ranks[1].noteWork(at: end + 700) ?? 0, driver.ranks[2].noteWork(at: end + 500) ?? 0)
        #expect(late == end + 700 + driver.shape.wakeLatency)
        #expect(early == end + 500 + driver.shape.wakeLatency)
        let again = driver.ranks[1].noteWork(at: end + 800)
        #expect(again == nil, "it has said so already")
        for rank in driver.ranks.indices {
            for start in [late, early] { driver.ranks[rank].wake(for: start, at: 0) }
            #expect(driver.ranks[rank].nextStart == early)
        }
        let outcomes = driver.iterate(at: early, [driver.shape.emptyBatches, [decoding(1, context: 10)], [decoding(1, context: 10)]])
        #expect(outcomes.allSatisfy { $0 != nil })
        #expect(driver.ranks.allSatisfy { $0.start == early && !$0.follows && !$0.sleepsNext })
        // The pause is nobody's waiting.
        for rank in driver.ranks {
            #expect(rank.tally.statistics.span == end - 1000 + rank.nextStart - early)
        }
    }

    @Test("in a cluster sleep between requests that are far apart, and wake for each of them")
    func sleepInCluster() {
        var plan = gangPlan(attention: 2)
        plan.workload.requestLimit = 4
        plan.workload.outputTokens = .fixed(3)
        let records = runInProcess(plan).records
        let wakes = records.messageRows.filter { $0.channel == "wake" }
        #expect(wakes.count == 4, "one other rank to wake for each request")
        guard let shape = GangShape(plan) else { return }
        let starts = Set(records.layerRows.filter { $0.layer == 0 && $0.isAttention && $0.awaitedRank == 0 && $0.awaitedNetwork == 0 }.map(\.start))
        for wake in wakes { #expect(starts.contains(wake.sent + shape.wakeLatency)) }
        // The prompt, two tokens more, and one iteration in which everybody sees that nothing is left.
        #expect(Set(records.layerRows.map(\.iteration)).count == 4 * 4)
    }

    // MARK: - Stragglers

    @Test("with one long context all others wait by the difference in attention time, in every layer, and for that rank")
    func straggler() throws {
        // Shared experts would fill some of the wait.
        var model = testMixture
        model.experts?.shared = 0
        let shape = try #require(GangShape(gangPlan(attention: 4, model: model)))
        func run(context: Int64) throws -> (finish: Instant, evaluator: LayerEvaluator) {
            var router = try #require(ExpertRouter(shape, rank: 0, seed: 1))
            var evaluator = LayerEvaluator(shape)
            let sheets = (0..<4).map { rank in
                LoadSheet(
                    parts: shape.parts(of: [decoding(8, context: rank == 1 ? context : 1000)]),
                    counts: Array(repeating: 2, count: shape.steps * shape.fleet.slots), dropped: 0, counters: [])
            }
            evaluator.begin(at: 0)
            evaluator.evaluate(0..<shape.layers, sheets, router: &router)
            return (evaluator.finish(sheets).max() ?? 0, evaluator)
        }
        let even = try run(context: 1000)
        let late = try run(context: 100_000)
        let difference = shape.attention.attentionTime(decoding(8, context: 100_000)) - shape.attention.attentionTime(decoding(8, context: 1000))
        #expect(difference > 1000)
        #expect(late.finish - even.finish == difference * Int64(testMixture.layers))
        for rank in [0, 2, 3] {
            let before = even.evaluator.notes[rank]
            let after = late.evaluator.notes[rank]
            for (old, new) in zip(before, after) {
                let dense = new.step == 0 ? Int64(testMixture.denseLayers) : 0
                #expect(new.awaitedRank - old.awaitedRank == (new.isAttention ? 0 : difference * (1 + dense)))
                #expect(new.awaitedNetwork == old.awaitedNetwork)
                if !new.isAttention { #expect(new.last == 1) }
            }
        }
        let own = zip(even.evaluator.notes[1], late.evaluator.notes[1])
        #expect(own.allSatisfy { $0.awaitedRank + $0.awaitedNetwork >= $1.awaitedRank + $1.awaitedNetwork })
    }

    // MARK: - New plans

    @Test("fetch the experts that a new plan puts elsewhere, and begin the next iteration later by what that takes", arguments: [0, 3])
    func replan(devicesPerHost: Int) throws {
        var mixture = MixturePlan(gate: .init(popularity: .zipf(exponent: 1)))
        mixture.balance = BalancePlan(policy: PolicyChoice("eplb"), redundantExperts: 8, replanInterval: 1_000_000, startsInformed: false)
        var driver = try #require(GangDriver(gangPlan(attention: 4, mixture: mixture, devicesPerHost: max(1, devicesPerHost))))
        let batches = Array(repeating: [decoding(64, context: 500)], count: 4)
        let before = driver.ranks.map { $0.router?.placements }
        // Before the interval is over nothing changes.
        let first = driver.iterate(at: 100, batches).compactMap { $0?.finish }
        #expect(driver.ranks[0].nextStart == (first.max() ?? 0) + driver.shape.syncLatency)
        #expect(driver.ranks[0].tally.statistics.replans == 0)
        #expect(driver.ranks.map { $0.router?.placements } == before)

        let second = driver.iterate(at: 2_000_000, batches).compactMap { $0?.finish }
        let old = try #require(before[0])
        let new = try #require(driver.ranks[0].router?.placements)
        #expect(driver.ranks.allSatisfy { $0.router?.placements == new })
        #expect(new != old)
        let shape = driver.shape
        var moved = Array(repeating: [ByteCount](repeating: 0, count: 4), count: 4)
        for (layer, placement) in new.enumerated() {
            for fetch in placement.fetches(from: old[layer]) { moved[fetch.source][fetch.rank] += shape.expertBytes }
        }
        // The busiest port, in or out, within a host or beyond.
        var time: Nanoseconds = 0
        for near in [true, false] {
            let path = near ? shape.weightPaths.scaleUp : shape.weightPaths.scaleOut
            for rank in 0..<4 {
                let others = (0..<4).filter { (shape.hosts[$0] == shape.hosts[rank]) == near }
                let most = max(others.reduce(0) { $0 + moved[rank][$1] }, others.reduce(0) { $0 + moved[$1][rank] })
                if most > 0 { time = max(time, path.latency + transmissionTime(most, at: path.bandwidth)) }
            }
        }
        #expect(time > 0)
        #expect(driver.ranks.allSatisfy { $0.nextStart == (second.max() ?? 0) + shape.syncLatency + time })
        #expect(driver.ranks[0].tally.statistics.replans == 1)
        #expect(driver.ranks[0].tally.statistics.fetchedBytes == moved.reduce(0) { $0 + $1.reduce(0, +) })
        #expect(driver.ranks.dropFirst().allSatisfy { $0.tally.statistics.replans == 0 })
    }

    // MARK: - Policies that decide for all

    @Test("take parts of a decision that add up to it, and to their own tokens", arguments: UInt64(0)..<20)
    func shares(seed: UInt64) throws {
        var mixture = MixturePlan()
        mixture.balance = BalancePlan(policy: PolicyChoice("aebs"), redundantExperts: 16)
        let shape = try #require(GangShape(gangPlan(attention: 4, mixture: mixture)))
        let router = try #require(ExpertRouter(shape, rank: 0, seed: 1))
        var random = RandomStream(seed: seed, stream: 1)
        let counts = (0..<4).map { _ in (0..<16).map { _ in Int32(random.below(random.below(2) == 0 ? 3 : 200)) } }
        // Any decision at all.
        var decision = [Int32](repeating: 0, count: shape.fleet.slots)
        for expert in 0..<16 {
            let replicas = Array(router.placements[0].replicas(of: expert))
            #expect(!replicas.isEmpty)
            for _ in 0..<counts.reduce(0, { $0 + $1[expert] }) { decision[Int(replicas[random.below(replicas.count)])] += 1 }
        }
        var sum = [Int32](repeating: 0, count: decision.count)
        var before = [Int32](repeating: 0, count: 16)
        for rank in 0..<4 {
            var part: [Int32] = []
            router.share(layer: 0, counts: counts[rank], before: before, of: decision, tokens: Int64(counts[rank].reduce(0, +)), into: &part)
            for expert in 0..<16 {
                #expect(router.placements[0].replicas(of: expert).reduce(0) { $0 + part[Int($1)] } == counts[rank][expert])
                before[expert] += counts[rank][expert]
            }
            for slot in sum.indices {
                #expect(part[slot] >= 0)
                sum[slot] += part[slot]
            }
        }
        #expect(sum == decision)
    }
}
