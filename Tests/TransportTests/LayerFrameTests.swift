import Models
import Nodes
import Quantities
import Testing

@testable import Transport

@Suite("Frames of a gang")
struct LayerFrameTests {
    private func envelope(_ body: LayerMessage.Body, iteration: Int64 = 3, start: Instant = 1000, sender: Int32 = 2) -> Envelope {
        let message = LayerMessage(iteration: iteration, start: start, follows: true, sender: sender, body: body)
        return Envelope(source: 1, sequence: 0, sent: 5, head: 5, tail: 5, bytes: 100, link: 0, isBulk: false, message: .layer(message))
    }

    private func isRefused(_ envelope: Envelope) -> Bool { (try? decoded(frame(source: 1, [envelope]), FrameDecoder(nodes: nodeCount))) == nil }

    private let leg = LayerLeg(
        kind: .dispatch, step: 4, flight: Flight(head: 10, tail: 20), origin: 1, originSent: 7, bytes: 1000, units: 3, loadSum: 5, loadMost: 2,
        counts: [1, 2, 3])

    @Test("take two bytes for each count where all fit, and four where one does not")
    func width() throws {
        func size(_ counts: [Int32]) throws -> Int {
            var leg = leg
            leg.counts = counts
            let bytes = frame(source: 1, [envelope(.leg(leg))])
            #expect(try decoded(bytes, FrameDecoder(nodes: nodeCount)) == [envelope(.leg(leg))])
            return bytes.count
        }
        let counts = [Int32](repeating: 0xFFFF, count: 1000)
        let short = try size(counts)
        let long = try size(counts.dropLast() + [0x10000])
        #expect((2000..<2100).contains(short))
        #expect((4000..<4100).contains(long))
        #expect(try size([]) < 100)
    }

    @Test("refuse what an exchange cannot hold")
    func refusedLegs() {
        func refused(_ change: (inout LayerLeg) -> Void) -> Bool {
            var bad = leg
            change(&bad)
            return isRefused(envelope(.leg(bad)))
        }
        #expect(!refused { _ in })
        #expect(refused { $0.step = -1 })
        #expect(refused { $0.step = 1 << 24 })
        #expect(refused { $0.origin = -1 })
        #expect(refused { $0.origin = 1 << 20 })
        #expect(refused { $0.originSent = -1 })
        #expect(refused { $0.flight = Flight(head: -1, tail: 5) })
        #expect(refused { $0.flight = Flight(head: 10, tail: 9) })
        #expect(refused { $0.flight = Flight(head: .never, tail: .never) })
        #expect(refused { $0.bytes = -1 })
        #expect(refused { $0.bytes = LayerRanges.bytes + 1 })
        #expect(refused { $0.units = -1 })
        #expect(refused { $0.units = LayerRanges.units + 1 })
        #expect(refused { $0.loadSum = -1 })
        #expect(refused { $0.loadSum = LayerRanges.load + 1 })
        #expect(refused { $0.loadMost = -1 })
        #expect(refused { $0.loadMost = LayerRanges.load + 1 })
        #expect(refused { $0.counts[1] = -1 })
        #expect(refused { $0.counts[1] = Int32(LayerRanges.count) + 1 })
    }

    @Test("refuse messages with members, times or iterations that no gang has")
    func refusedMessages() {
        #expect(!isRefused(envelope(.counters([1]))))
        #expect(isRefused(envelope(.counters([1]), iteration: -1)))
        #expect(isRefused(envelope(.counters([1]), iteration: 1 << 34 + 1)))
        #expect(isRefused(envelope(.counters([1]), start: -1)))
        #expect(isRefused(envelope(.counters([1]), start: .never)))
        #expect(isRefused(envelope(.counters([1]), sender: -1)))
        #expect(isRefused(envelope(.counters([1]), sender: 1 << 20)))
        #expect(isRefused(envelope(.counters([-1]))))
        #expect(isRefused(envelope(.counters([LayerRanges.counter + 1]))))
        #expect(isRefused(envelope(.done(IterationEnd(finish: -1, isEmpty: false, counters: [])))))
        #expect(isRefused(envelope(.done(IterationEnd(finish: .never, isEmpty: false, counters: [])))))
        #expect(isRefused(envelope(.done(IterationEnd(finish: 5, isEmpty: false, counters: [-5])))))
    }

