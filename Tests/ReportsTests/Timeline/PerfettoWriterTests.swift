import CPerfettoTrace
import Foundation
import Reports
import Testing

@Suite("The timeline")
struct PerfettoWriterTests {
    /// A worker that iterates back to back, with transfers of which up to three overlap.
    private func write(_ writer: PerfettoWriter, iterations: Int) {
        for index in 0..<iterations {
            let start = Int64(index) * 1000
            writer.append(
                IterationSpan(
                    start: start, end: start + 1000, prefillTokens: index % 3 == 0 ? 512 : 0,
                    decodeRequests: index % 3 == 0 && index % 2 == 0 ? 0 : index,
                    kvBlocks: index / 2, waiting: 4))
            writer.append(TransferSpan(start: max(0, start - 2500), end: start + 10, request: index, bytes: 1 << 40))
        }
    }

    /// Two nodes on one host, one on another, joined in an order that is not theirs.
    private func trace() -> [UInt8] {
        var bytes: [UInt8] = []
        for (index, host) in [(2, 1), (0, 0), (1, 0)] {
            let writer = PerfettoWriter(TimelineNode(index: index, name: "decode-\(index)", host: host))
            write(writer, iterations: 20)
            bytes += writer.bytes
        }
        return bytes
    }

    @Test("parts in any order are one valid trace: tracks before events, slices that nest, time that does not go back")
    func concatenation() throws {
        try checkTrace(trace(), nodes: 3, events: 3 * 20)
    }

    @Test("bytes may be taken away at any time")
    func streaming() {
        let whole = PerfettoWriter(TimelineNode(index: 7, name: "n", host: 3))
        write(whole, iterations: 50)
        let piecewise = PerfettoWriter(TimelineNode(index: 7, name: "n", host: 3))
        var taken: [UInt8] = []
        for index in 0..<50 {
            let span = IterationSpan(start: Int64(index), end: Int64(index) + 1, prefillTokens: 1, decodeRequests: 1, kvBlocks: 1, waiting: 1)
            piecewise.append(span)
            taken += piecewise.bytes
            piecewise.removeAll()
        }
        let reference = PerfettoWriter(TimelineNode(index: 7, name: "n", host: 3))
        for index in 0..<50 {
            reference.append(IterationSpan(start: Int64(index), end: Int64(index) + 1, prefillTokens: 1, decodeRequests: 1, kvBlocks: 1, waiting: 1))
        }
        #expect(taken == reference.bytes)
        #expect(!whole.bytes.isEmpty)
    }

    @Test("a counter is written when it changes and at no other time")
    func counters() throws {
        let writer = PerfettoWriter(TimelineNode(index: 0, name: "n", host: 0))
        for index in 0..<10 {
            writer.append(
                IterationSpan(start: Int64(index), end: Int64(index) + 1, prefillTokens: 0, decodeRequests: 5, kvBlocks: index / 5, waiting: 0))
        }
        let packets = try decodedPackets(writer.bytes)
        #expect(packets.filter { $0.type == 4 }.map(\.counter) == [0, 5, 0, 1])
    }

    @Test("hundreds of transfers at a time each have a track")
    func manyTransfers() throws {
        var bytes: [UInt8] = []
        for node in 0..<2 {
            let writer = PerfettoWriter(TimelineNode(index: node, name: "n\(node)", host: 0))
            for request in 0..<300 { writer.append(TransferSpan(start: Int64(request), end: 1000, request: request, bytes: 1)) }
            bytes += writer.bytes
        }
        try checkTrace(bytes, nodes: 2, events: 600)
        #expect(Set(try decodedPackets(bytes).compactMap(\.described)).count == 1 + 2 * (1 + 3 + 300))
    }

    @Test("layers have a track of their own, and another one where micro-batches overlap")
    func layers() throws {
        let writer = PerfettoWriter(TimelineNode(index: 5, name: "ep-0", host: 0))
        writer.append(IterationSpan(start: 0, end: 100, prefillTokens: 0, decodeRequests: 8, kvBlocks: 1, waiting: 0))
        for (layer, start) in [(0, 0), (1, 40)] as [(Int, Int64)] {
            writer.append(LayerSpan(start: start, end: start + 10, isAttention: true, layer: layer, tokens: 8))
            writer.append(LayerSpan(start: start + 20, end: start + 40, isAttention: false, layer: layer, tokens: 16))
        }
        try checkTrace(writer.bytes, nodes: 1, events: 0)
        let packets = try decodedPackets(writer.bytes)
        let slices = packets.filter { $0.type == 1 }
        let track = try #require(slices.last?.track)
        #expect(slices.filter { $0.track == track }.map(\.timestamp) == [0, 20, 40, 60])
        #expect(slices.filter { $0.track == track }.map { $0.nameID == slices[1].nameID } == [true, false, true, false])
        #expect(packets.first { $0.described == track }?.parent == slices[0].track)
        writer.append(LayerSpan(start: 70, end: 90, isAttention: true, layer: 2, tokens: 1))
        try checkTrace(writer.bytes, nodes: 1, events: 0)
        #expect(Set(try decodedPackets(writer.bytes).filter { $0.type == 1 }.map(\.track)).count == 3)
    }

