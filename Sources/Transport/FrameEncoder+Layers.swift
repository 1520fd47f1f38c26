import CProtobufC
import CWire
import Nodes
import Quantities

/// Messages between the ranks of a gang.
extension FrameEncoder {
    func pack(_ message: LayerMessage) -> UnsafeMutablePointer<Testbed__Layer>? {
        guard let packed = arena.make(testbed__layer__init) else { return nil }
        packed.pointee.iteration = message.iteration
        packed.pointee.start = message.start
        packed.pointee.follows = message.follows ? 1 : 0
        packed.pointee.sender = message.sender
        switch message.body {
        case .leg(let leg):
            packed.pointee.body_case = TESTBED__LAYER__BODY_LEG
            packed.pointee.leg = pack(leg)
        case .done(let end):
            packed.pointee.body_case = TESTBED__LAYER__BODY_DONE
            packed.pointee.done = pack(end)
        case .sheet(let sheet, let group):
            packed.pointee.body_case = TESTBED__LAYER__BODY_SHEET
            packed.pointee.sheet = pack(sheet, group)
        case .verdict(let verdict):
            packed.pointee.body_case = TESTBED__LAYER__BODY_VERDICT
            packed.pointee.verdict = pack(verdict, start: message.start)
        case .counters(let sums):
            packed.pointee.body_case = TESTBED__LAYER__BODY_COUNTERS
            packed.pointee.counters = pack(sums)
        }
        // All bodies share one place, so this asks for whichever was set.
        return packed.pointee.leg != nil ? packed : nil
    }

    func packWake(_ start: Instant, epoch: Int32) -> UnsafeMutablePointer<Testbed__Wake>? {
        guard let packed = arena.make(testbed__wake__init) else { return nil }
        packed.pointee.start = start
        packed.pointee.epoch = epoch
        return packed
    }

    private func pack(_ leg: LayerLeg) -> UnsafeMutablePointer<Testbed__Leg>? {
        guard let packed = arena.make(testbed__leg__init), let counts = narrow(leg.counts) else { return nil }
        packed.pointee.kind = UInt32(leg.kind.rawValue)
        packed.pointee.step = UInt32(bitPattern: leg.step)
        packed.pointee.head = leg.flight.head
        packed.pointee.length = leg.flight.tail &- leg.flight.head
        packed.pointee.far_later = leg.far.head &- leg.flight.head
        packed.pointee.far_longer = (leg.far.tail &- leg.far.head) &- packed.pointee.length
        packed.pointee.origin = leg.origin
        packed.pointee.origin_sent = leg.originSent
        packed.pointee.bytes = leg.bytes
        packed.pointee.units = leg.units
        packed.pointee.load_sum = leg.loadSum
        packed.pointee.load_most = leg.loadMost
        packed.pointee.width = counts.width
        packed.pointee.counts = counts.data
        return packed
    }

    private func pack(_ end: IterationEnd) -> UnsafeMutablePointer<Testbed__IterationEnd>? {
        guard let packed = arena.make(testbed__iteration_end__init), let counters = pack(end.counters) else { return nil }
        packed.pointee.finish = end.finish
        packed.pointee.is_empty = end.isEmpty ? 1 : 0
        packed.pointee.counters = counters
        return packed
    }

    private func pack(_ sheet: LoadSheet, _ group: Int32) -> UnsafeMutablePointer<Testbed__Sheet>? {
        let wordCount = LayerWords.perPart * sheet.parts.count
        guard let packed = arena.make(testbed__sheet__init), let words = arena.array(Int64.self, count: wordCount) else { return nil }
        for (place, part) in sheet.parts.enumerated() { LayerWords.write(part, to: words + LayerWords.perPart * place) }
        guard let parts = pack(narrow(UnsafeBufferPointer(start: words, count: wordCount))), let counts = pack(copy(sheet.packed)),
            let counters = pack(sheet.counters)
        else { return nil }
        packed.pointee.group = UInt32(bitPattern: group)
        packed.pointee.parts = parts
        packed.pointee.counts = counts
        packed.pointee.dropped = sheet.dropped
        packed.pointee.counters = counters
        return packed
    }

