import Policies
import Quantities
import Records

/// A worker that computes the outputs of requests that were prefilled elsewhere. It pulls a cache when it has room for it.
extension Worker {
    mutating func accept(_ placement: Placement) {
        guard duty == .decode else { return }
        reporting.count(placement.request, engine)
        var entry = EngineRequest(placement.request, phase: .placed)
        entry.prefillNode = placement.prefillNode
        entry.peerSlot = placement.prefillSlot
        let slot = engine.requests.insert(entry)
        var item = engine.predicted(slot)
        // It comes with its first token.
        item.tokens += 1
        item.generated += 1
        item.rank = engine.traits.contains(.ranks) ? engine.scheduler.rank(of: item) : placements
        placements += 1
        placed.insert(item)
    }

    /// Reserves room for placed requests, in the scheduler's order, and asks for their caches.
    ///
    /// A request that was preempted here comes before any that has not started: its user is in the middle of an answer.
    mutating func pullCaches(at now: Instant, _ effects: inout Effects) {
        guard !placed.isEmpty, engine.waiting.isEmpty else { return }
        if engine.traits.contains(.admits) {
            engine.choose(from: placed, pulling: pulling, at: now)
            for place in engine.admitted.indices {
                guard let position = placed.firstIndex(of: engine.admitted[place]), pull(at: position, at: now, &effects) else { return }
            }
        } else {
            while !placed.isEmpty, pull(at: 0, at: now, &effects) {}
        }
    }

    /// Reserves room for the placed request at a place of the queue and asks for its cache, if there is room for it.
    private mutating func pull(at position: Int, at now: Instant, _ effects: inout Effects) -> Bool {
        guard engine.running.count + pulling.count + engine.placesKept + engine.reserved < shape.engine.maxBatch else { return false }
        let slot = placed[position].slot
        let entry = engine.requests[slot]
        let blocks = engine.pool.blocks(for: Int64(entry.request.knownTokens) + 1)
        guard engine.take(blocks) else { return false }
        _ = placed.remove(at: position)
        engine.requests[slot].blocks = Int32(blocks)
        engine.requests[slot].phase = .pulling
        engine.requests[slot].transferStart = now
        pulling.append(slot)
        let message = CacheMessage(id: entry.request.id, stream: entry.request.stream, prefillSlot: entry.peerSlot, decodeSlot: slot)
        effects.send(.pull(message), to: entry.prefillNode, bytes: MessageSize.header)
        return true
    }

    /// A cache is not on its way any more.
    mutating func endPull(of slot: Int32) {
        guard let place = pulling.firstIndex(of: slot) else { return }
        pulling.swapAt(place, pulling.count - 1)
        pulling.removeLast()
    }

    /// A cache, or a piece of it, has arrived: the request joins the batch with the last piece.
    mutating func receiveCache(_ message: CacheMessage, sent: Instant, from source: Int32, at now: Instant, _ effects: inout Effects) {
        guard let slot = engine.requests.find(message.decodeSlot, id: message.id, stream: message.stream, in: .pulling) else { return }
        if engine.requests[slot].peerSlot < 0 {
            // Pushed by layers: the transfer began when the first piece was on its way, if room was there by then.
            engine.requests[slot].peerSlot = message.prefillSlot
            engine.requests[slot].transferStart = max(sent, engine.requests[slot].transferStart)
        }
        guard message.isFinal else { return }
        endPull(of: slot)
        engine.requests[slot].prefillStart = message.prefillStart
        engine.requests[slot].kvTransfer = now - engine.requests[slot].transferStart
        engine.requests[slot].computed = engine.requests[slot].request.knownTokens
        engine.requests[slot].generated = engine.requests[slot].request.produced + 1
        if records.timeline {
            let bytes = shape.cacheBytes(engine.requests[slot].request.knownTokens)
            TransferRow(request: message.id, start: engine.requests[slot].transferStart, end: now, bytes: bytes)
                .write(to: &effects.records.transfers, node: name)
        }
        var reply = message
        reply.decodeSlot = slot
        effects.send(.release(reply), to: source, bytes: MessageSize.header)
        if engine.requests[slot].remaining <= 0 {
            engine.freeBlocks(of: slot)
            engine.requests.remove(slot)
        } else {
            engine.join(slot)
        }
    }
}
