import Cluster
import Models
import Policies
import Quantities
import Records
import TestKit
import Testing

@testable import Nodes

/// What a frame can hold and no rank of the gang sends.
@Suite("Messages that no rank of the gang sends")
struct HostileGangTests {
    struct Setting: Sendable, CustomTestStringConvertible {
        var experts: Int?
        var transfer = ExpertTransfer.pointToPoint
        var policy = "contiguous"
        var granularity = LayerGranularity.exact
        var kernel = ExchangeKernel.perExpert
        var testDescription: String { "\(experts ?? 0) \(transfer) \(policy) \(granularity) \(kernel)" }

        var plan: ClusterPlan {
            var mixture = MixturePlan(granularity: granularity, microBatches: 2, transfer: transfer, kernel: kernel)
            mixture.balance = BalancePlan(policy: PolicyChoice(policy), redundantExperts: 4, replanInterval: 1_000_000)
            return gangPlan(attention: 2, experts: experts, mixture: mixture, devicesPerHost: kernel == .perHost ? 1 : 2)
        }
    }

    static let settings = [
        Setting(), Setting(policy: "aebs"), Setting(experts: 2), Setting(experts: 3, transfer: .broadcast, policy: "token-balanced"),
        Setting(experts: 4, transfer: .twoPhase, policy: "random-replica"), Setting(experts: 2, transfer: .twoPhase, policy: "aebs"),
        Setting(granularity: .grouped(2)), Setting(experts: 2, policy: "aebs", granularity: .grouped(1)),
        Setting(experts: 2, granularity: .iteration), Setting(kernel: .perHost), Setting(granularity: .grouped(2), kernel: .perHost),
    ]

    // MARK: - Of another shape

    @Test("because they are of another shape change nothing", arguments: settings)
    func wrongShape(setting: Setting) throws {
        var clean = try #require(GangDriver(setting.plan))
        var dirty = try #require(GangDriver(setting.plan))
        let batches = Array(repeating: [decoding(5, context: 50), decoding(4, context: 300)], count: 2)
        for (iteration, start) in [Instant(500_000), 50_000_000, 100_000_000].enumerated() {
            let messages = misfits(clean.shape, iteration: Int64(iteration), start: start)
            dirty.begin(at: start, batches)
            for (place, message) in messages.enumerated() {
                for member in dirty.ranks.indices where place % 2 == 0 { dirty.ranks[member].receive(message) }
                if place % 2 == 1 { for member in dirty.ranks.indices { dirty.underWay.append((member, message)) } }
            }
            let found = dirty.finish()
            let expected = clean.iterate(at: start, batches)
            for (mine, theirs) in zip(found, expected) {
                #expect(mine?.finish == theirs?.finish)
                #expect(mine?.traffic == theirs?.traffic)
                #expect(mine != nil)
            }
        }
        for (mine, theirs) in zip(dirty.ranks, clean.ranks) {
            #expect(String(describing: mine.tally.statistics) == String(describing: theirs.tally.statistics))
            #expect(mine.nextStart == theirs.nextStart)
        }
        #expect(clean.ranks[0].tally.statistics.replans == 2)
    }

