import CProtobufC
import CWire
import Cluster
import Nodes
import Quantities

/// What is wrong with a frame.
public struct FrameError: Error, CustomStringConvertible {
    public var description: String
}

/// Turns the bytes of a `Frame` back into envelopes. Whatever the bytes are, it gives envelopes that a node can handle, or an error.
public final class FrameDecoder {
    private let arena = Arena()
    private let nodes: Int
    /// Whose frame it has to be; `nil` for anybody's.
    var expectedSource: Int32?
    /// What times and sizes stay below, so that sums of some of them are times too.
    static let limit = Instant.never / 4
    /// Lengths of prompts and outputs in tokens.
    static let lengths: ClosedRange<Int32> = 1...(1 << 26)

    /// - Parameter nodes: number of nodes; indices beyond are refused.
    public init(nodes: Int) { self.nodes = nodes }

    /// Hands each envelope of a frame to `body`, in order; none of a frame that has anything wrong.
    /// - Parameter parcels: gets each frame within the frame, with the node that it is for; where it is `nil` there must be none.
    public func decode(
        _ bytes: UnsafeRawBufferPointer, parcels: ((_ source: Int32, _ target: Int32, _ frame: UnsafeRawBufferPointer) throws -> Void)? = nil,
        body: (Envelope) -> Void
    ) throws {
        arena.reset()
        var allocator = arena.allocator()
        let data = bytes.bindMemory(to: UInt8.self).baseAddress
        guard let frame = testbed__frame__unpack(&allocator, bytes.count, data) else {
            throw FrameError(description: "\(bytes.count) bytes that are no frame")
        }
        let source = Int(frame.pointee.source)
        guard source < nodes else { throw FrameError(description: "source \(source) of \(nodes) nodes") }
        if let expectedSource, expectedSource != frame.pointee.source {
            throw FrameError(description: "a frame of node \(expectedSource) in the name of node \(source)")
        }
        var envelopes: [Envelope] = []
        envelopes.reserveCapacity(frame.pointee.n_envelopes)
        for place in 0..<frame.pointee.n_envelopes {
            guard let packed = frame.pointee.envelopes[place] else { throw FrameError(description: "an empty envelope") }
            envelopes.append(try unpack(packed.pointee, source: Int32(source)))
        }
        for envelope in envelopes { body(envelope) }
        guard frame.pointee.n_parcels > 0 else { return }
        guard let parcels else { throw FrameError(description: "frames to be passed on where none are") }
        for place in 0..<frame.pointee.n_parcels {
            guard let parcel = frame.pointee.parcels[place],
                case let target = Int32(bitPattern: parcel.pointee.target), target == FrameEncoder.everybody || (0..<nodes).contains(Int(target))
            else {
                throw FrameError(description: "a frame for a node that is not there")
            }
            try parcels(
                Int32(source), target, UnsafeRawBufferPointer(start: parcel.pointee.frame.data, count: parcel.pointee.frame.len))
        }
    }

    private func unpack(_ packed: Testbed__Envelope, source: Int32) throws(FrameError) -> Envelope {
        let times = 0...Self.limit
        // What the ranks of a gang tell each other can be there at once; everything else takes its time.
        let least: Instant = packed.body_case == TESTBED__ENVELOPE__BODY_LAYER ? 0 : 1
        guard times.contains(packed.sent), (least...Self.limit).contains(packed.flight), times.contains(packed.length),
            times.contains(packed.bytes), times.contains(packed.born), packed.link < UInt32(LinkKind.allCases.count)
        else { throw FrameError(description: "an envelope with times or sizes out of range") }
        let head = packed.sent + packed.flight
        let message = try unpackBody(packed)
        return Envelope(
            source: source, sequence: packed.sequence, born: packed.born, sent: packed.sent, head: head, tail: head + packed.length,
            bytes: packed.bytes,
            link: LinkIndex(packed.link), isBulk: message.isBulk, message: message)
    }

