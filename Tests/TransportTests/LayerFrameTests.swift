import Models
import Nodes
import Quantities
import Records
import Testing

@testable import Transport

@Suite("Frames of a gang's messages")
struct LayerFrameTests {
    private func envelope(_ message: LayerMessage) -> Envelope {
        Envelope(
            source: 1, sequence: 0, sent: 1_000, head: 1_000, tail: 1_000, bytes: 0, link: 0, isBulk: false, message: .layer(message))
    }

    private func layer(start: Instant = 1_000, _ body: LayerMessage.Body) -> LayerMessage {
        LayerMessage(iteration: 7, start: start, follows: true, sender: 3, body: body)
    }

    private func isRefused(_ message: LayerMessage) -> Bool {
        (try? decoded(frame(source: 1, [envelope(message)]), FrameDecoder(nodes: nodeCount))) == nil
    }

    private func size(_ message: LayerMessage) -> Int { frame(source: 1, [envelope(message)]).count }

    private static let leg = LayerLeg(
        kind: .dispatch, step: 17, flight: Flight(head: 2_000, tail: 3_000), origin: 3, originSent: 1_500, bytes: 4_096, units: 12,
        counts: [1, 0, 70_000])
    private static let note = StepNote(isAttention: true, step: 5, start: 1_200, end: 1_300, tokens: 8, distinct: 2, last: 4)

    private func verdict(
        _ notes: [StepNote], finish: Instant = 1_000, shares: IterationShares = IterationShares(), counters: [Int64] = [], imbalances: [Int64] = [],
        lastFinish: Instant = 2_000
    ) -> LayerMessage {
        layer(
            .verdict(
                LayerVerdict(
                    finish: finish, shares: shares, notes: notes, traffic: Traffic(), imbalances: imbalances, lastFinish: lastFinish, isEmpty: false,
                    counters: counters)))
    }

    @Test("may be there at once, as no other message may")
    func flights() throws {
        let message = envelope(layer(.leg(Self.leg)))
        #expect(try decoded(frame(source: 1, [message]), FrameDecoder(nodes: nodeCount)) == [message])
        var wake = message
        wake.message = .wake(5, epoch: 1)
        #expect((try? decoded(frame(source: 1, [wake]), FrameDecoder(nodes: nodeCount))) == nil)
        wake.head += 1
        wake.tail += 1
        #expect(try decoded(frame(source: 1, [wake]), FrameDecoder(nodes: nodeCount)) == [wake])
    }

    @Test(
        "take two bytes a number where all fit, else four, else eight", arguments: [(0xFFFF, 2), (0x1_0000, 4), (0x7FFF_FFFF, 4), (0x8000_0000, 8)])
    func widths(largest: Int, bytes: Int) {
        let (short, long) = ([Int64](repeating: 1, count: 999) + [Int64(largest)], [Int64](repeating: 1, count: 1_999) + [Int64(largest)])
        // Lengths of 1,000 numbers and of 2,000 take up as many bytes each; those of more than 16 KiB a few more.
        let difference = size(layer(.counters(long))) - size(layer(.counters(short)))
        #expect((0...8).contains(difference - 1_000 * bytes))
        #expect((0...8).contains(size(verdict([], imbalances: long)) - size(verdict([], imbalances: short)) - 1_000 * bytes))
    }

    @Test("of counts take two bytes or four; a usual note takes thirty-two")
    func sizes() {
        func leg(_ counts: [Int32]) -> LayerMessage {
            var leg = Self.leg
            leg.counts = counts
            return layer(.leg(leg))
        }
        #expect((64...70).contains(size(leg([Int32](repeating: 0xFFFF, count: 32))) - size(leg([]))))
        #expect((128...136).contains(size(leg([Int32](repeating: 0x1_0000, count: 32))) - size(leg([]))))
        var random = RandomStream(seed: 1, stream: 6)
        let notes = (0..<116).map { _ in smallNote(&random, after: 1_000) }
        #expect((0...16).contains(size(verdict(notes)) - size(verdict([])) - 32 * notes.count))
    }

