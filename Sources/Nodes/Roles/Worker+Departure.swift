import Cluster
import Quantities
import Records

/// What a worker does that will be ended, or is to rest.
struct LeaveTaking {
    /// When it will be ended; `Instant.never` for one that is to rest.
    var deadline: Instant
    /// Caches that are to be moved, when the first of them leaves at the latest, and after how many more iterations.
    var moves: [Evacuation.Move] = []
    var start: Instant = .never
    var iterations = 0

    var rests: Bool { deadline == .never }
}

/// A worker that gets a notice of its end. What waits goes back to the client at once, which has it begun elsewhere; what runs goes on, and its cache may be
/// moved; what is left shortly before the end goes back too.
extension Worker {
    /// The machine says when the process will be ended.
    mutating func takeNotice(deadline: Instant, at now: Instant, _ effects: inout Effects) {
        guard let margin = leaving?.margin, deadline > now else { return }
        // It goes by the first of two ends.
        if let departure, departure.deadline <= deadline { return }
        departure = LeaveTaking(deadline: deadline)
        announceStanding(&effects)
        handBackWaiting(&effects)
        effects.timers[.departure] = max(now, deadline - margin)
    }

    /// Whether a request is not taken, for the worker will not be there for it. It goes back, and the controller is told, which does not know.
    mutating func refuses(_ request: Assignment, _ effects: inout Effects) -> Bool {
        guard departure != nil || isOff else { return false }
        handBack(request.id, request.stream, holder: -1, &effects)
        announceStanding(&effects)
        return true
    }

    /// Tells the controller whether it leaves or rests.
    func announceStanding(_ effects: inout Effects) {
        let controller = Int32(ClusterLayout.controller)
        if isOff { return effects.send(.retired, to: controller, bytes: MessageSize.header) }
        guard let departure else { return }
        var word = Leaving(deadline: departure.deadline)
        if !departure.rests, departure.moves.isEmpty, duty != .prefill, crew == nil {
            word.running = engine.requests.slotsByRequest.compactMap { slot in
                let entry = engine.requests[slot]
                guard isMovable(entry) else { return nil }
                return Leaving.Running(id: entry.request.id, stream: entry.request.stream, cached: entry.computed, produced: entry.generated)
            }
        }
        effects.send(.leaving(word), to: controller, bytes: MessageSize.list(word.running.count))
    }

    private func isMovable(_ entry: EngineRequest) -> Bool {
        entry.phase == .running && !entry.isCancelled && entry.generated > 0 && entry.computed > 0 && entry.computed + 1 >= entry.total
    }

    private func handBack(_ id: Int64, _ stream: Int32, holder: Int32, _ effects: inout Effects) {
        effects.send(.handback(id: id, stream: stream, holder: holder), to: Int32(ClusterLayout.client), bytes: MessageSize.header)
    }

    private mutating func handBackWaiting(_ effects: inout Effects) {
        for slot in engine.requests.slotsByRequest {
            switch engine.requests[slot].phase {
            case .waiting, .placed: giveUp(slot, &effects)
            case .held: dropHeld(engine.requests[slot].request.id)
            case .none, .running, .parked, .pulling, .leaving: continue
            }
        }
    }

    private mutating func giveUp(_ slot: Int32, _ effects: inout Effects) {
        let entry = engine.requests[slot]
        guard !entry.isCancelled else { return }
        handBack(entry.request.id, entry.request.stream, holder: -1, &effects)
        cancel(entry.request.id, entry.request.stream, &effects)
    }

    /// The controller says which caches go where.
    mutating func prepare(_ evacuation: Evacuation, at now: Instant, _ effects: inout Effects) {
        guard let departure, !departure.rests, departure.moves.isEmpty, !evacuation.moves.isEmpty else { return }
        self.departure?.moves = evacuation.moves
        self.departure?.start = evacuation.start
        // S = max{S : l_exe(S) < T_minus - T_mig}, with iterations like the latest, after the one that runs.
        let base = engine.inFlight > 0 ? engine.nextEnd : now
        let length = max(1, latestIteration / Nanoseconds(engine.stages))
        self.departure?.iterations = Int(clamping: max(0, evacuation.start - base) / length) + (engine.inFlight > 0 ? 1 : 0)
        effects.timers[.departure] = min(effects.timers[.departure], max(now, evacuation.start))
    }

    /// An iteration has ended: the one after which caches are moved may have been the last.
    mutating func countDown(_ effects: inout Effects) {
        guard let departure, !departure.moves.isEmpty, departure.start < .never else { return }
        self.departure?.iterations -= 1
        if departure.iterations <= 1 { moveCaches(&effects) }
    }

    /// Moves caches, or hands back what is left.
    mutating func depart(at now: Instant, _ effects: inout Effects) {
        guard let departure, let margin = leaving?.margin, !departure.rests else { return }
        let last = max(departure.deadline - margin, 0)
        if departure.start < .never { moveCaches(&effects) }
        guard now >= last else {
            effects.timers[.departure] = last
            return
        }
        for slot in engine.requests.slotsByRequest where engine.requests[slot].phase != .held { giveUp(slot, &effects) }
    }

