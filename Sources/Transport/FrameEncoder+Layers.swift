import CProtobufC
import CWire
import Nodes
import Quantities

/// Messages between the ranks of a gang. Lists of numbers go as bytes, little-endian, as they lie in memory.
extension FrameEncoder {
    func pack(_ message: LayerMessage) -> UnsafeMutablePointer<Testbed__Layer>? {
        guard let packed = arena.make(Testbed__Layer.self) else { return nil }
        testbed__layer__init(packed)
        packed.pointee.iteration = message.iteration
        packed.pointee.start = message.start
        packed.pointee.follows = message.follows ? 1 : 0
        packed.pointee.sender = UInt32(bitPattern: message.sender)
        switch message.body {
        case .leg(let leg):
            packed.pointee.body_case = TESTBED__LAYER__BODY_LEG
            guard let body = pack(leg) else { return nil }
            packed.pointee.leg = body
        case .done(let end):
            packed.pointee.body_case = TESTBED__LAYER__BODY_DONE
            guard let body = arena.make(Testbed__IterationEnd.self) else { return nil }
            testbed__iteration_end__init(body)
            body.pointee.finish = end.finish
            body.pointee.is_empty = end.isEmpty ? 1 : 0
            guard let counters = pack(end.counters) else { return nil }
            body.pointee.counters = counters
            packed.pointee.done = body
        case .sheet(let sheet, let group):
            packed.pointee.body_case = TESTBED__LAYER__BODY_SHEET
            guard let body = pack(sheet, group) else { return nil }
            packed.pointee.sheet = body
        case .verdict(let verdict):
            packed.pointee.body_case = TESTBED__LAYER__BODY_VERDICT
            guard let body = pack(verdict) else { return nil }
            packed.pointee.verdict = body
        case .counters(let sums):
            packed.pointee.body_case = TESTBED__LAYER__BODY_COUNTERS
            guard let counters = pack(sums) else { return nil }
            packed.pointee.counters = counters
        }
        return packed
    }

    func packWake(_ start: Instant) -> UnsafeMutablePointer<Testbed__Wake>? {
        guard let packed = arena.make(Testbed__Wake.self) else { return nil }
        testbed__wake__init(packed)
        packed.pointee.start = start
        return packed
    }

    private func pack(_ leg: LayerLeg) -> UnsafeMutablePointer<Testbed__Leg>? {
        guard let body = arena.make(Testbed__Leg.self), let (width, counts) = packCounts(leg.counts) else { return nil }
        testbed__leg__init(body)
        body.pointee.kind = UInt32(leg.kind.rawValue)
        body.pointee.step = UInt32(bitPattern: leg.step)
        body.pointee.head = leg.flight.head
        body.pointee.length = leg.flight.tail - leg.flight.head
        body.pointee.far_head = leg.far.head
        body.pointee.far_length = leg.far.tail - leg.far.head
        body.pointee.origin = UInt32(bitPattern: leg.origin)
        body.pointee.origin_sent = leg.originSent
        body.pointee.bytes = leg.bytes
        body.pointee.units = leg.units
        body.pointee.load_sum = leg.loadSum
        body.pointee.load_most = leg.loadMost
        body.pointee.width = width
        body.pointee.counts = counts
        return body
    }

    private func pack(_ sheet: LoadSheet, _ group: Int32) -> UnsafeMutablePointer<Testbed__Sheet>? {
        guard let body = arena.make(Testbed__Sheet.self), let (width, counts) = packCounts(sheet.counts),
            let parts = pack(sheet.parts.flatMap { [$0.tokens, $0.attention, $0.dense, $0.shared, $0.head] }), let counters = pack(sheet.counters)
        else { return nil }
        testbed__sheet__init(body)
        body.pointee.group = UInt32(bitPattern: group)
        body.pointee.parts = parts
        body.pointee.width = width
        body.pointee.counts = counts
        body.pointee.dropped = sheet.dropped
        body.pointee.counters = counters
        return body
    }

