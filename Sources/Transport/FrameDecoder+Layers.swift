import CProtobufC
import CWire
import Models
import Nodes
import Quantities

/// Messages between the ranks of a gang. Whether their members and steps are those of a gang is for that gang to say.
extension FrameDecoder {
    private static let times = 0...limit
    /// Tokens in a count, and sums of them.
    private static let countBits = 24
    private static let counterBits = 42

    func unpack(_ packed: Testbed__Wake) throws(FrameError) -> (start: Instant, epoch: Int32) {
        guard Self.times.contains(packed.start), LayerWords.epochs.contains(packed.epoch) else {
            throw FrameError(description: "a start of a gang out of range")
        }
        return (packed.start, packed.epoch)
    }

    func unpack(_ packed: Testbed__Layer) throws(FrameError) -> LayerMessage {
        guard LayerWords.members.contains(packed.sender), Self.times.contains(packed.start), LayerWords.iterations.contains(packed.iteration) else {
            throw FrameError(description: "a message of a gang with members, times or iterations out of range")
        }
        return LayerMessage(
            iteration: packed.iteration, start: packed.start, follows: packed.follows != 0, sender: packed.sender, body: try unpackBody(packed))
    }

    private func unpackBody(_ packed: Testbed__Layer) throws(FrameError) -> LayerMessage.Body {
        guard packed.leg != nil else { throw FrameError(description: "a message of a gang without a body") }
        switch packed.body_case {
        case TESTBED__LAYER__BODY_LEG: return .leg(try unpack(packed.leg.pointee))
        case TESTBED__LAYER__BODY_DONE: return .done(try unpack(packed.done.pointee))
        case TESTBED__LAYER__BODY_SHEET: return .sheet(try unpack(packed.sheet.pointee), group: try group(packed.sheet.pointee))
        case TESTBED__LAYER__BODY_VERDICT: return .verdict(try unpack(packed.verdict.pointee, start: packed.start))
        case TESTBED__LAYER__BODY_COUNTERS: return .counters(try counters(packed.counters))
        default: throw FrameError(description: "a message of a gang with a body of an unknown kind")
        }
    }

    private func unpack(_ packed: Testbed__Leg) throws(FrameError) -> LayerLeg {
        guard let kind = UInt8(exactly: packed.kind).flatMap(LayerLeg.Kind.init(rawValue:)), LayerWords.steps.contains(Int64(packed.step)),
            LayerWords.members.contains(packed.origin), let flight = Self.flight(packed.head, packed.length),
            let far = Self.flight(packed.head &+ packed.far_later, packed.length &+ packed.far_longer), Self.times.contains(packed.origin_sent),
            LayerWords.bytes.contains(packed.bytes),
            LayerWords.sizes.contains(packed.units), LayerWords.sizes.contains(packed.load_sum), LayerWords.sizes.contains(packed.load_most)
        else { throw FrameError(description: "an exchange with kinds, members, times or sizes out of range") }
        return LayerLeg(
            kind: kind, step: Int32(packed.step), flight: flight, far: far, origin: packed.origin, originSent: packed.origin_sent,
            bytes: packed.bytes, units: packed.units, loadSum: packed.load_sum, loadMost: packed.load_most,
            counts: try counts(packed.counts, packed.width))
    }

    private static func flight(_ head: Instant, _ length: Nanoseconds) -> Flight? {
        guard times.contains(head), times.contains(length), times.contains(head + length) else { return nil }
        return Flight(head: head, tail: head + length)
    }

    private func unpack(_ packed: Testbed__IterationEnd) throws(FrameError) -> IterationEnd {
        guard Self.times.contains(packed.finish) else { throw FrameError(description: "an end of an iteration out of range") }
        return IterationEnd(finish: packed.finish, isEmpty: packed.is_empty != 0, counters: try counters(packed.counters))
    }

    private func group(_ packed: Testbed__Sheet) throws(FrameError) -> Int32 {
        guard packed.group < 1 << 16 else { throw FrameError(description: "group \(packed.group) of layers") }
        return Int32(packed.group)
    }

    private func unpack(_ packed: Testbed__Sheet) throws(FrameError) -> LoadSheet {
        guard Self.times.contains(packed.dropped) else { throw FrameError(description: "a sheet with a number of dropped picks out of range") }
        let parts = try records(packed.parts, size: LayerWords.perPart) { LayerWords.part($0) }
        return LoadSheet(
            parts: parts, packed: try packedCounts(packed.counts), dropped: packed.dropped, counters: try counters(packed.counters))
    }

    private func unpack(_ packed: Testbed__Verdict, start: Instant) throws(FrameError) -> LayerVerdict {
        guard Self.times.contains(packed.messages), Self.times.contains(packed.bytes), Self.times.contains(packed.last_finish),
            Self.times.contains(packed.finish)
        else {
            throw FrameError(description: "a verdict with times or sizes out of range")
        }
        let notes = try records(packed.notes, size: LayerWords.perNote) { LayerWords.note($0, of: start, times: Self.times) }
        let shares = try records(packed.shares, size: LayerWords.perShares) { LayerWords.shares($0) }
        guard shares.count == 1 else { throw FrameError(description: "a verdict with shares of \(shares.count) ranks") }
        var traffic = Traffic()
        traffic.messages = packed.messages
        traffic.bytes = packed.bytes
        return LayerVerdict(
            finish: packed.finish, shares: shares[0], notes: notes, traffic: traffic, imbalances: try counters(packed.imbalances),
            lastFinish: packed.last_finish,
            isEmpty: packed.is_empty != 0, counters: try counters(packed.counters))
    }
}

