import Cluster
import Quantities
import Records
import TestKit
import Testing

/// What a rank may have counted, drawn at random: its parts add up to its span.
func drawnBarrier(_ random: inout RandomStream, nodes: Int, samples: Int = 50, longest: Int = 1_000_000_000) -> BarrierStatistics {
    func time() -> Nanoseconds { Nanoseconds(random.below(longest)) }
    var barrier = BarrierStatistics()
    barrier.attention = time()
    barrier.experts = time()
    barrier.awaitingAttention = time()
    barrier.awaitingExperts = time()
    barrier.awaitingNetwork = time()
    barrier.span =
        barrier.attention + barrier.experts + barrier.awaitingAttention + barrier.awaitingExperts + barrier.awaitingNetwork
    barrier.last = (0..<nodes).map { _ in Int64(random.below(100)) }
    barrier.count = barrier.last.reduce(0, +)
    for _ in 0..<samples {
        barrier.waits.add(time())
        barrier.imbalance.add(Int64(longest / 1000 + random.below(longest / 2000)))
    }
    barrier.routedTokens = Int64(random.below(10_000))
    barrier.droppedTokens = Int64(random.below(100))
    barrier.replans = Int64(random.below(10))
    barrier.fetchedBytes = Int64(random.below(1_000_000_000))
    return barrier
}

@Suite("What ranks count of their layers")
struct BarrierTests {
    private let plan = testPlan(testGangs)
    private var layout: ClusterLayout { ClusterLayout(plan) }

    /// Statistics of a run of ten seconds in which every node counted something else.
    private func drawn(seed: UInt64) -> [NodeStatistics] {
        var random = RandomStream(seed: seed, stream: 3)
        return layout.nodes.map { node in
            var statistics = NodeStatistics()
            if node.role == .client {
                statistics.client = ClientStatistics()
                statistics.client?.lastEnd = 10_000_000_000
            }
            guard node.role.isWorker else { return statistics }
            var worker = WorkerStatistics()
            worker.barrier = drawnBarrier(&random, nodes: layout.nodes.count)
            statistics.worker = worker
            return statistics
        }
    }

    private func summary(_ statistics: [NodeStatistics?]) -> Summary {
        SummaryBuilder(plan, layout).build(statistics, wall: 1, incomplete: false, digest: "", energy: { _, _, _ in 0 })
    }