    /// Messages of an iteration that its ranks must not take.
    private func misfits(_ shape: GangShape, iteration: Int64, start: Instant) -> [LayerMessage] {
        var found: [LayerMessage] = []
        func add(_ body: LayerMessage.Body, sender: Int = 0, iteration number: Int64? = nil) {
            found.append(LayerMessage(iteration: number ?? iteration, start: start, follows: false, sender: Int32(sender), body: body))
        }
        func leg(_ kind: LayerLeg.Kind, step: Int32 = 0, origin: Int32 = 0, counts: [Int32] = []) -> LayerLeg {
            LayerLeg(
                kind: kind, step: step, flight: Flight(head: start, tail: start), origin: origin, originSent: start, bytes: 0, units: 1,
                counts: counts)
        }
        let members = shape.members.count
        for kind in LayerLeg.Kind.allCases {
            for width in [1, 3, 1000] { add(.leg(leg(kind, counts: Array(repeating: 1, count: width)))) }
            add(.leg(leg(kind)), sender: members)
            add(.leg(leg(kind)), sender: -1)
            add(.leg(leg(kind, step: Int32(shape.steps))))
            add(.leg(leg(kind, step: -1)))
            add(.leg(leg(kind, origin: Int32(members))))
            add(.leg(leg(kind)), iteration: iteration - 1)
        }
        let width = shape.layers * shape.fleet.experts
        for count in [1, width - 1, width + 1] {
            add(.done(IterationEnd(finish: start + 5, isEmpty: true, counters: Array(repeating: 1, count: count))))
            add(.counters(Array(repeating: 1, count: count)))
            add(.verdict(verdict(start, [], counters: Array(repeating: 1, count: count))))
        }
        add(.done(IterationEnd(finish: start - 1, isEmpty: true, counters: [])))
        let part = LoadSheet.Part(tokens: 1, attention: 1, dense: 1, shared: 1, head: 1)
        for parts in [0, 1, 3, 5] {
            let counts = [Int32](repeating: 1, count: shape.steps * shape.fleet.slots)
            add(.sheet(LoadSheet(parts: Array(repeating: part, count: parts), counts: counts, dropped: 0, counters: []), group: 0), sender: 1)
        }
        for count in [0, 1, shape.fleet.slots, shape.steps * shape.fleet.slots + 1] {
            let sheet = LoadSheet(parts: [part, part], counts: Array(repeating: 1, count: count), dropped: 0, counters: [])
            for group in [0, 1, 0xFFFF] as [Int32] { add(.sheet(sheet, group: group), sender: 1) }
        }
        let note = StepNote(isAttention: true, step: 0, start: start, end: start + 10)
        var notes = [StepNote](repeating: note, count: 6)
        notes[0].last = Int32(members)
        notes[1].step = Int32(shape.steps + shape.microBatches)
        notes[2].start = start - 1
        notes[3].awaitedRank = 1
        notes[4].awaitedNetwork = .never / 4
        notes[5].end = .never / 4
        for note in notes { add(.verdict(verdict(start, [note, note], counters: []))) }
        add(.verdict(verdict(start, [note], counters: [])), sender: members - 1)
        var shares = [IterationShares](repeating: IterationShares(), count: 4)
        shares[0].attention = 9
        shares[1].attention = 11
        (shares[2].attention, shares[2].experts) = (11, -1)
        (shares[3].attention, shares[3].routedTokens) = (10, -1)
        for shares in shares { add(.verdict(verdict(start, [], counters: [], shares: shares))) }
        return found
    }

    private func verdict(_ start: Instant, _ notes: [StepNote], counters: [Int64], shares: IterationShares = IterationShares()) -> LayerVerdict {
        LayerVerdict(
            finish: start + 10, shares: shares, notes: notes, traffic: Traffic(), imbalances: [], lastFinish: start + 100, isEmpty: false,
            counters: counters)
    }

    // MARK: - Whatever a frame can hold

    @Test("whatever they hold, crash no rank", arguments: settings)
    func anything(setting: Setting) throws {
        var taken = 0
        for seed in UInt64(0)..<12 {
            var driver = try #require(GangDriver(setting.plan, seed: seed))
            var random = RandomStream(seed: seed, stream: 3)
            var start: Instant = 500_000
            for iteration in 0..<3 {
                driver.begin(at: start, Array(repeating: [decoding(3, context: 50), decoding(2, context: 300)], count: 2))
                // In place of some of the ranks' own, so that they are first.
                for _ in 0..<20 {
                    let member = random.below(driver.ranks.count)
                    // Mostly one that the rank does not drop at once.
                    var message = wild(driver.shape, iteration: Int64(iteration), start: start, &random)
                    for _ in 0..<20 where !driver.ranks[member].accepts(message) {
                        message = wild(driver.shape, iteration: Int64(iteration), start: start, &random)
                    }
                    if driver.ranks[member].accepts(message) { taken += 1 }
                    if random.below(2) == 0 { driver.ranks[member].receive(message) } else { driver.underWay.append((member, message)) }
                }
                _ = driver.finish()
                guard driver.ranks.prefix(2).allSatisfy({ !$0.isUnderWay }) else { break }
                let next = driver.ranks[0].nextStart
                guard next < .never / 4 else { break }
                start = max(start + 1, next)
            }
            #expect(driver.ranks.allSatisfy { $0.tally.statistics.last.count == driver.shape.members.count + 2 })
        }
        #expect(taken > 10, "only \(taken) were such that a rank looked at them")
    }

