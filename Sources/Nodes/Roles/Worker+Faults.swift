import Cluster
import Quantities

/// What a worker does when others fail.
extension Worker {
    /// A request is computed elsewhere now: what is here of it goes.
    mutating func cancel(_ id: Int64, _ stream: Int32) {
        if earlyPulls[id]?.stream == stream { earlyPulls[id] = nil }
        guard let slot = engine.requests.find(id: id, stream: stream) else { return }
        if slots[id] == slot { slots[id] = nil }
        switch engine.requests[slot].phase {
        case .none: return
        case .waiting, .running:
            engine.cancel(slot)
            return
        case .placed: if let place = (0..<placed.count).first(where: { placed[$0].slot == slot }) { _ = placed.remove(at: place) }
        case .pulling: endPull(of: slot)
        case .parked: break
        }
        engine.freeBlocks(of: slot)
        engine.requests.remove(slot)
    }

    /// A new controller does not know what waits here for a decode worker.
    mutating func announceParked(_ effects: inout Effects) {
        for slot in engine.requests.entries.indices {
            let entry = engine.requests.entries[slot]
            guard entry.phase == .parked, entry.request.decodeNode < 0, entry.puller < 0 else { continue }
            let placement = Placement(request: entry.request, prefillNode: node, prefillSlot: Int32(slot))
            effects.send(.prefilled(placement), to: Int32(ClusterLayout.controller), bytes: MessageSize.header)
        }
    }

    /// A new process: it serves when its weights are there.
    mutating func start(servingFrom time: Instant, _ effects: inout Effects) {
        loadedAt = time
        effects.timers[.ready] = time
    }
}
