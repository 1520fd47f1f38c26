import Cluster
import Quantities
import Records

/// A worker as the source and as the target of live migration (see `MigrationStep`).
extension Worker {
    mutating func receive(_ step: MigrationStep, in envelope: Envelope, at now: Instant, _ effects: inout Effects) {
        guard crew == nil, duty != .prefill else { return }
        let source = envelope.source
        guard envelope.born >= moves.believedFrom[source] ?? 0 else {
            effects.fenced += 1
            return
        }
        switch step.kind {
        case .order: beginMove(to: step.node, at: now, &effects)
        case .buddy: setBuddy(step.node)
        case .reserve: reserve(step, for: source, born: envelope.born, &effects)
        case .reserved, .refused, .copied, .committed: goOn(step, from: source, born: envelope.born, at: now, &effects)
        case .piece: answer(step, incoming(step, from: source) == nil ? .refused : .copied, to: source, &effects)
        case .handover: land(step, from: source, &effects)
        case .replica: keepReplica(step, from: source)
        case .moved: break
        }
    }

    // MARK: Source

    private mutating func beginMove(to target: Int32, at now: Instant, _ effects: inout Effects) {
        guard moves.outgoing == nil, target != node, departure == nil, !isOff, let slot = chooseToMove() else { return }
        let entry = engine.requests[slot]
        moves.attempts &+= 1
        moves.outgoing = Moves.Outgoing(
            slot: slot, id: entry.request.id, stream: entry.request.stream, target: target, attempt: moves.attempts, begun: now,
            preemptions: entry.preemptions)
        askForRoom(&effects)
    }

    /// The request that goes: the least urgent, of these the one with the shortest cache.
    private func chooseToMove() -> Int32? {
        let movable = engine.running.filter { slot in
            let entry = engine.requests[slot]
            return entry.generated > entry.request.produced && entry.computed + 1 == entry.total && entry.remaining > 0 && !entry.isCancelled
                && !moves.landed.contains { $0.slot == slot }
        }
        return movable.min { left, right in
            let (one, other) = (engine.requests[left], engine.requests[right])
            return (-Int64(one.request.priority), one.computed, one.request.id) < (-Int64(other.request.priority), other.computed, other.request.id)
        }
    }

    private mutating func askForRoom(_ effects: inout Effects) {
        guard var move = moves.outgoing else { return }
        let entry = engine.requests[move.slot]
        let size = Int64(shape.engine.blockSize)
        let rest = engine.pool.blocks(for: Int64(entry.computed)) - Int64(move.copied) / size
        move.stage = .reserving(isLast: rest <= Moves.lastBlocks || move.stages >= moves.stageLimit)
        moves.outgoing = move
        var step = step(.reserve, of: move)
        // What the iteration under way adds, and the token that the target computes first.
        step.tokens = entry.total + 1
        effects.send(.migration(step), to: move.target, bytes: MessageSize.header)
    }

    private func step(_ kind: MigrationStep.Kind, of move: Moves.Outgoing) -> MigrationStep {
        var step = MigrationStep(kind, id: move.id, stream: move.stream)
        step.attempt = move.attempt
        return step
    }

    /// The target has answered.
    private mutating func goOn(_ step: MigrationStep, from source: Int32, born: Instant, at now: Instant, _ effects: inout Effects) {
        guard let move = moves.outgoing, move.target == source, move.attempt == step.attempt, move.id == step.id, isUnchanged(move) else { return }
        moves.outgoing?.targetBorn = born
        switch (step.kind, move.stage) {
        case (.reserved, .reserving(isLast: false)): copyStage(&effects)
        case (.reserved, .reserving(isLast: true)):
            moves.outgoing?.stage = .stopping
            if engine.underWay(move.slot) == nil { handOver(at: now, &effects) }
        case (.copied, .copying): askForRoom(&effects)
        case (.committed, .handedOver): complete(move, &effects)
        case (.refused, .handedOver): resume(move)
        case (.refused, _): drop(move, &effects)
        default: break
        }
    }

