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
        placed.append(engine.requests.insert(entry))
    }

    /// Reserves room for placed requests, first come first served, and asks for their caches.
    ///
    /// A request that was preempted here comes before any that has not started: its user is in the middle of an answer.
    mutating func pullCaches(at now: Instant, _ effects: inout Effects) {
        var taken = 0
        while taken < placed.count, engine.waiting.isEmpty, engine.running.count + pulling + engine.reserved < shape.engine.maxBatch {
            let slot = placed[taken]
            let entry = engine.requests[slot]
            let blocks = engine.pool.blocks(for: Int64(entry.request.knownTokens) + 1)
            guard engine.pool.take(blocks) else { break }
            engine.requests[slot].blocks = Int32(blocks)
            engine.requests[slot].phase = .pulling
            engine.requests[slot].transferStart = now
            pulling += 1
            taken += 1
            let message = CacheMessage(id: entry.request.id, stream: entry.request.stream, prefillSlot: entry.peerSlot, decodeSlot: slot)
            effects.send(.pull(message), to: entry.prefillNode, bytes: MessageSize.header)
        }
        if taken > 0 { placed.removeFirst(taken) }
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
        pulling -= 1
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
