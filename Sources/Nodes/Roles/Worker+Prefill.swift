import Cluster
import Quantities

/// A worker that computes prompts, and for a colocated one the outputs too.
///
/// A prefilled request stays parked with its blocks until the decode worker has pulled its cache (DistServe): memory that is
/// not pulled is not there for new prompts, which is the back-pressure between the phases.
extension Worker {
    mutating func accept(_ request: Assignment) {
        reporting.count(request, engine)
        let slot = engine.requests.insert(EngineRequest(request, phase: .waiting))
        if request.decodeNode >= 0 {
            slots[request.id] = slot
            if let pull = earlyPulls.removeValue(forKey: request.id), pull.stream == request.stream { startStreaming(slot, to: pull) }
        }
        engine.enqueue(slot)
    }

    /// The prompt is computed and the first token is out.
    mutating func finishPrefill(of slot: Int32, isLast: Bool, _ effects: inout Effects) {
        let entry = engine.requests[slot]
        engine.leave(slot)
        engine.requests[slot].phase = .parked
        if isLast { engine.freeBlocks(of: slot) }
        if entry.request.decodeNode >= 0 {
            // The decode worker got room while the last piece was being computed: what was not pushed goes now.
            if entry.isStreaming, entry.pushed < entry.request.knownTokens { sendRest(of: slot, to: entry.request.decodeNode, &effects) }
        } else if isLast {
            engine.requests.remove(slot)
        } else {
            let placement = Placement(request: entry.request, prefillNode: node, prefillSlot: slot)
            effects.send(.prefilled(placement), to: Int32(ClusterLayout.controller), bytes: MessageSize.header)
        }
    }

    /// A decode worker has room for a cache: sends it, or has it pushed while the prompt is computed.
    mutating func sendCache(for pull: CacheMessage, to target: Int32, at now: Instant, _ effects: inout Effects) {
        guard duty == .prefill else { return }
        let known = pull.prefillSlot >= 0 ? pull.prefillSlot : slots[pull.id]
        guard let known else {
            earlyPulls[pull.id] = pull
            return
        }
        guard let slot = engine.requests.find(known, id: pull.id, stream: pull.stream, in: .parked, .waiting, .running),
            [-1, target].contains(engine.requests[slot].puller)
        else {
            // It is not here any more, or another worker has it: a new controller has placed it again.
            effects.send(.cancel(id: pull.id, stream: pull.stream), to: target, bytes: MessageSize.header)
            return
        }
        engine.requests[slot].puller = target
        startStreaming(slot, to: pull)
        if engine.requests[slot].phase == .parked { sendRest(of: slot, to: target, &effects) }
        // The iteration that computes it has begun: what it has computed so far goes at once, the rest as it comes.
        if engine.requests[slot].isStreaming, let (iteration, chunk) = engine.underWay(slot) { push(chunk, of: iteration, &effects) }
    }

    /// Sends what was not pushed yet of the cache of a prefilled request.
    private mutating func sendRest(of slot: Int32, to target: Int32, _ effects: inout Effects) {
        let entry = engine.requests[slot]
        // A request that ended with its first token has no cache left to send, but the room reserved for it must be freed.
        let bytes = entry.blocks == 0 ? MessageSize.header : shape.cacheBytes(entry.request.knownTokens) - shape.cacheBytes(entry.pushed)
        engine.requests[slot].pushed = entry.request.knownTokens
        effects.send(cacheMessage(slot, isFinal: true), to: target, bytes: bytes)
    }

    private mutating func startStreaming(_ slot: Int32, to pull: CacheMessage) {
        engine.requests[slot].peerSlot = pull.decodeSlot
        engine.requests[slot].isStreaming = engine.requests[slot].request.decodeNode >= 0
    }

    private func cacheMessage(_ slot: Int32, isFinal: Bool) -> Message {
        let entry = engine.requests[slot]
        var message = CacheMessage(id: entry.request.id, stream: entry.request.stream, prefillSlot: slot, decodeSlot: entry.peerSlot)
        message.isFinal = isFinal
        message.prefillStart = entry.prefillStart
        return .cache(message)
    }

    /// Pushes the cache that an iteration is about to compute for requests whose decode workers have room.
    mutating func pushLayers(of place: Int, _ effects: inout Effects) {
        let iteration = engine.ring[place]
        for chunk in iteration.chunks where engine.requests[chunk.slot].isStreaming { push(chunk, of: iteration, &effects) }
    }

    /// Pushes the cache of a chunk layer by layer: the first layer is ready after its share of the iteration, the last one when it
    /// ends. What earlier iterations computed before the decode worker had room goes along.
    private mutating func push(_ chunk: Chunk, of iteration: Iteration, _ effects: inout Effects) {
        let entry = engine.requests[chunk.slot]
        let layers = Int64(shape.layers)
        let computed = entry.computed + chunk.tokens
        let bytes = shape.cacheBytes(computed) - shape.cacheBytes(entry.pushed)
        engine.requests[chunk.slot].pushed = computed
        effects.sends.append(
            Effects.Send(
                target: entry.request.decodeNode, bytes: bytes,
                message: cacheMessage(chunk.slot, isFinal: computed == entry.request.knownTokens),
                streaming: Effects.Streaming(
                    first: iteration.start + (iteration.end - iteration.start) / layers, last: iteration.end, lastBytes: bytes / layers)))
    }

    /// The decode worker has the cache: its blocks here are free.
    mutating func release(_ message: CacheMessage) {
        guard let slot = engine.requests.find(message.prefillSlot, id: message.id, stream: message.stream, in: .parked) else { return }
        engine.freeBlocks(of: slot)
        engine.requests.remove(slot)
        if slots[message.id] == slot { slots[message.id] = nil }
    }
}
