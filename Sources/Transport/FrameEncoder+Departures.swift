import CWire
import Nodes

/// Messages about workers that leave, rest and serve.
extension FrameEncoder {
    func packDepartures(_ message: Message, into packed: UnsafeMutablePointer<Testbed__Envelope>) {
        switch message {
        case .leaving(let leaving):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_LEAVING
            packed.pointee.leaving = pack(leaving)
        case .handback(let id, let stream, let holder):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_HANDBACK
            packed.pointee.handback = packHandback(id, stream, holder)
        case .evacuate(let evacuation):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_EVACUATE
            packed.pointee.evacuate = pack(evacuation)
        case .move(let cache):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_MOVE
            packed.pointee.move = pack(cache)
        case .adopt(let request):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_ADOPT
            packed.pointee.adopt = pack(request)
        case .activate(let time):
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_ACTIVATE
            packed.pointee.activate = packWait(time)
        case .deactivate:
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_DEACTIVATE
            packed.pointee.deactivate = packNotice()
        case .retired:
            packed.pointee.body_case = TESTBED__ENVELOPE__BODY_RETIRED
            packed.pointee.retired = packNotice()
        default: break
        }
    }

    private func pack(_ leaving: Leaving) -> UnsafeMutablePointer<Testbed__Leaving>? {
        let count = leaving.running.count
        guard let packed = arena.make(testbed__leaving__init), let ids = arena.array(Int64.self, count: count),
            let streams = arena.array(Int32.self, count: count), let cached = arena.array(Int32.self, count: count),
            let produced = arena.array(Int32.self, count: count)
        else { return nil }
        packed.pointee.deadline = leaving.deadline
        for (place, request) in leaving.running.enumerated() {
            ids[place] = request.id
            streams[place] = request.stream
            cached[place] = request.cached
            produced[place] = request.produced
        }
        (packed.pointee.n_ids, packed.pointee.n_streams, packed.pointee.n_cached, packed.pointee.n_produced) = (count, count, count, count)
        (packed.pointee.ids, packed.pointee.streams, packed.pointee.cached, packed.pointee.produced) = (ids, streams, cached, produced)
        return packed
    }

    private func packHandback(_ id: Int64, _ stream: Int32, _ holder: Int32) -> UnsafeMutablePointer<Testbed__Handback>? {
        guard let packed = arena.make(testbed__handback__init) else { return nil }
        packed.pointee.id = id
        packed.pointee.stream = stream
        packed.pointee.holder = holder
        return packed
    }

    private func pack(_ evacuation: Evacuation) -> UnsafeMutablePointer<Testbed__Evacuation>? {
        let count = evacuation.moves.count
        guard let packed = arena.make(testbed__evacuation__init), let ids = arena.array(Int64.self, count: count),
            let streams = arena.array(Int32.self, count: count), let nodes = arena.array(Int32.self, count: count)
        else { return nil }
        packed.pointee.start = evacuation.start
        for (place, move) in evacuation.moves.enumerated() { (ids[place], streams[place], nodes[place]) = (move.id, move.stream, move.node) }
        (packed.pointee.n_ids, packed.pointee.n_streams, packed.pointee.n_nodes) = (count, count, count)
        (packed.pointee.ids, packed.pointee.streams, packed.pointee.nodes) = (ids, streams, nodes)
        return packed
    }

    private func pack(_ cache: MovedCache) -> UnsafeMutablePointer<Testbed__Moved>? {
        guard let packed = arena.make(testbed__moved__init), let request = pack(cache.request) else { return nil }
        packed.pointee.request = request
        packed.pointee.cached = cache.cached
        return packed
    }

    private func packWait(_ time: Int64) -> UnsafeMutablePointer<Testbed__Wait>? {
        guard let packed = arena.make(testbed__wait__init) else { return nil }
        packed.pointee.time = time
        return packed
    }
}