// MARK: - Lists of numbers

extension FrameDecoder {
    /// Counts of a sheet as they are.
    private func packedCounts(_ packed: UnsafeMutablePointer<Testbed__Numbers>?) throws(FrameError) -> PackedCounts {
        guard let packed, packed.pointee.packed.len > 0 else { return PackedCounts([]) }
        let (data, width) = (packed.pointee.packed, packed.pointee.width)
        _ = try Self.count(data, width)
        switch width {
        case TESTBED__WIDTH__BITS_8, TESTBED__WIDTH__BITS_16:
            let bytes = [UInt8](UnsafeBufferPointer(start: data.data, count: data.len))
            return PackedCounts(bytes: bytes, width: width == TESTBED__WIDTH__BITS_8 ? 1 : 2)
        default: return PackedCounts(try counts(data, width))
        }
    }

    private func counts(_ data: ProtobufCBinaryData, _ width: Testbed__Width) throws(FrameError) -> [Int32] {
        guard let bytes = UnsafeRawPointer(data.data), data.len > 0 else { return [] }
        let count = try Self.count(data, width)
        guard width == TESTBED__WIDTH__BITS_16 || width == TESTBED__WIDTH__BITS_32 else { throw FrameError(description: "counts of 8 or 64 bits") }
        // One look at all bits instead of one at each number: such loops are done several numbers at a time.
        var bits: UInt32 = 0
        let counts = [Int32](unsafeUninitializedCapacity: count) { place, filled in
            if width == TESTBED__WIDTH__BITS_16 {
                for index in 0..<count {
                    place[index] = Int32(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)))
                }
            } else {
                for index in 0..<count {
                    let number = Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * index, as: Int32.self))
                    bits |= UInt32(bitPattern: number)
                    place[index] = number
                }
            }
            filled = count
        }
        guard bits >> Self.countBits == 0 else { throw FrameError(description: "counts out of range") }
        return counts
    }

    /// Numbers that are bounded, so that sums over ranks and iterations are numbers too.
    private func counters(_ packed: UnsafeMutablePointer<Testbed__Numbers>?) throws(FrameError) -> [Int64] {
        let numbers = try numbers(packed)
        var bits: UInt64 = 0
        for number in numbers { bits |= UInt64(bitPattern: number) }
        guard bits >> Self.counterBits == 0 else { throw FrameError(description: "counters out of range") }
        return numbers
    }

    /// Numbers of which `size` at a time make a record; `record` answers `nil` where they do not.
    private func records<Record>(
        _ packed: UnsafeMutablePointer<Testbed__Numbers>?, size: Int, record: (UnsafePointer<Int64>) -> Record?
    ) throws(FrameError) -> [Record] {
        let words = try numbers(packed)
        guard words.count.isMultiple(of: size) else { throw FrameError(description: "\(words.count) numbers for records of \(size)") }
        var records: [Record] = []
        records.reserveCapacity(words.count / size)
        words.withUnsafeBufferPointer { words in
            guard let base = words.baseAddress else { return }
            for place in stride(from: 0, to: words.count, by: size) {
                guard let found = record(base + place) else { return }
                records.append(found)
            }
        }
        guard records.count == words.count / size else { throw FrameError(description: "record \(records.count) of a list is out of range") }
        return records
    }

    /// Numbers of any sign.
    private func numbers(_ packed: UnsafeMutablePointer<Testbed__Numbers>?) throws(FrameError) -> [Int64] {
        guard let packed, let bytes = UnsafeRawPointer(packed.pointee.packed.data), packed.pointee.packed.len > 0 else { return [] }
        let width = packed.pointee.width
        guard width != TESTBED__WIDTH__BITS_8 else { throw FrameError(description: "numbers of 8 bits that are no counts of a sheet") }
        let count = try Self.count(packed.pointee.packed, width)
        return [Int64](unsafeUninitializedCapacity: count) { place, filled in
            switch width {
            case TESTBED__WIDTH__BITS_16:
                for index in 0..<count {
                    place[index] = Int64(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)))
                }
            case TESTBED__WIDTH__BITS_32:
                for index in 0..<count {
                    place[index] = Int64(Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * index, as: Int32.self)))
                }
            default:
                for index in 0..<count {
                    place[index] = Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * index, as: Int64.self))
                }
            }
            filled = count
        }
    }

    /// How many numbers of a width the bytes are.
    private static func count(_ data: ProtobufCBinaryData, _ width: Testbed__Width) throws(FrameError) -> Int {
        let shift: Int
        switch width {
        case TESTBED__WIDTH__BITS_8: shift = 0
        case TESTBED__WIDTH__BITS_16: shift = 1
        case TESTBED__WIDTH__BITS_32: shift = 2
        case TESTBED__WIDTH__BITS_64: shift = 3
        default: throw FrameError(description: "numbers of an unknown width")
        }
        guard data.len & (1 << shift - 1) == 0 else { throw FrameError(description: "\(data.len) bytes of numbers of \(1 << shift) bytes each") }
        return data.len >> shift
    }
}
