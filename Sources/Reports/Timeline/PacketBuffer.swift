import CPerfettoTrace
import Quantities

typealias TracePacket = Perfetto__Protos__TracePacket
typealias TrackEvent = Perfetto__Protos__TrackEvent
typealias TrackDescriptor = Perfetto__Protos__TrackDescriptor

/// The messages that events are packed from, made once: packing an event allocates nothing.
///
/// C keeps pointers between the messages, so all of them live in memory of our own until `deinit`.
final class PacketBuffer {
    private let packet = UnsafeMutablePointer<TracePacket>.allocate(capacity: 1)
    private let event = UnsafeMutablePointer<TrackEvent>.allocate(capacity: 1)
    private let category = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
    private let annotations = UnsafeMutablePointer<Perfetto__Protos__DebugAnnotation>.allocate(capacity: 2)
    private let annotationList = UnsafeMutablePointer<UnsafeMutablePointer<Perfetto__Protos__DebugAnnotation>?>.allocate(capacity: 2)
    private let sequence: UInt32
    private var isFirst = true

    /// More than any event takes: an event is about 60 bytes at most.
    private static let eventCapacity = 256

    /// Values of `TrackEvent.type`.
    private enum EventType: Int32 {
        case begin = 1
        case end = 2
        case instant = 3
        case counter = 4
    }

    /// - Parameter sequence: tells this writer's interned names from those of others.
    init(sequence: UInt32) {
        self.sequence = sequence
        perfetto__protos__trace_packet__init(packet)
        perfetto__protos__track_event__init(event)
        for index in 0..<2 {
            perfetto__protos__debug_annotation__init(annotations + index)
            annotations[index].has_name_iid = 1
            annotations[index].has_uint_value = 1
            annotationList[index] = annotations + index
        }
        event.pointee.has_type = 1
        event.pointee.has_track_uuid = 1
        event.pointee.category_iids = category
        event.pointee.debug_annotations = annotationList
        packet.pointee.has_trusted_packet_sequence_id = 1
        packet.pointee.trusted_packet_sequence_id = sequence
        packet.pointee.has_sequence_flags = 1
        packet.pointee.has_timestamp = 1
        packet.pointee.track_event = event
    }

    deinit {
        packet.deallocate()
        event.deallocate()
        category.deallocate()
        annotations.deallocate()
        annotationList.deallocate()
    }

    /// A slice begins, with two figures.
    func begin(
        _ name: InternedName, _ kind: InternedCategory, _ track: UInt64, at time: Instant, _ first: (InternedAnnotation, UInt64),
        _ second: (InternedAnnotation, UInt64), into bytes: inout [UInt8]
    ) {
        note(0, first)
        note(1, second)
        event.pointee.n_debug_annotations = 2
        appendNamed(.begin, name, kind, track, at: time, into: &bytes)
        event.pointee.n_debug_annotations = 0
    }

    /// A slice begins, with a figure or without one.
    func begin(
        _ name: InternedName, _ kind: InternedCategory, _ track: UInt64, at time: Instant, _ figure: (InternedAnnotation, UInt64)?,
        into bytes: inout [UInt8]
    ) {
        if let figure {
            note(0, figure)
            event.pointee.n_debug_annotations = 1
        }
        appendNamed(.begin, name, kind, track, at: time, into: &bytes)
        event.pointee.n_debug_annotations = 0
    }

    /// Something happens that takes no time.
    func mark(_ name: InternedName, _ kind: InternedCategory, _ track: UInt64, at time: Instant, into bytes: inout [UInt8]) {
        appendNamed(.instant, name, kind, track, at: time, into: &bytes)
    }

    private func note(_ place: Int, _ figure: (InternedAnnotation, UInt64)) {
        annotations[place].name_iid = figure.0.rawValue
        annotations[place].uint_value = figure.1
    }

    private func appendNamed(
        _ type: EventType, _ name: InternedName, _ kind: InternedCategory, _ track: UInt64, at time: Instant, into bytes: inout [UInt8]
    ) {
        category.pointee = kind.rawValue
        event.pointee.n_category_iids = 1
        event.pointee.has_name_iid = 1
        event.pointee.name_iid = name.rawValue
        append(type, track, at: time, into: &bytes)
        event.pointee.n_category_iids = 0
        event.pointee.has_name_iid = 0
    }

    /// The slice that began last on the track ends.
    func end(_ track: UInt64, at time: Instant, into bytes: inout [UInt8]) { append(.end, track, at: time, into: &bytes) }

    /// A counter takes a value.
    func count(_ value: Int64, _ track: UInt64, at time: Instant, into bytes: inout [UInt8]) {
        event.pointee.has_counter_value = 1
        event.pointee.counter_value = value
        append(.counter, track, at: time, into: &bytes)
        event.pointee.has_counter_value = 0
    }

    private func append(_ type: EventType, _ track: UInt64, at time: Instant, into bytes: inout [UInt8]) {
        event.pointee.type = type.rawValue
        event.pointee.track_uuid = track
        packet.pointee.timestamp = UInt64(clamping: time)
        // The packet needs the names of the sequence's first packet.
        packet.pointee.sequence_flags = 2
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.eventCapacity) { scratch in
            let length = perfetto__protos__trace_packet__pack(packet, scratch.baseAddress)
            assert(length <= Self.eventCapacity, "an event of \(length) bytes")
            Self.appendPrefix(length, into: &bytes)
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: scratch[..<length]))
        }
    }

    /// Appends what stands before a packet in the list of packets: field 1 of `Trace`, length-delimited.
    private static func appendPrefix(_ length: Int, into bytes: inout [UInt8]) {
        bytes.append(1 << 3 | 2)
        var rest = length
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    /// A track comes into being: what it is, and what it belongs to. The first packet of all carries the interned names too.
    func describe(_ kind: DescribedTrack, track: UInt64, parent: UInt64?, into bytes: inout [UInt8]) {
        let memory = MessageMemory()
        let described = memory.one(TracePacket(), perfetto__protos__trace_packet__init)
        described.pointee.has_trusted_packet_sequence_id = 1
        described.pointee.trusted_packet_sequence_id = sequence
        described.pointee.has_sequence_flags = 1
        described.pointee.sequence_flags = isFirst ? 1 : 2
        described.pointee.interned_data = isFirst ? memory.internedData() : nil
        described.pointee.track_descriptor = memory.descriptor(of: kind, track: track, parent: parent)
        isFirst = false
        let size = perfetto__protos__trace_packet__get_packed_size(described)
        Self.appendPrefix(size, into: &bytes)
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: size) { scratch in
            _ = perfetto__protos__trace_packet__pack(described, scratch.baseAddress)
            bytes.append(contentsOf: scratch)
        }
        // The messages point into the memory.
        withExtendedLifetime(memory) {}
    }
}