    /// Sends the blocks that are full and have not been sent.
    private mutating func copyStage(_ effects: inout Effects) {
        guard var move = moves.outgoing else { return }
        let size = Int32(shape.engine.blockSize)
        let full = engine.requests[move.slot].computed / size * size
        let bytes = shape.cacheBytes(full) - shape.cacheBytes(move.copied)
        move.copied = full
        move.bytes += bytes
        move.stages += 1
        move.stage = .copying
        moves.outgoing = move
        var step = step(.piece, of: move)
        step.tokens = full
        effects.send(.migration(step), to: move.target, bytes: MessageSize.header + bytes)
    }

    /// An iteration has ended: a request that is to stop with it stops.
    mutating func stopForMove(at now: Instant, _ effects: inout Effects) {
        guard let move = moves.outgoing, move.stage == .stopping, isUnchanged(move), engine.underWay(move.slot) == nil else { return }
        handOver(at: now, &effects)
    }

    private mutating func handOver(at now: Instant, _ effects: inout Effects) {
        guard var move = moves.outgoing else { return }
        let entry = engine.requests[move.slot]
        engine.leave(move.slot)
        engine.requests[move.slot].phase = .leaving
        let size = Int32(shape.engine.blockSize)
        // Blocks travel whole.
        let whole = (entry.computed + size - 1) / size * size
        let bytes = shape.cacheBytes(whole) - shape.cacheBytes(move.copied)
        move.bytes += bytes
        move.stages += 1
        move.stage = .handedOver
        moves.outgoing = move
        var step = step(.handover, of: move)
        step.tokens = entry.computed
        step.state = MovedRequest(
            request: entry.request, generated: entry.generated, computed: entry.computed, preemptions: entry.preemptions,
            prefillStart: entry.prefillStart, prefillNode: entry.prefillNode >= 0 ? entry.prefillNode : node,
            kvTransfer: entry.kvTransfer, begun: move.begun, lastToken: entry.lastToken < 0 ? now : entry.lastToken, stages: move.stages,
            bytes: move.bytes)
        effects.send(.migration(step), to: move.target, bytes: MessageSize.header + bytes)
    }

    /// The request runs at the target. The client hears it from here, and not over the controller: whatever else is lost, who lets go of the request
    /// has said where it is.
    private mutating func complete(_ move: Moves.Outgoing, _ effects: inout Effects) {
        let entry = engine.requests[move.slot]
        var step = step(.moved, of: move)
        step.from = entry.generated
        step.node = move.target
        step.born = max(0, moves.outgoing?.targetBorn ?? 0)
        effects.send(.migration(step), to: Int32(ClusterLayout.client), bytes: MessageSize.header)
        forgetReplica(of: entry, &effects)
        engine.freeBlocks(of: move.slot)
        engine.requests.remove(move.slot)
        moves.outgoing = nil
    }

    /// The target does not have it: it goes on here.
    private mutating func resume(_ move: Moves.Outgoing) {
        engine.join(move.slot)
        moves.outgoing = nil
        statistics.abortedMigrations += 1
    }

    /// The request stays here, or is nowhere any more.
    private mutating func drop(_ move: Moves.Outgoing, _ effects: inout Effects) {
        effects.send(.cancel(id: move.id, stream: move.stream), to: move.target, bytes: MessageSize.header)
        moves.outgoing = nil
        statistics.abortedMigrations += 1
    }

    private func isUnchanged(_ move: Moves.Outgoing) -> Bool {
        guard let slot = engine.requests.find(move.slot, id: move.id, stream: move.stream, in: .running, .leaving) else { return false }
        return engine.requests[slot].preemptions == move.preemptions && !engine.requests[slot].isCancelled
    }

