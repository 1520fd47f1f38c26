import Models
import Nodes
import Quantities
import Records

/// Kinds of messages that `randomLayer` makes.
let layerKinds = 5

private let sizes: ClosedRange<Int64> = 0...(1 << 32)
private let spans: ClosedRange<Nanoseconds> = 0...(1 << 46)
private let bytes: ClosedRange<ByteCount> = 0...(1 << 47)
private let members: ClosedRange<Int64> = -1...((1 << 20) - 1)
private let steps: ClosedRange<Int64> = 0...((1 << 24) - 1)

/// A list whose numbers all fit in 16 bits, or in 32, or in the whole range.
private func randomList(_ largest: Int64, _ random: inout RandomStream) -> [Int64] {
    let most = [min(largest, 0xFFFF), min(largest, 0x1_0000), min(largest, Int64(Int32.max)), min(largest, 1 << 31), largest][random.below(5)]
    return (0..<random.below(70)).map { _ in edgy(0...most, &random) }
}

func randomCounts(_ random: inout RandomStream) -> [Int32] { randomList((1 << 24) - 1, &random).map(Int32.init) }
func randomCounters(_ random: inout RandomStream) -> [Int64] { randomList((1 << 42) - 1, &random) }

func randomLeg(_ random: inout RandomStream) -> LayerLeg {
    let head = edgy(times, &random)
    let flight = Flight(head: head, tail: edgy(head...times.upperBound, &random))
    let farHead = edgy(times, &random)
    let far = Flight(head: farHead, tail: edgy(farHead...times.upperBound, &random))
    return LayerLeg(
        kind: LayerLeg.Kind.allCases[random.below(LayerLeg.Kind.allCases.count)], step: Int32(edgy(steps, &random)),
        flight: flight, far: random.below(2) == 0 ? nil : far, origin: Int32(edgy(members, &random)),
        originSent: edgy(times, &random), bytes: edgy(bytes, &random), units: edgy(sizes, &random), loadSum: edgy(sizes, &random),
        loadMost: edgy(sizes, &random), counts: randomCounts(&random))
}

func randomNote(_ random: inout RandomStream, after earliest: Instant) -> StepNote {
    // Mostly within seconds of the iteration's start, as notes are.
    let latest = times.upperBound - spans.upperBound
    let start = earliest > latest ? latest : edgy(earliest...min(latest, earliest + 1 << UInt8(20 + random.below(20))), &random)
    let end = start + (random.below(2) == 0 ? Int64(random.below(1 << 20)) : edgy(spans, &random))
    return StepNote(
        isAttention: random.below(2) == 0, step: Int32(edgy(steps, &random)), start: random.below(20) == 0 ? 0 : start, end: end,
        tokens: edgy(sizes, &random), distinct: Int32(edgy(0...Int64(Int32.max), &random)), last: Int32(edgy(members, &random)),
        awaitsExperts: random.below(2) == 0, awaitedRank: edgy(spans, &random), awaitedNetwork: edgy(spans, &random))
}

/// A note of the size that most are: all its numbers fit in 32 bits.
func smallNote(_ random: inout RandomStream, after earliest: Instant) -> StepNote {
    let start = earliest + Int64(random.below(1 << 28))
    return StepNote(
        isAttention: random.below(2) == 0, step: Int32(random.below(1 << 12)), start: start, end: start + Int64(random.below(1 << 20)),
        tokens: Int64(random.below(1 << 15)), distinct: Int32(random.below(32)), last: Int32(random.below(288)) - 1,
        awaitsExperts: random.below(2) == 0, awaitedRank: Int64(random.below(1 << 20)), awaitedNetwork: Int64(random.below(1 << 20)))
}

private func randomSheet(_ random: inout RandomStream) -> LoadSheet {
    let parts = (0..<random.below(4)).map { _ in
        LoadSheet.Part(
            tokens: edgy(sizes, &random), attention: edgy(spans, &random), dense: edgy(spans, &random), shared: edgy(spans, &random),
            head: edgy(spans, &random))
    }
    return LoadSheet(parts: parts, counts: randomCounts(&random), dropped: edgy(times, &random), counters: randomCounters(&random))
}