    private func pack(_ verdict: LayerVerdict) -> UnsafeMutablePointer<Testbed__Verdict>? {
        var notes: [Int64] = []
        notes.reserveCapacity(verdict.notes.count * NoteWords.count)
        for note in verdict.notes { NoteWords.append(note, to: &notes) }
        guard let body = arena.make(Testbed__Verdict.self), let words = pack(notes), let imbalances = pack(verdict.imbalances),
            let counters = pack(verdict.counters)
        else { return nil }
        testbed__verdict__init(body)
        body.pointee.notes = words
        body.pointee.messages = verdict.traffic.messages
        body.pointee.bytes = verdict.traffic.bytes
        body.pointee.imbalances = imbalances
        body.pointee.last_finish = verdict.lastFinish
        body.pointee.is_empty = verdict.isEmpty ? 1 : 0
        body.pointee.counters = counters
        return body
    }

    /// Counts of two bytes where all fit, else of four.
    private func packCounts(_ counts: [Int32]) -> (UInt32, ProtobufCBinaryData)? {
        guard !counts.isEmpty else { return (2, ProtobufCBinaryData(len: 0, data: nil)) }
        if counts.allSatisfy({ $0 >= 0 && $0 <= 0xFFFF }) {
            guard let place = arena.array(UInt16.self, count: counts.count) else { return nil }
            for index in counts.indices { place[index] = UInt16(truncatingIfNeeded: counts[index]).littleEndian }
            return (2, data(place, bytes: 2 * counts.count))
        }
        guard let place = arena.array(Int32.self, count: counts.count) else { return nil }
        for index in counts.indices { place[index] = counts[index].littleEndian }
        return (4, data(place, bytes: 4 * counts.count))
    }

    private func pack(_ numbers: [Int64]) -> ProtobufCBinaryData? {
        guard !numbers.isEmpty else { return ProtobufCBinaryData(len: 0, data: nil) }
        guard let place = arena.array(Int64.self, count: numbers.count) else { return nil }
        for index in numbers.indices { place[index] = numbers[index].littleEndian }
        return data(place, bytes: 8 * numbers.count)
    }

    private func data<Value>(_ place: UnsafeMutablePointer<Value>, bytes: Int) -> ProtobufCBinaryData {
        ProtobufCBinaryData(len: bytes, data: UnsafeMutableRawPointer(place).assumingMemoryBound(to: UInt8.self))
    }
}

/// A note as seven 64-bit numbers.
enum NoteWords {
    static let count = 7

    static func append(_ note: StepNote, to words: inout [Int64]) {
        words.append(Int64(note.step) << 2 | (note.isAttention ? 2 : 0) | (note.awaitsExperts ? 1 : 0))
        words.append(note.start)
        words.append(note.end)
        words.append(note.tokens)
        words.append(Int64(note.distinct) << 32 | Int64(UInt32(bitPattern: note.last)))
        words.append(note.awaitedRank)
        words.append(note.awaitedNetwork)
    }

    /// `nil` for words that no note has.
    static func note(_ words: ArraySlice<Int64>, limit: Instant) -> StepNote? {
        let base = words.startIndex
        let flags = words[base]
        let (start, end) = (words[base + 1], words[base + 2])
        let distinct = words[base + 4] >> 32
        let last = Int32(truncatingIfNeeded: words[base + 4])
        guard flags >= 0, flags >> 2 < 1 << 24, start >= 0, end >= start, end <= limit, words[base + 3] >= 0, words[base + 3] <= limit, distinct >= 0,
            last >= -1, (0...limit).contains(words[base + 5]), (0...limit).contains(words[base + 6])
        else { return nil }
        return StepNote(
            isAttention: flags & 2 != 0, step: Int32(flags >> 2), start: start, end: end, tokens: words[base + 3], distinct: Int32(distinct),
            last: last, awaitsExperts: flags & 1 != 0, awaitedRank: words[base + 5], awaitedNetwork: words[base + 6])
    }
}