    /// Gives the migration up when its request has ended, was preempted, or is computed elsewhere now.
    mutating func tendMove(_ effects: inout Effects) {
        if let move = moves.outgoing, !isUnchanged(move) { drop(move, &effects) }
    }

    // MARK: Target

    private func incoming(_ step: MigrationStep, from source: Int32) -> Int? {
        moves.incoming.firstIndex { $0.id == step.id && $0.stream == step.stream && $0.source == source }
    }

    private mutating func reserve(_ step: MigrationStep, for source: Int32, born: Instant, _ effects: inout Effects) {
        let needed = engine.pool.blocks(for: Int64(step.tokens))
        var isGranted = false
        if let place = incoming(step, from: source) {
            let missing = max(0, needed - moves.incoming[place].blocks)
            isGranted = engine.take(missing)
            if isGranted { moves.incoming[place].blocks += missing } else { dropIncoming(place) }
        } else if isIdleEnough, Int64(step.tokens) <= Int64(shape.lengthLimit), engine.take(needed) {
            moves.incoming.append(Moves.Incoming(source: source, born: born, id: step.id, stream: step.stream, blocks: needed))
            engine.placesKept += 1
            isGranted = true
        }
        answer(step, isGranted ? .reserved : .refused, to: source, &effects)
    }

    /// Whether nobody waits here for what a request from elsewhere would take.
    private var isIdleEnough: Bool {
        !isLoading && !isOff && departure == nil && engine.waiting.isEmpty && placed.isEmpty
            && engine.running.count + pulling.count + engine.placesKept + engine.reserved < shape.engine.maxBatch
    }

    private func answer(_ step: MigrationStep, _ kind: MigrationStep.Kind, to source: Int32, _ effects: inout Effects) {
        var reply = MigrationStep(kind, id: step.id, stream: step.stream)
        reply.attempt = step.attempt
        effects.send(.migration(reply), to: source, bytes: MessageSize.header)
    }

    private mutating func dropIncoming(_ place: Int) {
        engine.pool.give(moves.incoming[place].blocks)
        engine.placesKept -= 1
        moves.incoming.remove(at: place)
    }

    /// The rest of a cache is here, and the request with it.
    private mutating func land(_ step: MigrationStep, from source: Int32, _ effects: inout Effects) {
        guard let place = incoming(step, from: source), let state = step.state, state.request.id == step.id, state.request.stream == step.stream,
            moves.incoming[place].blocks >= engine.pool.blocks(for: Int64(state.computed))
        else { return answer(step, .refused, to: source, &effects) }
        var entry = EngineRequest(state.request, phase: .running)
        entry.generated = state.generated
        entry.computed = state.computed
        entry.blocks = Int32(moves.incoming[place].blocks)
        entry.preemptions = state.preemptions
        entry.prefillStart = state.prefillStart
        entry.prefillNode = state.prefillNode
        entry.kvTransfer = state.kvTransfer
        moves.incoming.remove(at: place)
        engine.placesKept -= 1
        let slot = engine.requests.insert(entry)
        engine.join(slot)
        moves.landed.append(Moves.Landed(slot: slot, source: source, state: state))
        answer(step, .committed, to: source, &effects)
    }

    /// A request that came from elsewhere has produced its first token here.
    mutating func noteLanded(_ slot: Int32, at now: Instant, _ effects: inout Effects) {
        guard let place = moves.landed.firstIndex(where: { $0.slot == slot }) else { return }
        let landed = moves.landed.remove(at: place)
        let state = landed.state
        guard state.request.id == engine.requests[slot].request.id, state.request.stream == engine.requests[slot].request.stream else { return }
        let downtime = max(0, now - state.lastToken)
        statistics.migrations += 1
        statistics.migratedBytes = statistics.migratedBytes.addingClamped(state.bytes)
        statistics.downtimes.add(downtime)
        MigrationRow(
            request: state.request.id, source: landed.source, begun: state.begun, lastToken: state.lastToken, end: now,
            tokens: state.computed, stages: state.stages, bytes: state.bytes
        ).write(to: &effects.records.migrations, node: name)
    }