    private func unpackBody(_ packed: Testbed__Envelope) throws(FrameError) -> Message {
        guard packed.submit != nil else { throw FrameError(description: "an envelope without a body") }
        switch packed.body_case {
        case TESTBED__ENVELOPE__BODY_SUBMIT: return .submit(try unpack(packed.submit.pointee))
        case TESTBED__ENVELOPE__BODY_ASSIGN: return .assign(try unpack(packed.assign.pointee))
        case TESTBED__ENVELOPE__BODY_PLACE: return .place(try unpack(packed.place.pointee))
        case TESTBED__ENVELOPE__BODY_PREFILLED: return .prefilled(try unpack(packed.prefilled.pointee))
        case TESTBED__ENVELOPE__BODY_STATUS: return .status(try unpack(packed.status.pointee))
        case TESTBED__ENVELOPE__BODY_TOKENS: return .tokens(try unpack(packed.tokens.pointee))
        case TESTBED__ENVELOPE__BODY_MILESTONE: return .milestone(try unpack(packed.milestone.pointee))
        case TESTBED__ENVELOPE__BODY_REJECTED: return .rejected(id: packed.rejected.pointee.id, stream: packed.rejected.pointee.stream)
        case TESTBED__ENVELOPE__BODY_PULL: return .pull(try unpack(packed.pull.pointee))
        case TESTBED__ENVELOPE__BODY_CACHE: return .cache(try unpack(packed.cache.pointee))
        case TESTBED__ENVELOPE__BODY_RELEASE: return .release(try unpack(packed.release.pointee))
        case TESTBED__ENVELOPE__BODY_WAKE:
            let wake = try unpack(packed.wake.pointee)
            return .wake(wake.start, epoch: wake.epoch)
        case TESTBED__ENVELOPE__BODY_LAYER: return .layer(try unpack(packed.layer.pointee))
        case TESTBED__ENVELOPE__BODY_ROUTED: return .routed(try unpack(packed.routed.pointee))
        case TESTBED__ENVELOPE__BODY_FENCE: return .fence(try unpack(packed.fence.pointee))
        case TESTBED__ENVELOPE__BODY_FENCED: return .fenced
        case TESTBED__ENVELOPE__BODY_TAKEOVER: return .takeover
        case TESTBED__ENVELOPE__BODY_HELLO: return .hello
        case TESTBED__ENVELOPE__BODY_CANCEL: return .cancel(id: packed.cancel.pointee.id, stream: packed.cancel.pointee.stream)
        case TESTBED__ENVELOPE__BODY_MIGRATION: return .migration(try unpack(packed.migration.pointee))
        case TESTBED__ENVELOPE__BODY_REBUILD: return .rebuild(try unpack(packed.rebuild.pointee))
        default: return try unpackDeparture(packed)
        }
    }

    /// Whether it is a node's index, or -1 for none.
    func isNode(_ index: Int32) -> Bool { (-1..<nodes).contains(Int(index)) }

    func unpack(_ packed: Testbed__Request) throws(FrameError) -> Assignment {
        guard Self.lengths.contains(packed.prompt_tokens), Self.lengths.contains(packed.output_tokens), (0...Self.limit).contains(packed.arrival),
            isNode(packed.decode_node), isNode(packed.lost_node), (0..<packed.output_tokens).contains(packed.produced), packed.restarts >= 0,
            packed.holder >= 0,
            packed.holder <= nodes
        else { throw FrameError(description: "a request with lengths, times or nodes out of range") }
        var request = Assignment(
            id: packed.id, stream: packed.stream, promptTokens: packed.prompt_tokens, outputTokens: packed.output_tokens,
            priority: packed.priority, arrival: packed.arrival, decodeNode: packed.decode_node,
            produced: packed.produced, restarts: packed.restarts, holder: packed.holder - 1)
        request.lostNode = packed.lost_node
        return request
    }

    private func unpack(_ packed: Testbed__Routed) throws(FrameError) -> Routed {
        guard packed.node >= 0, Int(packed.node) < nodes else { throw FrameError(description: "a route to a node that is not there") }
        return Routed(id: packed.id, stream: packed.stream, node: packed.node, decodes: packed.decodes != 0)
    }