private func randomVerdict(_ random: inout RandomStream, start: Instant) -> LayerVerdict {
    let isSmall = random.below(2) == 0
    let begin = min(start, times.upperBound - spans.upperBound)
    var traffic = Traffic()
    traffic.messages = edgy(times, &random)
    traffic.bytes = edgy(times, &random)
    var shares = IterationShares()
    for share in [\IterationShares.attention, \.experts, \.awaitingAttention, \.awaitingExperts, \.awaitingNetwork] {
        shares[keyPath: share] = edgy(spans, &random)
    }
    shares.routedTokens = edgy(0...(1 << 47), &random)
    let notes = (0..<random.below(30)).map { _ in isSmall ? smallNote(&random, after: begin) : randomNote(&random, after: begin) }
    return LayerVerdict(
        finish: edgy(times, &random), shares: shares, notes: notes.filter { $0.end - $0.start <= spans.upperBound }, traffic: traffic,
        imbalances: randomCounters(&random),
        lastFinish: edgy(times, &random), isEmpty: random.below(2) == 0, counters: randomCounters(&random))
}

/// A message of a gang with a body of a kind, 0 ..< `layerKinds`.
func randomLayer(_ kind: Int, _ random: inout RandomStream) -> LayerMessage {
    let start = edgy(times, &random)
    let body: LayerMessage.Body
    switch kind {
    case 0: body = .leg(randomLeg(&random))
    case 1:
        body = .done(IterationEnd(finish: edgy(times, &random), isEmpty: random.below(2) == 0, counters: randomCounters(&random)))
    case 2: body = .sheet(randomSheet(&random), group: Int32(edgy(0...((1 << 16) - 1), &random)))
    case 3: body = .verdict(randomVerdict(&random, start: start))
    default: body = .counters(randomCounters(&random))
    }
    return LayerMessage(
        iteration: edgy(0...(1 << 44), &random), start: start, follows: random.below(2) == 0, sender: Int32(edgy(members, &random)), body: body)
}

/// Whether a gang can look at the message without arithmetic that overflows.
func isInRangeOfLayers(_ message: LayerMessage) -> Bool {
    guard message.iteration >= 0, message.iteration <= 1 << 44, times.contains(message.start), members.contains(Int64(message.sender)) else {
        return false
    }
    func areCounters(_ numbers: [Int64]) -> Bool { numbers.allSatisfy { $0 >= 0 && $0 < 1 << 42 } }
    func areCounts(_ numbers: [Int32]) -> Bool { numbers.allSatisfy { $0 >= 0 && $0 < 1 << 24 } }
    switch message.body {
    case .leg(let leg):
        return steps.contains(Int64(leg.step))
            && [leg.flight, leg.far].allSatisfy { times.contains($0.head) && times.contains($0.tail) && $0.head <= $0.tail }
            && members.contains(Int64(leg.origin)) && times.contains(leg.originSent)
            && bytes.contains(leg.bytes) && sizes.contains(leg.units) && sizes.contains(leg.loadSum) && sizes.contains(leg.loadMost)
            && areCounts(leg.counts)
    case .done(let end): return times.contains(end.finish) && areCounters(end.counters)
    case .sheet(let sheet, let group):
        return group >= 0 && group < 1 << 16 && times.contains(sheet.dropped) && areCounts(sheet.counts) && areCounters(sheet.counters)
            && sheet.parts.allSatisfy {
                sizes.contains($0.tokens) && spans.contains($0.attention) && spans.contains($0.dense) && spans.contains($0.shared)
                    && spans.contains($0.head)
            }
    case .verdict(let verdict):
        let shares = verdict.shares
        return times.contains(verdict.finish) && (0...(1 << 47)).contains(shares.routedTokens)
            && [shares.attention, shares.experts, shares.awaitingAttention, shares.awaitingExperts, shares.awaitingNetwork]
                .allSatisfy { spans.contains($0) }
            && times.contains(verdict.traffic.messages) && times.contains(verdict.traffic.bytes) && times.contains(verdict.lastFinish)
            && areCounters(verdict.imbalances) && areCounters(verdict.counters) && verdict.notes.allSatisfy(isInRangeOfLayers)
    case .counters(let sums): return areCounters(sums)
    }
}

private func isInRangeOfLayers(_ note: StepNote) -> Bool {
    steps.contains(Int64(note.step)) && times.contains(note.start) && times.contains(note.end) && note.start <= note.end
        && spans.contains(note.end - note.start) && sizes.contains(note.tokens) && note.distinct >= 0 && members.contains(Int64(note.last))
        && spans.contains(note.awaitedRank) && spans.contains(note.awaitedNetwork)
}
