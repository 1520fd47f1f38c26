import CProtobufC
import CWire
import Models
import Nodes
import Quantities

/// Messages between the ranks of a gang.
extension FrameDecoder {
    /// Members that a gang may have, and steps of an iteration.
    private static let members: UInt32 = 1 << 20
    private static let steps: UInt32 = 1 << 24
    /// Tokens of a rank's batch, which count the picks of an expert too; hidden states in a message and the bytes that they are; pairs of token
    /// and expert; time of a part of a layer. So that sums over the ranks and steps of a gang are numbers too.
    private static let tokens: Int64 = 1 << 21
    private static let units: Int64 = 1 << 32
    private static let bytes: ByteCount = 1 << 47
    private static let pairs: Int64 = 1 << 38
    private static let time: Nanoseconds = 1 << 46

    func unpack(_ packed: Testbed__Layer) throws(FrameError) -> LayerMessage {
        guard packed.sender < Self.members, (0...Self.limit).contains(packed.start), (0...(1 << 34)).contains(packed.iteration) else {
            throw FrameError(description: "a message of a gang with members, times or iterations out of range")
        }
        return LayerMessage(
            iteration: packed.iteration, start: packed.start, follows: packed.follows != 0, sender: Int32(packed.sender),
            body: try unpackBody(packed))
    }

    private func unpackBody(_ packed: Testbed__Layer) throws(FrameError) -> LayerMessage.Body {
        switch packed.body_case {
        case TESTBED__LAYER__BODY_LEG: return .leg(try unpack(packed.leg.pointee))
        case TESTBED__LAYER__BODY_DONE:
            let end = packed.done.pointee
            guard (0...Self.limit).contains(end.finish) else { throw FrameError(description: "an end of an iteration out of range") }
            return .done(IterationEnd(finish: end.finish, isEmpty: end.is_empty != 0, counters: try counters(end.counters)))
        case TESTBED__LAYER__BODY_SHEET: return try unpack(packed.sheet.pointee)
        case TESTBED__LAYER__BODY_VERDICT: return .verdict(try unpack(packed.verdict.pointee))
        case TESTBED__LAYER__BODY_COUNTERS: return .counters(try counters(packed.counters))
        default: throw FrameError(description: "a message of a gang without a body")
        }
    }

    private func unpack(_ leg: Testbed__Leg) throws(FrameError) -> LayerLeg {
        let times = 0...Self.limit
        guard let kind = UInt8(exactly: leg.kind).flatMap(LayerLeg.Kind.init(rawValue:)), leg.step < Self.steps, leg.origin < Self.members,
            times.contains(leg.head), times.contains(leg.length), times.contains(leg.origin_sent), (0...Self.bytes).contains(leg.bytes),
            (0...Self.units).contains(leg.units), (0...Self.pairs).contains(leg.load_sum), (0...Self.pairs).contains(leg.load_most)
        else { throw FrameError(description: "an exchange with kinds, times or sizes out of range") }
        return LayerLeg(
            kind: kind, step: Int32(leg.step), flight: Flight(head: leg.head, tail: leg.head + leg.length), origin: Int32(leg.origin),
            originSent: leg.origin_sent, bytes: leg.bytes, units: leg.units, loadSum: leg.load_sum, loadMost: leg.load_most,
            counts: try counts(leg.counts, width: leg.width))
    }

    private func unpack(_ sheet: Testbed__Sheet) throws(FrameError) -> LayerMessage.Body {
        let words = try numbers(sheet.parts)
        guard words.count.isMultiple(of: 5), words.allSatisfy({ (0...Self.time).contains($0) }), (0...Self.pairs).contains(sheet.dropped),
            stride(from: 0, to: words.count, by: 5).allSatisfy({ words[$0] <= Self.tokens }), sheet.group < 1 << 16
        else { throw FrameError(description: "a sheet of loads out of range") }
        let parts = stride(from: 0, to: words.count, by: 5).map { place in
            LoadSheet.Part(
                tokens: words[place], attention: words[place + 1], dense: words[place + 2], shared: words[place + 3], head: words[place + 4])
        }
        let loads = LoadSheet(
            parts: parts, counts: try counts(sheet.counts, width: sheet.width), dropped: sheet.dropped, counters: try counters(sheet.counters))
        return .sheet(loads, group: Int32(sheet.group))
    }

    private func unpack(_ verdict: Testbed__Verdict) throws(FrameError) -> LayerVerdict {
        let words = try numbers(verdict.notes)
        let times = 0...Self.limit
        guard words.count.isMultiple(of: NoteWords.count), times.contains(verdict.messages), times.contains(verdict.bytes),
            times.contains(verdict.last_finish)
        else { throw FrameError(description: "a verdict out of range") }
        var notes: [StepNote] = []
        notes.reserveCapacity(words.count / NoteWords.count)
        for place in stride(from: 0, to: words.count, by: NoteWords.count) {
            guard let note = NoteWords.note(words[place..<place + NoteWords.count], limit: Self.limit) else {
                throw FrameError(description: "a note of a layer out of range")
            }
            notes.append(note)
        }
        var traffic = Traffic()
        traffic.messages = verdict.messages
        traffic.bytes = verdict.bytes
        return LayerVerdict(
            notes: notes, traffic: traffic, imbalances: try counters(verdict.imbalances), lastFinish: verdict.last_finish,
            isEmpty: verdict.is_empty != 0, counters: try counters(verdict.counters))
    }

    private func counts(_ data: ProtobufCBinaryData, width: UInt32) throws(FrameError) -> [Int32] {
        guard width == 2 || width == 4, data.len.isMultiple(of: Int(width)) else {
            throw FrameError(description: "\(data.len) bytes of counts of \(width) bytes each")
        }
        guard let bytes = data.data, data.len > 0 else { return [] }
        let raw = UnsafeRawPointer(bytes)
        let numbers = [Int32](unsafeUninitializedCapacity: data.len / Int(width)) { place, count in
            count = data.len / Int(width)
            if width == 2 {
                for index in 0..<count {
                    place[index] = Int32(UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)))
                }
            } else {
                for index in 0..<count { place[index] = Int32(littleEndian: raw.loadUnaligned(fromByteOffset: 4 * index, as: Int32.self)) }
            }
        }
        guard width == 2 || numbers.allSatisfy({ $0 >= 0 && $0 <= Self.tokens }) else { throw FrameError(description: "counts out of range") }
        return numbers
    }

    /// Counts of 64 bits, bounded so that sums over all ranks are numbers too.
    private func counters(_ data: ProtobufCBinaryData) throws(FrameError) -> [Int64] {
        let numbers = try numbers(data)
        guard numbers.allSatisfy({ (0...(1 << 42)).contains($0) }) else { throw FrameError(description: "counters out of range") }
        return numbers
    }

    private func numbers(_ data: ProtobufCBinaryData) throws(FrameError) -> [Int64] {
        guard data.len.isMultiple(of: 8) else { throw FrameError(description: "\(data.len) bytes of 64-bit numbers") }
        guard let bytes = data.data else { return [] }
        let raw = UnsafeRawPointer(bytes)
        return [Int64](unsafeUninitializedCapacity: data.len / 8) { place, count in
            count = data.len / 8
            for index in 0..<count { place[index] = Int64(littleEndian: raw.loadUnaligned(fromByteOffset: 8 * index, as: Int64.self)) }
        }
    }
}