    private func pack(_ verdict: LayerVerdict, start: Instant) -> UnsafeMutablePointer<Testbed__Verdict>? {
        let wordCount = LayerWords.perNote * verdict.notes.count
        guard let packed = arena.make(testbed__verdict__init), let words = arena.array(Int64.self, count: wordCount) else { return nil }
        for (place, note) in verdict.notes.enumerated() { LayerWords.write(note, of: start, to: words + LayerWords.perNote * place) }
        guard let notes = pack(narrow(UnsafeBufferPointer(start: words, count: wordCount))), let imbalances = pack(verdict.imbalances),
            let counters = pack(verdict.counters)
        else { return nil }
        packed.pointee.notes = notes
        packed.pointee.messages = verdict.traffic.messages
        packed.pointee.bytes = verdict.traffic.bytes
        packed.pointee.imbalances = imbalances
        guard let sums = arena.array(Int64.self, count: LayerWords.perShares) else { return nil }
        LayerWords.write(verdict.shares, to: sums)
        guard let shares = pack(narrow(UnsafeBufferPointer(start: sums, count: LayerWords.perShares))) else { return nil }
        packed.pointee.finish = verdict.finish
        packed.pointee.shares = shares
        packed.pointee.last_finish = verdict.lastFinish
        packed.pointee.is_empty = verdict.isEmpty ? 1 : 0
        packed.pointee.counters = counters
        return packed
    }
}

// MARK: - Lists of numbers

extension FrameEncoder {
    /// A list of numbers as it travels.
    fileprivate struct NarrowNumbers {
        var width: Testbed__Width
        var data: ProtobufCBinaryData

        init<Number>(_ width: Testbed__Width, _ place: UnsafeMutablePointer<Number>, count: Int) {
            self.width = width
            let size = MemoryLayout<Number>.stride * count
            data = ProtobufCBinaryData(len: size, data: UnsafeMutableRawPointer(place).assumingMemoryBound(to: UInt8.self))
        }
    }

    private func pack(_ numbers: [Int64]) -> UnsafeMutablePointer<Testbed__Numbers>? { pack(numbers.withUnsafeBufferPointer { narrow($0) }) }

    private func pack(_ numbers: NarrowNumbers?) -> UnsafeMutablePointer<Testbed__Numbers>? {
        guard let numbers, let packed = arena.make(testbed__numbers__init) else { return nil }
        packed.pointee.width = numbers.width
        packed.pointee.packed = numbers.data
        return packed
    }

    /// Counts as they are. `nil` without memory.
    private func copy(_ packed: PackedCounts) -> NarrowNumbers? {
        let width = packed.width == 1 ? TESTBED__WIDTH__BITS_8 : packed.width == 2 ? TESTBED__WIDTH__BITS_16 : TESTBED__WIDTH__BITS_32
        guard let place = arena.array(UInt8.self, count: packed.bytes.count) else { return nil }
        packed.bytes.withUnsafeBufferPointer { bytes in
            if let base = bytes.baseAddress { place.update(from: base, count: bytes.count) }
        }
        return NarrowNumbers(width, place, count: packed.bytes.count)
    }

    /// Counts in 16 bits where all fit, else in 32. `nil` without memory.
    private func narrow(_ counts: [Int32]) -> NarrowNumbers? {
        counts.withUnsafeBufferPointer { counts in
            // One look at all bits instead of one at each number: such loops are done several numbers at a time.
            var bits: UInt32 = 0
            for count in counts { bits |= UInt32(bitPattern: count) }
            if bits <= UInt32(UInt16.max) {
                guard let place = arena.array(UInt16.self, count: counts.count) else { return nil }
                for index in 0..<counts.count { place[index] = UInt16(truncatingIfNeeded: counts[index]).littleEndian }
                return NarrowNumbers(TESTBED__WIDTH__BITS_16, place, count: counts.count)
            }
            guard let place = arena.array(Int32.self, count: counts.count) else { return nil }
            for index in 0..<counts.count { place[index] = counts[index].littleEndian }
            return NarrowNumbers(TESTBED__WIDTH__BITS_32, place, count: counts.count)
        }
    }

    /// Numbers in 16 or 32 bits where all fit, else in 64. `nil` without memory.
    private func narrow(_ numbers: UnsafeBufferPointer<Int64>) -> NarrowNumbers? {
        var bits: UInt64 = 0
        for number in numbers { bits |= UInt64(bitPattern: number) }
        if bits <= UInt64(UInt16.max) {
            guard let place = arena.array(UInt16.self, count: numbers.count) else { return nil }
            for index in 0..<numbers.count { place[index] = UInt16(truncatingIfNeeded: numbers[index]).littleEndian }
            return NarrowNumbers(TESTBED__WIDTH__BITS_16, place, count: numbers.count)
        }
        if bits <= UInt64(Int32.max) {
            guard let place = arena.array(Int32.self, count: numbers.count) else { return nil }
            for index in 0..<numbers.count { place[index] = Int32(truncatingIfNeeded: numbers[index]).littleEndian }
            return NarrowNumbers(TESTBED__WIDTH__BITS_32, place, count: numbers.count)
        }
        guard let place = arena.array(Int64.self, count: numbers.count) else { return nil }
        for index in 0..<numbers.count { place[index] = numbers[index].littleEndian }
        return NarrowNumbers(TESTBED__WIDTH__BITS_64, place, count: numbers.count)
    }
}