    /// A message with random numbers that a frame lets through, of a shape that often fits.
    private func wild(_ shape: GangShape, iteration: Int64, start: Instant, _ random: inout RandomStream) -> LayerMessage {
        func time() -> Instant { [start, start + Int64(random.below(1_000_000)), 0, .never / 4][random.below(4)] }
        func number(_ most: Int64) -> Int64 { [0, 1, Int64(random.below(1000)), most / 2, most][random.below(5)] }
        func width(_ widths: Int...) -> Int { widths[random.below(widths.count)] }
        func counts(_ count: Int, most: Int64 = (1 << 24) - 1) -> [Int32] { (0..<count).map { _ in Int32(number(most)) } }
        func counters() -> [Int64] {
            let count = width(0, shape.layers * shape.fleet.experts, 3)
            return (0..<count).map { _ in number(1 << 42) }
        }
        let body: LayerMessage.Body
        switch random.below(6) {
        case 0, 1:
            let head = time()
            body = .leg(
                LayerLeg(
                    kind: LayerLeg.Kind.allCases[random.below(LayerLeg.Kind.allCases.count)], step: Int32(random.below(shape.steps + 1)),
                    flight: Flight(head: head, tail: head + number(.never / 4)), far: Flight(head: head, tail: time() + head),
                    origin: Int32(random.below(shape.members.count + 1)),
                    originSent: time(), bytes: number(1 << 47), units: number(1 << 32), loadSum: number(1 << 32), loadMost: number(1 << 32),
                    counts: counts(width(0, shape.attentionRanks, shape.width(isGlobal: false), shape.fleet.experts, 3))))
        case 2: body = .done(IterationEnd(finish: time(), isEmpty: random.below(2) == 0, counters: counters()))
        case 3:
            let parts = (0..<width(shape.microBatches, shape.microBatches, 1)).map { _ in
                LoadSheet.Part(
                    tokens: number(1 << 32), attention: number(1 << 46), dense: number(1 << 46), shared: number(1 << 46), head: number(1 << 46))
            }
            let layers = width(1, 2, shape.layers, shape.layers)
            let sheet = LoadSheet(
                parts: parts, counts: counts(layers * shape.microBatches * width(shape.width(isGlobal: false), shape.fleet.experts)),
                dropped: number(1 << 38),
                counters: counters())
            body = .sheet(sheet, group: Int32(random.below(4)))
        case 4:
            var end = start
            let notes = (0..<random.below(8)).map { place in
                let begin = random.below(8) == 0 ? time() : end
                end = max(begin, time())
                return StepNote(
                    isAttention: random.below(2) == 0, step: Int32(random.below(10)), start: begin, end: end, tokens: number(1 << 60),
                    distinct: Int32(number(1 << 30)), last: Int32(random.below(shape.members.count + 2)) - 1, awaitsExperts: random.below(2) == 0,
                    awaitedRank: random.below(8) == 0 ? time() : 0, awaitedNetwork: random.below(8) == 0 ? time() : 0)
            }
            var traffic = Traffic()
            traffic.messages = number(.never / 4)
            traffic.bytes = number(.never / 4)
            var shares = IterationShares()
            shares.attention = random.below(2) == 0 ? end - start : time()
            shares.experts = random.below(4) == 0 ? number(1 << 46) : 0
            shares.routedTokens = number(1 << 47)
            body = .verdict(
                LayerVerdict(
                    finish: end, shares: shares, notes: notes, traffic: traffic, imbalances: [number(1 << 42)], lastFinish: time(),
                    isEmpty: random.below(2) == 0,
                    counters: counters()))
        default: body = .counters(counters())
        }
        return LayerMessage(
            iteration: iteration + Int64(random.below(3)) - 1, start: random.below(4) == 0 ? time() : start, follows: random.below(2) == 0,
            sender: Int32(random.below(shape.members.count + 1)), body: body)
    }
}