    @Test("idle time is the sum of its causes, and with the time computed the whole", arguments: UInt64(0)..<5)
    func conservation(seed: UInt64) throws {
        let statistics = drawn(seed: seed)
        let ranks = statistics.compactMap { $0.worker?.barrier }
        let barrier = try #require(summary(statistics).barrier)
        let idle = try #require(barrier.idleFraction)
        let causes = try [barrier.attentionStragglerFraction, barrier.expertStragglerFraction, barrier.networkFraction].map { try #require($0) }
        #expect(abs(idle - causes.reduce(0, +)) < 1e-12)
        #expect(abs(idle + (try #require(barrier.computeFraction)) - 1) < 1e-12)
        let span = Double(ranks.reduce(0) { $0 + $1.span })
        #expect(abs(causes[0] - Double(ranks.reduce(0) { $0 + $1.awaitingAttention }) / span) < 1e-12)
        #expect(abs(causes[2] - Double(ranks.reduce(0) { $0 + $1.awaitingNetwork }) / span) < 1e-12)
        #expect(barrier.wait?.count == ranks.count * 50)
    }

    @Test("whoever was last is named, and every wait has one that was", arguments: UInt64(0)..<3)
    func last(seed: UInt64) throws {
        var statistics = drawn(seed: seed)
        for place in statistics.indices {
            // Client and controller are in no gang.
            statistics[place].worker?.barrier?.last[0] = 0
            statistics[place].worker?.barrier?.last[1] = 0
            statistics[place].worker?.barrier.map { statistics[place].worker?.barrier?.count = $0.last.reduce(0, +) }
        }
        let barrier = try #require(summary(statistics).barrier)
        #expect(barrier.last.map(\.name) == layout.nodes.dropFirst(2).map(\.name))
        #expect(barrier.last.reduce(0) { $0 + $1.times } == barrier.count)
        let second = statistics.reduce(0) { $0 + ($1.worker?.barrier?.last[3] ?? 0) }
        #expect(barrier.last[1].times == second)
    }

    @Test("a worker's busy time is what it computed, and its idle time at barriers stands beside it")
    func workers() {
        var statistics = drawn(seed: 7)
        // Ranks count the phases of what they computed besides; it must not count twice.
        for place in statistics.indices {
            guard let barrier = statistics[place].worker?.barrier, layout.nodes[place].role != .expert else { continue }
            statistics[place].worker?.busyPrefill = barrier.attention / 2
            statistics[place].worker?.busyDecode = barrier.attention + barrier.experts - barrier.attention / 2
        }
        for (worker, node) in zip(summary(statistics).workers, layout.nodes.dropFirst(2)) {
            guard let barrier = statistics[node.index].worker?.barrier else { continue }
            #expect(abs(worker.busyFraction - Double(barrier.attention + barrier.experts) / 1e10) < 1e-12)
            #expect(abs(worker.busyFraction + worker.barrierIdleFraction - Double(barrier.span) / 1e10) < 1e-12)
        }
    }

    @Test("phases take no more than what was computed; experts count as decoding")
    func phases() {
        var worker = WorkerStatistics()
        worker.busyPrefill = 300
        worker.busyDecode = 500
        #expect(worker.computing == (300, 500))
        var barrier = BarrierStatistics()
        barrier.attention = 400
        barrier.experts = 200
        worker.barrier = barrier
        #expect(worker.computing == (300, 300))
        worker.busyPrefill = 1000
        #expect(worker.computing == (600, 0))
        worker.busyPrefill = 0
        worker.busyDecode = 0
        #expect(worker.computing == (0, 600))
    }

    @Test("loads are counted in millionths and shown as ratios; counts are sums")
    func experts() throws {
        let statistics = drawn(seed: 4)
        let ranks = statistics.compactMap { $0.worker?.barrier }
        let experts = try #require(summary(statistics).experts)
        let imbalance = try #require(experts.imbalance)
        let means = ranks.compactMap { $0.imbalance.summary()?.mean }
        #expect(abs(imbalance.mean - means.reduce(0, +) / Double(means.count) / 1e6) < 1e-9)
        #expect((1...1.5).contains(imbalance.p99))
        #expect(experts.routedTokens == ranks.reduce(0) { $0 + $1.routedTokens })
        #expect(experts.droppedTokens == ranks.reduce(0) { $0 + $1.droppedTokens })
        #expect(experts.replans == ranks.reduce(0) { $0 + $1.replans })
        #expect(experts.fetchedBytes == ranks.reduce(0) { $0 + $1.fetchedBytes })
    }

    @Test("a run in which nothing happened has every figure's name, so that requirements are checked before it starts")
    func names() {
        let blank = SummaryBuilder(plan, layout).blank.json.numbersByPath
        let full = summary(drawn(seed: 1)).json.numbersByPath
        #expect(blank.map(\.path) == full.map(\.path))
        let new = [
            "barrier.count", "barrier.idle_fraction", "barrier.attention_straggler_fraction", "barrier.expert_straggler_fraction",
            "barrier.network_fraction", "barrier.compute_fraction", "barrier.wait_s.p99", "barrier.last.ep-1", "barrier.last.expert-0",
            "experts.imbalance.mean", "experts.imbalance.p99", "experts.routed_tokens", "experts.dropped_tokens", "experts.replans",
            "experts.fetched_bytes", "workers.expert-1.barrier_idle_fraction",
        ]
        for path in new { #expect(full.first { $0.path == path }?.value != nil, "\(path)") }
        let alone = testPlan([testPool(.colocated)])
        let summary = SummaryBuilder(alone, ClusterLayout(alone)).blank
        #expect(summary.barrier == nil)
        #expect(summary.experts == nil)
        #expect(!summary.json.numbersByPath.contains { $0.path == "barrier.compute_fraction" })
        #expect(summary.json.numbersByPath.contains { $0.path == "barrier.idle_fraction" && $0.value == nil })
    }

    @Test("sums of absurd counts stop at the largest number")
    func absurd() {
        var statistics = drawn(seed: 1)
        for place in statistics.indices {
            statistics[place].messages = 1 << 60
            statistics[place].bytes = 1 << 60
            statistics[place].worker?.barrier?.span = 1 << 60
            statistics[place].worker?.barrier?.attention = 1 << 60
            statistics[place].worker?.barrier?.experts = 1 << 60
            statistics[place].worker?.barrier?.awaitingNetwork = 1 << 60
        }
        let wide = ClusterLayout(testPlan([testPool(.colocated, count: 20)]))
        let many = wide.nodes.map { _ in statistics[2] }
        let sum = SummaryBuilder(testPlan([testPool(.colocated, count: 20)]), wide)
            .build(many, wall: 1, incomplete: false, digest: "", energy: { _, _, _ in 0 })
        #expect(sum.network.messages == .max)
        #expect(summary(statistics).barrier?.idleFraction != nil)
    }
}

@Suite("Statistics as words")
struct StatisticsWordsTests {
    private func drawn(seed: UInt64) -> NodeStatistics {
        var random = RandomStream(seed: seed, stream: 4)
        var statistics = NodeStatistics()
        statistics.messages = 12
        statistics.bytes = 1 << 50
        var worker = WorkerStatistics()
        // No two the same: fields that changed places would show.
        var next: Int64 = 4
        func number() -> Int64 {
            next += 1
            return next
        }
        worker.busyPrefill = number()
        worker.busyDecode = number()
        worker.kvPeakBlocks = number()
        worker.kvTotalBlocks = number()
        worker.preemptions = number()
        worker.iterations = number()
        worker.blocksAtEnd = number()
        worker.off = number()
        worker.restsSince = number()
        worker.migrations = number()
        worker.migratedBytes = number()
        worker.abortedMigrations = number()
        worker.copiedBytes = number()
        worker.salvages = [CacheSalvage(node: number(), at: number(), tokens: number())]
        worker.evacuations = [CacheEvacuation(deadline: number(), bytes: number()), CacheEvacuation(deadline: number(), bytes: number())]
        worker.downtimes.add(number())
        for _ in 0..<3 { worker.iterationTimes.add(Int64(random.below(1000))) }
        worker.barrier = drawnBarrier(&random, nodes: 5, samples: 4, longest: 2000)
        statistics.worker = worker
        var client = ClientStatistics()
        client.offered = number()
        client.staleTokens = number()
        client.restarts = number()
        client.recomputedTokens = number()
        client.losses = [ClientStatistics.Loss(node: 1, at: number(), requests: number(), recomputedTokens: number())]
        for _ in 0..<3 { client.ttft.add(Int64(random.below(1000))) }
        statistics.client = client
        return statistics
    }

    @Test("read back the same", arguments: UInt64(0)..<4)
    func roundTrip(seed: UInt64) throws {
        let words = drawn(seed: seed).encoded()
        let read = try #require(NodeStatistics(decoding: words))
        #expect(read.encoded() == words)
        let (before, after) = (try #require(drawn(seed: seed).worker?.barrier), try #require(read.worker?.barrier))
        #expect(read.worker?.off == drawn(seed: seed).worker?.off)
        #expect(read.worker?.evacuations == drawn(seed: seed).worker?.evacuations)
        #expect(read.worker?.salvages == drawn(seed: seed).worker?.salvages)
        #expect(after.last == before.last)
        #expect(after.span == before.span)
        #expect(after.awaitingExperts == before.awaitingExperts)
        #expect(after.fetchedBytes == before.fetchedBytes)
        #expect(after.waits.summary() == before.waits.summary())
        #expect(after.imbalance.summary() == before.imbalance.summary())
        #expect(try #require(NodeStatistics(decoding: NodeStatistics().encoded())).worker == nil)
    }

    @Test("are refused when cut, and never end the program when changed")
    func hostile() throws {
        let words = drawn(seed: 1).encoded()
        for count in 0..<words.count { #expect(NodeStatistics(decoding: Array(words[..<count])) == nil) }
        #expect(NodeStatistics(decoding: words + [0]) == nil)
        let plan = testPlan([testGangs[0]])
        let layout = ClusterLayout(plan)
        var (kept, refused) = (0, 0)
        for place in words.indices {
            for value in [.min, 1, 1 << 60, .max] as [Int64] {
                var changed = words
                changed[place] = value
                guard let read = NodeStatistics(decoding: changed) else {
                    refused += 1
                    continue
                }
                kept += 1
                #expect(read.encoded() == changed, "word \(place)")
                // Whatever was read can be added up.
                let summary = SummaryBuilder(plan, layout)
                    .build(Array(repeating: read, count: layout.nodes.count), wall: 1, incomplete: false, digest: "", energy: { _, _, _ in 0 })
                #expect(summary.barrier?.last.count == 2)
            }
        }
        #expect(kept > 20 && refused > 20)
    }

    @Test("a histogram is refused when its parts do not fit together")
    func histogram() {
        func read(_ words: [Int64]) -> Bool {
            var reader = WordReader(words)
            _ = LogLinearHistogram(decoding: &reader)
            return reader.isComplete
        }
        // Count, largest, sum in two words, buckets: number and count of each.
        #expect(read([3, 7, 15, 0, 2, 4, 2, 7, 1]))
        #expect(read([0, 0, 0, 0, 0]))
        for broken: [Int64] in [
            [4, 7, 15, 0, 2, 4, 2, 7, 1], [3, 7, 22, 0, 2, 4, 2, 7, 1], [3, 7, -1, -1, 2, 4, 2, 7, 1], [3, 7, 15, 0, 2, -1, 2, 7, 1],
            [3, 7, 15, 0, 2, 1 << 40, 2, 7, 1], [3, -7, 15, 0, 2, 4, 2, 7, 1], [3, 7, 15, 0, 2, 4, -2, 7, 5],
            [3, 7, 15, 0, 2, 7, 1, 4, 2], [3, 7, 15, 0, 3, 4, 2, 5, 0, 7, 1], [.max, 7, 15, 0, 1, 4, .max],
        ] { #expect(!read(broken), "\(broken)") }
    }
}