    private mutating func moveCaches(_ effects: inout Effects) {
        guard let departure else { return }
        self.departure?.start = .never
        var moved = CacheEvacuation(deadline: departure.deadline, bytes: 0)
        defer { if moved.bytes > 0, !departure.rests { statistics.evacuations.append(moved) } }
        for move in departure.moves where move.node != node {
            guard let slot = engine.requests.find(id: move.id, stream: move.stream), isMovable(engine.requests[slot]) else { continue }
            let entry = engine.requests[slot]
            var request = entry.request
            request.produced = entry.generated
            request.decodeNode = -1
            let cached = min(entry.computed, request.knownTokens)
            effects.send(
                .move(MovedCache(request: request, cached: cached)), to: move.node, bytes: MessageSize.header + shape.cacheBytes(cached))
            moved.bytes = moved.bytes.addingClamped(shape.cacheBytes(cached))
            engine.cancel(slot)
        }
    }
}

// MARK: - A worker that goes on with requests of another

extension Worker {
    /// A cache has come. The client is told, which has the request begun here from the token that is due.
    mutating func receive(_ cache: MovedCache, _ effects: inout Effects) {
        let request = cache.request
        dropHeld(request.id)
        let blocks = engine.pool.blocks(for: Int64(cache.cached))
        guard departure == nil, !isOff, !isLoading, crew == nil, duty != .prefill,
            engine.running.count + pulling.count + engine.placesKept + engine.reserved < shape.engine.maxBatch, engine.take(blocks)
        else { return handBack(request.id, request.stream, holder: -1, &effects) }
        var entry = EngineRequest(request, phase: .held)
        entry.computed = cache.cached
        entry.blocks = Int32(clamping: blocks)
        _ = engine.requests.insert(entry)
        engine.reserved += 1
        handBack(request.id, request.stream, holder: node, &effects)
    }

    /// A request whose cache has come. If it is not here any more, it is computed again.
    mutating func adopt(_ request: Assignment) {
        guard duty != .prefill else { return }
        reporting.count(request, engine)
        guard let slot = engine.requests.findHeld(request.id) else {
            engine.enqueue(engine.requests.insert(EngineRequest(request, phase: .waiting)))
            return
        }
        let held = engine.requests[slot]
        var entry = EngineRequest(request, phase: .running)
        entry.blocks = held.blocks
        // The client may have got fewer tokens than were sent to it; at least the latest one is computed with the next.
        entry.computed = min(held.computed, entry.total - 1)
        entry.prefillStart = held.prefillStart
        engine.requests[slot] = entry
        _ = engine.predicted(slot)
        engine.reserved -= 1
        engine.join(slot)
    }

    /// Nobody goes on with a request here.
    mutating func dropHeld(_ id: Int64) {
        guard engine.reserved > 0, let slot = engine.requests.findHeld(id) else { return }
        engine.reserved -= 1
        engine.freeBlocks(of: slot)
        engine.requests.remove(slot)
    }
}

// MARK: - A worker that rests and serves in turns

extension Worker {
    /// It is to serve when its weights are there.
    mutating func activate(after time: Nanoseconds, at now: Instant, _ effects: inout Effects) {
        if isOff {
            isOff = false
            statistics.off += now - offSince
            start(servingFrom: now + max(1, time), &effects)
        } else if departure?.rests == true {
            departure = nil
            reporting.forget()
            effects.send(.hello, to: Int32(ClusterLayout.controller), bytes: MessageSize.header)
        }
    }

    /// It is to finish what it has, and rest.
    mutating func deactivate(at now: Instant, _ effects: inout Effects) {
        guard crew == nil, !isOff, departure == nil else { return }
        departure = LeaveTaking(deadline: .never)
        handBackWaiting(&effects)
        if isLoading {
            loadedAt = .never
            effects.timers[.ready] = .never
        }
        restIfDone(at: now, &effects)
    }

    /// Rests when nothing is left to do.
    mutating func restIfDone(at now: Instant, _ effects: inout Effects) {
        guard let departure, departure.rests, engine.requests.count == 0, engine.inFlight == 0 else { return }
        rest(at: now)
        effects.timers[.report] = .never
        effects.timers[.stageFree] = .never
        effects.send(.retired, to: Int32(ClusterLayout.controller), bytes: MessageSize.header)
    }

    /// The process ends: what it counts stops.
    mutating func endRest(at now: Instant) {
        guard isOff else { return }
        statistics.off += now - offSince
        isOff = false
    }

    /// Rests from now on.
    mutating func rest(at now: Instant) {
        departure = nil
        isOff = true
        offSince = now
        nextStart = .never
        reporting.forget()
    }
}