    // MARK: Failures

    /// Another worker counts as dead: what was under way from it goes; what was under way to it stays here.
    mutating func lose(_ fence: Fence, _ effects: inout Effects) {
        moves.believedFrom[fence.node] = max(moves.believedFrom[fence.node] ?? 0, fence.before)
        while let place = moves.incoming.firstIndex(where: { $0.source == fence.node && $0.born < fence.before }) { dropIncoming(place) }
        if let move = moves.outgoing, move.target == fence.node {
            if move.stage != .handedOver { drop(move, &effects) } else if move.targetBorn < fence.before { resume(move) }
        }
        if moves.buddy == fence.node { setBuddy(-1) }
    }

    /// A request is computed elsewhere: whatever room is kept for it goes. Answers whether there was any.
    mutating func cancelIncoming(_ id: Int64, _ stream: Int32) {
        if let place = moves.incoming.firstIndex(where: { $0.id == id && $0.stream == stream }) { dropIncoming(place) }
    }
}

// MARK: - Copies against failures

extension Worker {
    mutating func setBuddy(_ buddy: Int32) {
        guard buddy != moves.buddy else { return }
        moves.buddy = buddy == node ? -1 : buddy
        // The new one has nothing yet.
        engine.requests.forgetCopies()
    }

    /// Copies what an iteration has added, where it is enough.
    mutating func copyToBuddy(_ place: Int, _ effects: inout Effects) {
        guard moves.copyInterval > 0, moves.buddy >= 0, crew == nil, duty != .prefill else { return }
        for chunk in engine.ring[place].chunks {
            let entry = engine.requests[chunk.slot]
            guard entry.phase == .running, entry.generated > entry.request.produced, entry.computed - entry.copied >= moves.copyInterval else {
                continue
            }
            var step = MigrationStep(.replica, id: entry.request.id, stream: entry.request.stream)
            step.from = entry.copied
            step.tokens = entry.computed
            engine.requests[chunk.slot].copied = entry.computed
            let bytes = shape.cacheBytes(entry.computed) - shape.cacheBytes(entry.copied)
            statistics.copiedBytes = statistics.copiedBytes.addingClamped(bytes)
            effects.send(.migration(step), to: moves.buddy, bytes: MessageSize.header + bytes)
        }
    }

    /// A request has left: its copy is of no use. Goes behind the copies, in their lane.
    func forgetReplica(of entry: EngineRequest, _ effects: inout Effects) {
        guard entry.copied > 0, moves.buddy >= 0 else { return }
        effects.send(
            .migration(MigrationStep(.replica, id: entry.request.id, stream: entry.request.stream)), to: moves.buddy, bytes: MessageSize.header)
    }

    /// Keeps a copy for another worker, as far as there is room.
    mutating func keepReplica(_ step: MigrationStep, from source: Int32) {
        guard step.tokens > 0 else { return engine.dropReplica(id: step.id, stream: step.stream, source: source) }
        engine.keepReplica(id: step.id, stream: step.stream, source: source, from: step.from, tokens: step.tokens)
    }

    /// A request whose worker has died: its cache is computed here, as far as there is no copy of it.
    mutating func rebuild(_ request: Assignment, at now: Instant) {
        guard duty != .prefill else { return }
        reporting.count(request, engine)
        var entry = EngineRequest(request, phase: .waiting)
        entry.prefillNode = node
        if let replica = engine.takeReplica(id: request.id, source: request.lostNode) {
            entry.computed = max(0, min(replica.tokens, entry.total - 1))
            entry.blocks = Int32(clamping: replica.blocks)
            statistics.salvages.append(CacheSalvage(node: Int64(request.lostNode), at: now, tokens: Int64(entry.computed)))
        }
        engine.enqueue(engine.requests.insert(entry))
    }
}