    private func unpack(_ packed: Testbed__Fence) throws(FrameError) -> Fence {
        guard packed.node >= 0, Int(packed.node) < nodes, (0...Self.limit).contains(packed.before) else {
            throw FrameError(description: "a fence around a node or a time that is not there")
        }
        return Fence(node: packed.node, before: packed.before)
    }

    private func unpack(_ packed: Testbed__Placement) throws(FrameError) -> Placement {
        guard let request = packed.request, packed.prefill_node >= 0, Int(packed.prefill_node) < nodes else {
            throw FrameError(description: "a placement without a request or a prefill node")
        }
        return Placement(request: try unpack(request.pointee), prefillNode: packed.prefill_node, prefillSlot: packed.prefill_slot)
    }

    private func unpack(_ packed: Testbed__Load) throws(FrameError) -> LoadReport {
        let classes = packed.n_ending_requests
        guard packed.n_ending_tokens == classes, classes <= LoadReport.endingClasses else {
            throw FrameError(description: "a load with lists of \(classes) and \(packed.n_ending_tokens) classes")
        }
        // Bounded, so that no policy can overflow on a sum or a product of them.
        let limit: Int64 = 1 << 30
        func bounded(_ number: Int64) -> Int64 { min(max(number, 0), limit) }
        var load = LoadReport()
        load.waitingRequests = max(packed.waiting_requests, 0)
        load.runningRequests = max(packed.running_requests, 0)
        load.waitingTokens = bounded(packed.waiting_tokens)
        load.usedBlocks = bounded(packed.used_blocks)
        load.receivedRequests = min(max(packed.received_requests, 0), 1 << 50)
        load.receivedTokens = min(max(packed.received_tokens, 0), 1 << 50)
        load.receivedPredicted = min(max(packed.received_predicted, 0), 1 << 50)
        load.contextTokens = bounded(packed.context_tokens)
        load.predictedTokens = bounded(packed.predicted_tokens)
        load.headBlocks = bounded(packed.head_blocks)
        load.urgentRequests = max(packed.urgent_requests, 0)
        load.isMigrating = packed.is_migrating != 0
        for place in 0..<classes {
            load.endingRequests.append(min(max(packed.ending_requests[place], 0), 1 << 20))
            load.endingTokens.append(bounded(packed.ending_tokens[place]))
        }
        return load
    }

    private func unpack(_ packed: Testbed__Tokens) throws(FrameError) -> [StreamToken] {
        let count = packed.n_ids
        guard packed.n_streams == count, packed.n_indices == count else { throw FrameError(description: "lists of tokens of different lengths") }
        guard (0..<count).allSatisfy({ (0..<Self.lengths.upperBound).contains(packed.indices[$0]) }) else {
            throw FrameError(description: "a token at a place that no output has")
        }
        return (0..<count).map { StreamToken(id: packed.ids[$0], stream: packed.streams[$0], index: packed.indices[$0]) }
    }

    private func unpack(_ packed: Testbed__Milestone) throws(FrameError) -> Milestone {
        guard (0..<Self.lengths.upperBound).contains(packed.index), packed.preemptions >= 0, (0...Self.limit).contains(packed.kv_transfer),
            (-1...Self.limit).contains(packed.prefill_start), isNode(packed.prefill_node), isNode(packed.decode_node)
        else { throw FrameError(description: "a milestone with places, times or nodes out of range") }
        return Milestone(
            id: packed.id, stream: packed.stream, index: packed.index, isLast: packed.is_last != 0, prefillNode: packed.prefill_node,
            decodeNode: packed.decode_node, prefillStart: packed.prefill_start, preemptions: packed.preemptions, kvTransfer: packed.kv_transfer)
    }

    private func unpack(_ packed: Testbed__Cache) throws(FrameError) -> CacheMessage {
        guard (-1...Self.limit).contains(packed.prefill_start) else { throw FrameError(description: "a cache with times out of range") }
        var message = CacheMessage(id: packed.id, stream: packed.stream, prefillSlot: packed.prefill_slot, decodeSlot: packed.decode_slot)
        message.isFinal = packed.is_final != 0
        message.prefillStart = packed.prefill_start
        return message
    }
}