    @Test("with a leg out of range are refused")
    func legs() {
        func refused(_ change: (inout LayerLeg) -> Void) -> Bool {
            var leg = Self.leg
            change(&leg)
            return isRefused(layer(.leg(leg)))
        }
        let late = times.upperBound
        #expect(!refused { _ in })
        #expect(!refused { $0.origin = -1 })
        for origin in [-2, 1 << 20, Int32.max, .min] { #expect(refused { $0.origin = origin }) }
        for step in [-1, 1 << 24, Int32.max, .min] { #expect(refused { $0.step = step }) }
        for time in [-1, late + 1, Int64.max, .min] {
            #expect(refused { $0.flight.head = time })
            #expect(refused { $0.flight.tail = time })
            #expect(refused { $0.far.head = time })
            #expect(refused { $0.far.tail = time })
            #expect(refused { $0.originSent = time })
            #expect(refused { $0.bytes = time })
            #expect(refused { $0.units = time })
            #expect(refused { $0.loadSum = time })
            #expect(refused { $0.loadMost = time })
        }
        #expect(refused { $0.flight.tail = $0.flight.head - 1 })
        #expect(refused { $0.far.tail = $0.far.head - 1 })
        #expect(!refused { $0.flight = Flight(head: late, tail: late) })
        #expect(refused { $0.flight = Flight(head: late, tail: late + 1) })
        for count in [-1, 1 << 24, Int32.max, .min] {
            for place in 0..<3 { #expect(refused { $0.counts[place] = count }) }
        }
    }

    @Test("with a sender, a start, an iteration or an end out of range are refused")
    func frames() {
        let end = IterationEnd(finish: 5, isEmpty: true, counters: [1, 2])
        func refused(iteration: Int64 = 1, start: Instant = 1, sender: Int32 = 1, finish: Instant = 5, counter: Int64 = 0) -> Bool {
            isRefused(
                LayerMessage(
                    iteration: iteration, start: start, follows: false, sender: sender,
                    body: .done(IterationEnd(finish: finish, isEmpty: true, counters: end.counters + [counter]))))
        }
        #expect(!refused() && !refused(sender: -1))
        for sender in [-2, 1 << 20, Int32.max, .min] { #expect(refused(sender: sender)) }
        for number in [-1, times.upperBound + 1, Int64.max, .min] {
            #expect(refused(iteration: number))
            #expect(refused(start: number))
            #expect(refused(finish: number))
            #expect(refused(counter: number))
        }
    }

    @Test("with a sheet out of range are refused")
    func sheets() {
        typealias Part = LoadSheet.Part
        func refused(
            _ group: Int32 = 0, counts: [Int32] = [1], dropped: Int64 = 0, counters: [Int64] = [], _ change: (inout Part) -> Void = { _ in }
        ) -> Bool {
            var part = Part(tokens: 1, attention: 2, dense: 3, shared: 4, head: 5)
            change(&part)
            return isRefused(layer(.sheet(LoadSheet(parts: [part, part], counts: counts, dropped: dropped, counters: counters), group: group)))
        }
        #expect(!refused())
        for group in [-1, 1 << 16, Int32.max, .min] { #expect(refused(group)) }
        for count in [-1, 1 << 24, Int32.max, .min] { #expect(refused(counts: [0, 1, 2, 3, 4, 5, 6, 7, 8, count])) }
        for number in [-1, times.upperBound + 1, Int64.max, .min] {
            #expect(refused(dropped: number))
            #expect(refused(counters: [0, number, 0]))
            #expect(refused { $0.tokens = number })
            #expect(refused { $0.attention = number })
            #expect(refused { $0.dense = number })
            #expect(refused { $0.shared = number })
            #expect(refused { $0.head = number })
        }
    }

    @Test("with a note out of range are refused")
    func notes() {
        func refused(_ change: (inout StepNote) -> Void) -> Bool {
            var note = Self.note
            change(&note)
            return isRefused(verdict([Self.note, note, Self.note]))
        }
        #expect(!refused { _ in })
        #expect(!refused { $0.start = 0 }, "before the iteration, as a rank's first wait may be")
        #expect(refused { $0.end = $0.start - 1 })
        for step in [-1, 1 << 24, Int32.max, .min] { #expect(refused { $0.step = step }) }
        for last in [-2, 1 << 20, Int32.max, .min] { #expect(refused { $0.last = last }) }
        for distinct in [-1, Int32.min] { #expect(refused { $0.distinct = distinct }) }
        for number in [-1, times.upperBound + 1, Int64.max, .min] {
            #expect(refused { ($0.start, $0.end) = (number, number) })
            #expect(refused { $0.end = number })
            #expect(refused { $0.tokens = number })
            #expect(refused { $0.awaitedRank = number })
            #expect(refused { $0.awaitedNetwork = number })
            #expect(isRefused(verdict([], counters: [number])))
            #expect(isRefused(verdict([], imbalances: [number])))
            #expect(isRefused(verdict([], lastFinish: number)))
            #expect(isRefused(verdict([], finish: number)))
            for share in [\IterationShares.attention, \.experts, \.awaitingAttention, \.awaitingExperts, \.awaitingNetwork, \.routedTokens] {
                var shares = IterationShares()
                shares[keyPath: share] = number
                #expect(isRefused(verdict([], shares: shares)))
            }
        }
        #expect(isRefused(traffic { $0.messages = -1 }))
        #expect(isRefused(traffic { $0.bytes = -1 }))
    }

    private func traffic(_ change: (inout Traffic) -> Void) -> LayerMessage {
        var traffic = Traffic()
        change(&traffic)
        return layer(
            .verdict(
                LayerVerdict(
                    finish: 0, shares: IterationShares(), notes: [], traffic: traffic, imbalances: [], lastFinish: 0, isEmpty: true, counters: [])))
    }
}

@Suite("Frames within frames")
struct ParcelTests {
    private func parcels(_ bytes: [UInt8]) throws -> [(source: Int32, target: Int32, frame: [UInt8])] {
        var found: [(source: Int32, target: Int32, frame: [UInt8])] = []
        try bytes.withUnsafeBytes { buffer in
            try FrameDecoder(nodes: nodeCount).decode(buffer, parcels: { found.append(($0, $1, Array($2))) }, body: { _ in })
        }
        return found
    }

    @Test("put one after the other come out as they were, each for its receiver")
    func sequence() throws {
        var random = RandomStream(seed: 1, stream: 8)
        let encoder = FrameEncoder()
        let targets = [0, Int32(nodeCount - 1), 7, FrameEncoder.everybody]
        let frames = targets.map { _ in frame(source: 2, [randomEnvelope(source: 2, kind: 12, &random)]) }
        var bytes: [UInt8] = []
        for (target, frame) in zip(targets, frames) { frame.withUnsafeBytes { encoder.append($0, for: target, of: 3, to: &bytes) } }
        let found = try parcels(bytes)
        #expect(found.map(\.source) == [3, 3, 3, 3] && found.map(\.target) == targets && found.map(\.frame) == frames)
        #expect((try? decoded(bytes, FrameDecoder(nodes: nodeCount))) == nil, "a node that passes nothing on takes none")
    }

    @Test("for nodes that are not there are refused")
    func targets() {
        for target in [Int32(nodeCount), -2, .max, .min] {
            var bytes: [UInt8] = []
            [UInt8](repeating: 1, count: 9).withUnsafeBytes { FrameEncoder().append($0, for: target, of: 3, to: &bytes) }
            #expect((try? parcels(bytes)) == nil)
        }
    }
}

/// Bytes that no encoder of ours makes.
@Suite("Hostile frames of a gang's messages")
struct HostileLayerFrameTests {
    private func varint(_ number: UInt64) -> [UInt8] {
        var (rest, bytes): (UInt64, [UInt8]) = (number, [])
        repeat {
            bytes.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
            rest >>= 7
        } while rest > 0
        return bytes
    }

    private func field(_ number: Int, _ value: UInt64) -> [UInt8] { varint(UInt64(number << 3)) + varint(value) }
    private func field(_ number: Int, _ bytes: [UInt8], length: UInt64? = nil) -> [UInt8] {
        varint(UInt64(number << 3 | 2)) + varint(length ?? UInt64(bytes.count)) + bytes
    }

    /// A frame with one message of a gang whose body is the field `number` of `Layer`.
    private func frame(_ number: Int, _ body: [UInt8]) -> [UInt8] { field(2, field(22, field(number, body))) }
    private func isRead(_ bytes: [UInt8]) -> Bool { (try? decoded(bytes, FrameDecoder(nodes: nodeCount))) != nil }
    private func isReadLeg(_ bytes: [UInt8]) -> Bool { isRead(frame(10, bytes)) }
    private func isReadCounters(_ bytes: [UInt8]) -> Bool { isRead(frame(14, bytes)) }

    @Test("whose bytes are no whole numbers of their width are refused")
    func lengths() {
        let shares = field(9, field(2, [UInt8](repeating: 0, count: 12)))
        for length in 0..<40 {
            let bytes = [UInt8](repeating: 0, count: length)
            for width in 0..<3 {
                let isWhole = length.isMultiple(of: 2 << width)
                #expect(isReadCounters(field(1, UInt64(width)) + field(2, bytes)) == isWhole)
                #expect(isReadLeg(field(11, UInt64(width)) + field(12, bytes)) == (isWhole && (width < 2 || length == 0)))
            }
            #expect(isRead(frame(13, field(1, field(2, bytes)) + shares)) == length.isMultiple(of: 16), "a note is eight numbers")
            #expect(isRead(frame(13, field(9, field(2, bytes)))) == (length == 12), "shares are six, of one rank")
            #expect(isRead(frame(12, field(2, field(2, bytes)))) == length.isMultiple(of: 10), "a part is five")
        }
        for width in [3, 4, 8, 1 << 31, UInt64.max] {
            #expect(!isReadCounters(field(1, width) + field(2, [0, 0, 0, 0, 0, 0, 0, 0])))
            #expect(!isReadLeg(field(11, width) + field(12, [0, 0, 0, 0, 0, 0, 0, 0])))
            // Only counts of a sheet may have 8 bits, the width of number 3.
            #expect(isRead(frame(12, field(3, field(1, width) + field(2, [1, 2, 3])))) == (width == 3))
        }
    }

    @Test("that claim more bytes than there are, are refused", arguments: [9, 1 << 20, 1 << 31, 1 << 32, 1 << 62, UInt64.max])
    func claims(length: UInt64) {
        let bytes = [UInt8](repeating: 0, count: 8)
        #expect(isReadLeg(field(12, bytes)) && isReadCounters(field(2, bytes)))
        #expect(!isReadLeg(field(12, bytes, length: length)))
        #expect(!isReadCounters(field(2, bytes, length: length)))
        #expect(!isRead(field(2, field(22, field(12, bytes, length: length)))))
    }

    @Test("without a body, or with one of an unknown kind, are refused")
    func bodies() {
        #expect(!isRead(field(2, field(22, []))))
        #expect(!isRead(field(2, field(22, field(15, [])))))
        for kind in LayerLeg.Kind.allCases { #expect(isReadLeg(field(1, UInt64(kind.rawValue)))) }
        for kind in [9, 255, 256, 1 << 32 - 1] { #expect(!isReadLeg(field(1, UInt64(kind)))) }
    }

    @Test("mutated in their numbers give messages in range, or an error", arguments: 0..<layerKinds)
    func mutated(kind: Int) throws {
        var random = RandomStream(seed: UInt64(kind), stream: 7)
        let decoder = FrameDecoder(nodes: nodeCount)
        var read = 0
        for _ in 0..<300 {
            let message = randomLayer(kind, &random)
            let envelope = Envelope(
                source: 1, sequence: 0, sent: 1, head: 1, tail: 1, bytes: 0, link: 0, isBulk: false, message: .layer(message))
            let good = TransportTests.frame(source: 1, [envelope])
            for _ in 0..<8 {
                var bytes = good
                for _ in 0..<(1 + random.below(2)) { bytes[random.below(bytes.count)] = [0, 1, 2, 0x7F, 0x80, 0xFF][random.below(6)] }
                guard let found = try? decoded(bytes, decoder) else { continue }
                read += 1
                for case .layer(let message) in found.map(\.message) where !isInRangeOfLayers(message) {
                    Issue.record("out of range: \(message.body) from \(bytes)")
                }
            }
        }
        #expect(read > 100)
    }
}
