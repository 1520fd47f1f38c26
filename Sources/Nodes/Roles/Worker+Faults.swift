import Cluster
import Quantities

/// What a worker does when others fail.
extension Worker {
    /// A request is computed elsewhere now: what is here of it goes.
    mutating func cancel(_ id: Int64, _ stream: Int32, _ effects: inout Effects) {
        cancelIncoming(id, stream)
        if earlyPulls[id]?.stream == stream { earlyPulls[id] = nil }
        dropHeld(id)
        guard let slot = engine.requests.find(id: id, stream: stream) else { return }
        if slots[id] == slot { slots[id] = nil }
        forgetReplica(of: engine.requests[slot], &effects)
        switch engine.requests[slot].phase {
        case .none: return
        case .waiting, .running:
            engine.cancel(slot)
            return
        case .placed: if let place = (0..<placed.count).first(where: { placed[$0].slot == slot }) { _ = placed.remove(at: place) }
        case .pulling: endPull(of: slot)
        case .parked, .leaving, .held: break
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

// MARK: - A gang whose members change

extension Worker {
    /// When the gang gets other members; `Instant.never` where it does not, or the worker has none.
    var nextMembership: Instant {
        guard let crew, crew.nextChange < .never else { return .never }
        // An iteration whose end all ranks know ends first.
        guard let gang, gang.isScheduled else { return crew.nextChange }
        return max(crew.nextChange, gang.nextStart)
    }

    /// The gang has other members from now on. An iteration whose end all ranks know ends first.
    mutating func noteMembership(at now: Instant, _ effects: inout Effects) {
        if let gang, gang.isScheduled || gang.isUnderWay { effects.timers[.membership] = .never } else { changeGang(at: now, &effects) }
    }

    private mutating func changeGang(at now: Instant, _ effects: inout Effects) {
        guard let crew else { return }
        earlierBarriers.merge(gang?.tally.statistics)
        gang = crew.enter(at: now)
        if !engine.waiting.isEmpty || !engine.running.isEmpty { _ = gang?.noteWork(at: now) }
        if let start = gang?.nextStart {
            for other in crew.newcomers {
                effects.send(.wake(start, epoch: Int32(clamping: crew.epoch)), to: Int32(other), bytes: MessageSize.header)
            }
        }
        effects.timers[.gangStart] = gang?.nextStart ?? .never
        effects.timers[.membership] = crew.nextChange
    }

    /// Another rank says when the gang begins.
    mutating func wake(for start: Instant, epoch: Int, at now: Instant, _ effects: inout Effects) {
        // A new rank may have passed changes of which those that tell it have not: at that start they all do.
        if gang?.awaitsStart == true { crew?.goBack(to: epoch) }
        gang?.wake(for: start, at: now)
        effects.timers[.gangStart] = gang?.nextStart ?? .never
    }

    /// Whether the gang's iteration that is due can begin: not with other members than those that are there, and not while one stands still.
    mutating func isReadyToBegin(at now: Instant, _ effects: inout Effects) -> Bool {
        guard let crew else { return false }
        if crew.nextChange <= now { changeGang(at: now, &effects) }
        guard let gang, let weather = crew.weather else { return gang != nil }
        guard weather.doom > now, !crew.isBroken(gang, at: now) else {
            gang.stall()
            effects.timers[.gangStart] = .never
            effects.timers[.membership] = crew.nextChange
            return false
        }
        let start = max(gang.nextStart, weather.begin(at: max(now, gang.nextStart)))
        guard start > now else { return true }
        gang.put(off: start)
        effects.timers[.gangStart] = start
        return false
    }

    /// The present iteration waits for a rank that is no more.
    mutating func giveUp(_ effects: inout Effects) {
        guard let gang, gang.isUnderWay else { return }
        gang.stall()
        loseIteration(&effects)
    }

    /// A rank died before the iteration was over: what it computed is lost, and computed again when the gang has other members.
    mutating func loseIteration(_ effects: inout Effects) {
        if let place = openPlace {
            engine.abort(place)
            openPlace = nil
            for chunk in engine.ring[place].chunks where engine.requests[chunk.slot].isCancelled {
                engine.requests[chunk.slot].isCancelled = false
                engine.cancel(chunk.slot)
            }
        }
        effects.timers[.iterationEnd] = engine.nextEnd
        effects.timers[.gangStart] = .never
        effects.timers[.membership] = crew?.nextChange ?? .never
    }

    /// The table of faults has changed.
    /// - Parameter lost: whose process has just died, and from when on it is known to be gone; an iteration that waits for it is lost.
    mutating func faultsChanged(lost: (node: Int, at: Instant)?, _ effects: inout Effects) {
        guard let crew else { return }
        crew.refresh()
        gang?.weather = crew.weather
        if let lost {
            crew.lose(lost.node, at: lost.at)
            if gang?.shape.members.contains(Int32(lost.node)) == true { giveUp(&effects) }
        }
        effects.timers[.membership] = crew.nextChange
    }
}
