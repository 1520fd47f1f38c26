import CWire
import Nodes
import Quantities

/// Messages about workers that leave, rest and serve.
extension FrameDecoder {
    func unpackDeparture(_ packed: Testbed__Envelope) throws(FrameError) -> Message {
        switch packed.body_case {
        case TESTBED__ENVELOPE__BODY_LEAVING: return .leaving(try unpack(packed.leaving.pointee))
        case TESTBED__ENVELOPE__BODY_HANDBACK:
            let handback = packed.handback.pointee
            guard isNode(handback.holder) else { throw FrameError(description: "a cache at a node that is not there") }
            return .handback(id: handback.id, stream: handback.stream, holder: handback.holder)
        case TESTBED__ENVELOPE__BODY_EVACUATE: return .evacuate(try unpack(packed.evacuate.pointee))
        case TESTBED__ENVELOPE__BODY_MOVE: return .move(try unpack(packed.move.pointee))
        case TESTBED__ENVELOPE__BODY_ADOPT: return .adopt(try unpack(packed.adopt.pointee))
        case TESTBED__ENVELOPE__BODY_ACTIVATE:
            let time = packed.activate.pointee.time
            guard (0...Self.limit).contains(time) else { throw FrameError(description: "a start that takes \(time) ns") }
            return .activate(time)
        case TESTBED__ENVELOPE__BODY_DEACTIVATE: return .deactivate
        case TESTBED__ENVELOPE__BODY_RETIRED: return .retired
        default: throw FrameError(description: "a body of an unknown kind")
        }
    }

    private func unpack(_ packed: Testbed__Leaving) throws(FrameError) -> Leaving {
        let count = packed.n_ids
        guard packed.n_streams == count, packed.n_cached == count, packed.n_produced == count else {
            throw FrameError(description: "lists of requests of different lengths")
        }
        guard (0...Instant.never).contains(packed.deadline), (0..<count).allSatisfy({ packed.cached[$0] >= 0 && packed.produced[$0] >= 0 }) else {
            throw FrameError(description: "a leaving worker with times or lengths out of range")
        }
        return Leaving(
            deadline: packed.deadline,
            running: (0..<count).map {
                Leaving.Running(id: packed.ids[$0], stream: packed.streams[$0], cached: packed.cached[$0], produced: packed.produced[$0])
            })
    }

    private func unpack(_ packed: Testbed__Evacuation) throws(FrameError) -> Evacuation {
        let count = packed.n_ids
        guard packed.n_streams == count, packed.n_nodes == count else { throw FrameError(description: "lists of requests of different lengths") }
        guard (0...Self.limit).contains(packed.start), (0..<count).allSatisfy({ packed.nodes[$0] >= 0 && isNode(packed.nodes[$0]) }) else {
            throw FrameError(description: "caches that go to nodes that are not there, or at no time")
        }
        return Evacuation(
            start: packed.start,
            moves: (0..<count).map { Evacuation.Move(id: packed.ids[$0], stream: packed.streams[$0], node: packed.nodes[$0]) })
    }

    private func unpack(_ packed: Testbed__Moved) throws(FrameError) -> MovedCache {
        guard let request = packed.request else { throw FrameError(description: "a cache without a request") }
        let unpacked = try unpack(request.pointee)
        guard (1...unpacked.knownTokens).contains(packed.cached) else { throw FrameError(description: "a cache of \(packed.cached) tokens") }
        return MovedCache(request: unpacked, cached: packed.cached)
    }
}
