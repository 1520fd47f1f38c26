import Models
import Nodes
import Quantities

private let times = 0...(Instant.never / 4)

/// A message between ranks of a gang of a kind, 0 ..< 5.
func randomLayer(_ kind: Int, _ random: inout RandomStream) -> LayerMessage {
    let body: LayerMessage.Body =
        switch kind {
        case 0: .leg(randomLeg(&random))
        case 1:
            .done(IterationEnd(finish: edgy(times, &random), isEmpty: random.below(2) == 0, counters: randomCounters(&random)))
        case 2: .sheet(randomSheet(&random), group: Int32(edgy(0...0xFFFF, &random)))
        case 3: .verdict(randomVerdict(&random))
        default: .counters(randomCounters(&random))
        }
    return LayerMessage(
        iteration: edgy(0...(1 << 34), &random), start: edgy(times, &random), follows: random.below(2) == 0,
        sender: Int32(edgy(0...((1 << 20) - 1), &random)), body: body)
}

/// Counts that fit in two bytes each, or that do not.
func randomCounts(_ random: inout RandomStream) -> [Int32] {
    let most: Int64 = random.below(2) == 0 ? 0xFFFF : LayerRanges.count
    return (0..<random.below(60)).map { _ in Int32(edgy(0...most, &random)) }
}

private func randomCounters(_ random: inout RandomStream) -> [Int64] {
    (0..<random.below(20)).map { _ in edgy(0...LayerRanges.counter, &random) }
}

private func randomLeg(_ random: inout RandomStream) -> LayerLeg {
    let head = edgy(times, &random)
    return LayerLeg(
        kind: LayerLeg.Kind.allCases[random.below(LayerLeg.Kind.allCases.count)], step: Int32(edgy(0...((1 << 24) - 1), &random)),
        flight: Flight(head: head, tail: head + edgy(times, &random)), origin: Int32(edgy(0...((1 << 20) - 1), &random)),
        originSent: edgy(times, &random), bytes: edgy(0...LayerRanges.bytes, &random), units: edgy(0...LayerRanges.units, &random),
        loadSum: edgy(0...LayerRanges.load, &random), loadMost: edgy(0...LayerRanges.load, &random), counts: randomCounts(&random))
}

private func randomSheet(_ random: inout RandomStream) -> LoadSheet {
    let parts = (0..<random.below(5)).map { _ in
        LoadSheet.Part(
            tokens: edgy(0...LayerRanges.tokens, &random), attention: edgy(0...LayerRanges.time, &random), dense: edgy(0...LayerRanges.time, &random),
            shared: edgy(0...LayerRanges.time, &random), head: edgy(0...LayerRanges.time, &random))
    }
    return LoadSheet(parts: parts, counts: randomCounts(&random), dropped: edgy(0...LayerRanges.load, &random), counters: randomCounters(&random))
}

private func randomVerdict(_ random: inout RandomStream) -> LayerVerdict {
    let notes = (0..<random.below(8)).map { _ in
        let start = edgy(times, &random)
        return StepNote(
            isAttention: random.below(2) == 0, step: Int32(edgy(0...((1 << 24) - 1), &random)), start: start,
            end: edgy(start...times.upperBound, &random), tokens: edgy(times, &random), distinct: Int32(edgy(0...Int64(Int32.max), &random)),
            last: Int32(edgy(-1...Int64(Int32.max), &random)), awaitsExperts: random.below(2) == 0, awaitedRank: edgy(times, &random),
            awaitedNetwork: edgy(times, &random))
    }
    var traffic = Traffic()
    traffic.messages = edgy(times, &random)
    traffic.bytes = edgy(times, &random)
    return LayerVerdict(
        notes: notes, traffic: traffic, imbalances: randomCounters(&random), lastFinish: edgy(times, &random), isEmpty: random.below(2) == 0,
        counters: randomCounters(&random))
}

/// The largest numbers that ranks tell each other.
enum LayerRanges {
    static let count: Int64 = 1 << 21
    static let counter: Int64 = 1 << 42
    static let bytes: Int64 = 1 << 47
    static let units: Int64 = 1 << 32
    static let load: Int64 = 1 << 38
    static let tokens: Int64 = 1 << 21
    static let time: Int64 = 1 << 46
}

/// Whether a node can handle it.
func isLayerInRange(_ message: LayerMessage) -> Bool {
    func all(_ numbers: Int64..., through limit: Int64 = Instant.never / 4) -> Bool { numbers.allSatisfy { (0...limit).contains($0) } }
    func areCounters(_ counters: [Int64]) -> Bool { counters.allSatisfy { all($0, through: LayerRanges.counter) } }
    guard message.sender >= 0, message.sender < 1 << 20, all(message.start), all(message.iteration, through: 1 << 34) else { return false }
    switch message.body {
    case .leg(let leg):
        return leg.step >= 0 && leg.origin >= 0 && all(leg.flight.head, leg.originSent) && all(leg.bytes, through: LayerRanges.bytes)
            && leg.flight.tail >= leg.flight.head && leg.flight.tail <= Instant.never / 2 && all(leg.units, through: LayerRanges.units)
            && all(leg.loadSum, leg.loadMost, through: LayerRanges.load) && leg.counts.allSatisfy { all(Int64($0), through: LayerRanges.count) }
    case .done(let end): return all(end.finish) && areCounters(end.counters)
    case .sheet(let sheet, let group):
        return group >= 0 && all(sheet.dropped) && areCounters(sheet.counters)
            && sheet.counts.allSatisfy { all(Int64($0), through: LayerRanges.count) }
            && sheet.parts.allSatisfy {
                all($0.tokens, through: LayerRanges.tokens) && all($0.attention, $0.dense, $0.shared, $0.head, through: LayerRanges.time)
            }
    case .verdict(let verdict):
        return all(verdict.lastFinish, verdict.traffic.messages, verdict.traffic.bytes) && areCounters(verdict.imbalances)
            && areCounters(verdict.counters)
            && verdict.notes.allSatisfy {
                $0.step >= 0 && $0.end >= $0.start && $0.last >= -1 && $0.distinct >= 0 && all($0.start, $0.end, $0.tokens, $0.awaitedRank, $0.awaitedNetwork)
            }
    case .counters(let sums): return areCounters(sums)
    }
}