    @Test("an expert node shows its iterations as experts, and counts neither cache nor queue")
    func experts() throws {
        let writer = PerfettoWriter(TimelineNode(index: 5, name: "expert-0", host: 0, servesRequests: false))
        var span = IterationSpan(start: 0, end: 100, prefillTokens: 0, decodeRequests: 0, kvBlocks: 0, waiting: 0)
        span.routedTokens = 640
        span.idle = 33
        writer.append(span)
        writer.append(LayerSpan(start: 10, end: 77, isAttention: false, layer: 0, tokens: 640))
        try checkTrace(writer.bytes, nodes: 1, events: 0)
        let packets = try decodedPackets(writer.bytes)
        #expect(!packets.contains { $0.isCounterTrack || $0.type == 4 })
        let slices = packets.filter { $0.type == 1 }
        #expect(slices.map(\.nameID) == [slices[0].nameID, slices[0].nameID])
        #expect(Set(slices[0].annotations.values) == [640, 33])
    }

    @Test("faults are slices on a track of their own, on another where they overlap, and what takes no time is an instant")
    func faults() throws {
        let writer = PerfettoWriter(TimelineNode(index: 5, name: "controller", host: 3, hostName: "front end", servesRequests: false))
        let spans = [
            FaultSpan(.slow, start: 0, end: 50, slowdown: 2500), FaultSpan(.notice, start: 10, end: 40), FaultSpan(.killed, start: 40, end: 60),
            FaultSpan(.detected, start: 55, end: 55), FaultSpan(.back, start: 60, end: 60),
        ]
        for span in spans { writer.append(span) }
        try checkTrace(writer.bytes, nodes: 1, events: 0)
        let packets = try decodedPackets(writer.bytes)
        #expect(packets.filter { $0.type == 1 }.map(\.timestamp) == [0, 10, 40])
        #expect(packets.filter { $0.type == 2 }.map(\.timestamp) == [50, 40, 60])
        #expect(packets.filter { $0.type == 3 }.map(\.timestamp) == [55, 60])
        #expect(packets.filter { $0.type == 1 }.map { Array($0.annotations.values) } == [[2500], [], []])
        #expect(Set(packets.filter { [1, 3].contains($0.type) }.map(\.nameID)).count == spans.count)
        let tracks = Set(packets.filter { $0.type != nil }.map(\.track))
        #expect(tracks.count == 2 && tracks.allSatisfy { track in packets.contains { $0.described == track && $0.parent != nil } })
    }

    @Test("extreme values are packed whole")
    func extremes() throws {
        let writer = PerfettoWriter(TimelineNode(index: (1 << 24) - 1, name: "é😀", host: (1 << 24) - 1))
        writer.append(
            IterationSpan(start: 0, end: .max, prefillTokens: .max, decodeRequests: .max, kvBlocks: .max, waiting: .min))
        writer.append(TransferSpan(start: 0, end: .max, request: -1, bytes: .max))
        let packets = try decodedPackets(writer.bytes)
        #expect(packets.filter { $0.type == 1 }.map(\.annotations).first == [1: UInt64(Int64.max), 2: UInt64(Int64.max)])
        #expect(packets.compactMap(\.threadName) == ["é😀"])
    }

    @Test("Perfetto's own schema reads back what was written")
    func perfetto() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("testbed-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("trace")
        try Data(trace()).write(to: file)
        let script = """
            import sys
            try:
                from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as schema
            except ImportError:
                print("missing"); sys.exit()
            trace = schema.Trace(); trace.ParseFromString(open(sys.argv[1], "rb").read())
            Event = schema.TrackEvent
            names, unknown, slices, tokens, threads, processes = {}, 0, {}, 0, set(), set()
            for packet in trace.packet:
                own = names.setdefault(packet.trusted_packet_sequence_id, {})
                if packet.sequence_flags & 1: own.clear()
                for name in packet.interned_data.event_names: own[name.iid] = name.name
                for name in packet.interned_data.debug_annotation_names: own["note", name.iid] = name.name
                if packet.track_descriptor.HasField("thread"): threads.add(packet.track_descriptor.thread.thread_name)
                if packet.track_descriptor.HasField("process"): processes.add(packet.track_descriptor.process.process_name)
                event = packet.track_event
                if event.type == Event.TYPE_SLICE_BEGIN:
                    slices[own[event.name_iid]] = slices.get(own[event.name_iid], 0) + 1
                    for note in event.debug_annotations:
                        if own["note", note.name_iid] == "prefill_tokens": tokens += note.uint_value
            print(sorted(slices.items()), tokens, sorted(threads), sorted(processes))
            """
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [ProcessInfo.processInfo.environment["TESTBED_PYTHON"] ?? "python3", "-c", script, file.path]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        if output.hasPrefix("missing") || process.terminationStatus == 127 {
            print("Python's 'perfetto' package is not here: the timeline was checked by our own schema alone")
            return
        }
        // Of 20 iterations, 0, 6, 12, 18 are prefills, 3, 9, 15 mixed.
        #expect(
            output == "[('decode', 39), ('kv transfer', 60), ('mixed', 9), ('prefill', 12)] \(3 * 7 * 512) "
                + "['decode-0', 'decode-1', 'decode-2'] ['host 0', 'host 1']\n")
    }
}
