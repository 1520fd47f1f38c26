import CPerfettoTrace
import Testing

/// What the checks need of a packet.
struct DecodedPacket {
    var sequence: UInt32
    var flags: UInt32
    var timestamp: UInt64
    var type: Int32?
    var track: UInt64
    var nameID: UInt64?
    var counter: Int64
    var annotations: [UInt64: UInt64] = [:]
    var interned: Set<UInt64> = []
    var described: UInt64?
    var parent: UInt64?
    var threadName: String?
    var isCounterTrack = false
}

struct BrokenTrace: Error {}

/// Reads a trace with the generated code.
func decodedPackets(_ bytes: [UInt8]) throws -> [DecodedPacket] {
    guard let trace = perfetto__protos__trace__unpack(nil, bytes.count, bytes) else { throw BrokenTrace() }
    defer { perfetto__protos__trace__free_unpacked(trace, nil) }
    return (0..<trace.pointee.n_packet).compactMap { index in trace.pointee.packet[index].map { decode($0.pointee) } }
}

private func decode(_ packet: Perfetto__Protos__TracePacket) -> DecodedPacket {
    var decoded = DecodedPacket(
        sequence: packet.trusted_packet_sequence_id, flags: packet.sequence_flags, timestamp: packet.timestamp, track: 0, counter: 0)
    if let event = packet.track_event?.pointee {
        decoded.type = event.type
        decoded.track = event.track_uuid
        decoded.nameID = event.has_name_iid == 0 ? nil : event.name_iid
        decoded.counter = event.counter_value
        for index in 0..<event.n_debug_annotations {
            guard let note = event.debug_annotations[index]?.pointee else { continue }
            decoded.annotations[note.name_iid] = note.uint_value
        }
    }
    if let names = packet.interned_data?.pointee {
        for index in 0..<names.n_event_names { decoded.interned.insert(names.event_names[index]?.pointee.iid ?? 0) }
    }
    if let track = packet.track_descriptor?.pointee {
        decoded.described = track.uuid
        decoded.parent = track.has_parent_uuid == 0 ? nil : track.parent_uuid
        decoded.threadName = track.thread.map { String(cString: $0.pointee.thread_name) }
        decoded.isCounterTrack = track.counter != nil
    }
    return decoded
}

/// Checks what Perfetto relies on: a track is described before it is used and below a track that is known, a sequence names before it
/// refers, slices of a track nest and end, and time on a track does not go back.
func checkTrace(_ bytes: [UInt8], nodes: Int, events: Int) throws {
    var known: Set<UInt64> = []
    var counterTracks: Set<UInt64> = []
    var names: [UInt32: Set<UInt64>] = [:]
    var open: [UInt64: Int] = [:]
    var time: [UInt64: UInt64] = [:]
    var transfers = 0
    for packet in try decodedPackets(bytes) {
        #expect((packet.flags == 1) == (names[packet.sequence] == nil), "the first packet of a sequence, and no other, clears its names")
        names[packet.sequence, default: []].formUnion(packet.interned)
        if let track = packet.described {
            if let parent = packet.parent { #expect(known.contains(parent)) }
            known.insert(track)
            if packet.isCounterTrack { counterTracks.insert(track) }
        }
        guard let type = packet.type else { continue }
        #expect(known.contains(packet.track))
        #expect(counterTracks.contains(packet.track) == (type == 4))
        if type == 3 { #expect(packet.nameID.map { names[packet.sequence]?.contains($0) == true } == true) }
        #expect(packet.timestamp >= time[packet.track] ?? 0)
        time[packet.track] = packet.timestamp
        // Counters and instants do not nest.
        guard type != 4, type != 3 else { continue }
        open[packet.track, default: 0] += type == 1 ? 1 : -1
        #expect((0...1).contains(open[packet.track] ?? 0))
        if type == 1, let name = packet.nameID {
            #expect(names[packet.sequence]?.contains(name) == true)
            if name == 4 { transfers += 1 }
        }
    }
    #expect(open.values.allSatisfy { $0 == 0 })
    #expect(names.count == nodes)
    #expect(transfers == events)
}