    @Test("refuse sheets with times, tokens or counts out of range")
    func refusedSheets() {
        func refused(_ part: LoadSheet.Part, group: Int32 = 0, counts: [Int32] = [1], dropped: Int64 = 0, counters: [Int64] = []) -> Bool {
            isRefused(envelope(.sheet(LoadSheet(parts: [part], counts: counts, dropped: dropped, counters: counters), group: group)))
        }
        let good = LoadSheet.Part(tokens: 1, attention: 2, dense: 3, shared: 4, head: 5)
        #expect(!refused(good))
        #expect(refused(good, group: 1 << 16))
        #expect(refused(good, group: -1))
        #expect(refused(good, counts: [-1]))
        #expect(refused(good, dropped: -1))
        #expect(refused(good, counters: [-1]))
        for part in [\LoadSheet.Part.attention, \.dense, \.shared, \.head, \.tokens] {
            for value in [-1, LayerRanges.time + 1] {
                var bad = good
                bad[keyPath: part] = value
                #expect(refused(bad))
            }
        }
        var crowded = good
        crowded.tokens = LayerRanges.tokens + 1
        #expect(refused(crowded))
    }

    @Test("refuse verdicts with notes that end before they begin, or out of range")
    func refusedVerdicts() {
        func refused(_ note: StepNote?, lastFinish: Instant = 5, messages: Int64 = 1, bytes: ByteCount = 1, imbalances: [Int64] = []) -> Bool {
            var traffic = Traffic()
            traffic.messages = messages
            traffic.bytes = bytes
            let notes = note.map { [$0] } ?? []
            return isRefused(
                envelope(
                    .verdict(LayerVerdict(notes: notes, traffic: traffic, imbalances: imbalances, lastFinish: lastFinish, isEmpty: false, counters: []))))
        }
        let good = StepNote(isAttention: true, step: 1, start: 5, end: 9)
        #expect(!refused(good))
        #expect(!refused(nil))
        #expect(refused(nil, lastFinish: -1))
        #expect(refused(nil, messages: -1))
        #expect(refused(nil, bytes: -1))
        #expect(refused(nil, imbalances: [-1]))
        for (start, end): (Instant, Instant) in [(9, 5), (-1, 5), (5, .never)] {
            #expect(refused(StepNote(isAttention: true, step: 1, start: start, end: end)))
        }
        #expect(refused(StepNote(isAttention: true, step: 1, start: 5, end: 9, tokens: -1)))
        #expect(refused(StepNote(isAttention: true, step: 1, start: 5, end: 9, last: -2)))
        #expect(refused(StepNote(isAttention: true, step: 1, start: 5, end: 9, distinct: -1)))
        #expect(refused(StepNote(isAttention: true, step: 1, start: 5, end: 9, awaitedRank: -1)))
        #expect(refused(StepNote(isAttention: true, step: 1, start: 5, end: 9, awaitedNetwork: .never)))
        #expect(refused(StepNote(isAttention: true, step: -1, start: 5, end: 9)))
        #expect(refused(StepNote(isAttention: true, step: 1 << 24, start: 5, end: 9)))
    }

    @Test("cut short at any byte bring nothing", arguments: 0..<5)
    func truncated(kind: Int) {
        var random = RandomStream(seed: UInt64(kind), stream: 6)
        let decoder = FrameDecoder(nodes: nodeCount)
        for _ in 0..<4 {
            let good = frame(source: 1, [randomEnvelope(source: 1, kind: 12 + kind, &random)])
            for length in good.indices {
                // The first field may stand alone: a frame without envelopes.
                if let found = try? decoded(Array(good[..<length]), decoder) { #expect(found.isEmpty) }
            }
        }
    }
}
