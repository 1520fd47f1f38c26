import Policies
import Quantities

/// What the engine asks of its scheduling policy, for policies that want to be asked.
extension Engine {
    /// A request as it waits, with what is predicted of it.
    mutating func predicted(_ slot: Int32) -> QueuedRequest {
        if requests[slot].prediction == .unknown { requests[slot].prediction = prediction(of: requests[slot], after: 0) }
        let entry = requests[slot]
        var item = queued(slot, entry)
        item.prediction = currentPrediction(of: entry)
        return item
    }

    /// What is predicted of a request's output length now, or was when it had produced `generated` tokens.
    func prediction(of entry: EngineRequest, after generated: Int32? = nil) -> Prediction {
        predictor.predict(
            id: entry.request.id, promptTokens: entry.request.promptTokens, truth: entry.request.outputTokens,
            generated: generated ?? entry.generated)
    }

    /// The same for a request of the table, whose first prediction is at hand.
    private func currentPrediction(of entry: EngineRequest) -> Prediction {
        predictor.isRefined ? prediction(of: entry) : entry.prediction.after(entry.generated)
    }

    private func seen(_ slot: Int32) -> RunningRequest {
        let entry = requests[slot]
        // One whose cache is on its way comes with its first token.
        let isComing = entry.phase == .pulling
        let generated = isComing ? entry.request.produced + 1 : entry.generated
        return RunningRequest(
            slot: slot, id: entry.request.id, priority: entry.request.priority, arrival: entry.request.arrival,
            tokens: entry.request.promptTokens + generated, computed: isComing ? entry.request.knownTokens : entry.computed, generated: generated,
            blocks: entry.blocks, prediction: currentPrediction(of: entry), firstExpected: entry.prediction.expected,
            isEvictable: !entry.isInFlight && entry.pushed == 0 && !isComing)
    }

    /// Brings the view up to date.
    private mutating func look(at now: Instant) {
        view.now = now
        view.freeBlocks = pool.free + replicaBlocks
        view.isPull = false
        view.running.removeAll(keepingCapacity: true)
        for slot in running { view.running.append(seen(slot)) }
    }

    /// Has the scheduler evict and pause running requests.
    mutating func manage(in iteration: Int, at now: Instant) {
        orders.removeAll()
        guard !running.isEmpty || !waiting.isEmpty else { return }
        look(at: now)
        scheduler.manage(waiting, view, &orders)
        for place in orders.evicted.indices {
            let slot = orders.evicted[place]
            guard requests[slot].phase == .running, !requests[slot].isInFlight, requests[slot].pushed == 0 else { continue }
            preempt(slot)
            ring[iteration].preemptions += 1
        }
        for slot in orders.paused where requests[slot].phase == .running { requests[slot].isPaused = true }
    }

    /// Has the scheduler choose from those that wait.
    mutating func choose(at now: Instant) {
        admitted.removeAll(keepingCapacity: true)
        guard !waiting.isEmpty, running.count + placesKept + reserved < plan.maxBatch else { return }
        look(at: now)
        askWhoJoins(from: waiting)
    }

    private mutating func askWhoJoins(from waiting: WaitingQueue) {
        if let program, let chosen = program.admit(from: waiting, view) {
            admitted += chosen
        } else {
            scheduler.admit(from: waiting, view, into: &admitted)
        }
    }

    /// Has the scheduler choose from requests that were prefilled elsewhere, whose caches would be pulled next.
    mutating func choose(from placed: WaitingQueue, pulling: [Int32], at now: Instant) {
        admitted.removeAll(keepingCapacity: true)
        look(at: now)
        view.isPull = true
        for slot in pulling { view.running.append(seen(slot)) }
        askWhoJoins(from: placed)
        if admitted.isEmpty, view.running.isEmpty, waiting.isEmpty { admitted.append(placed[0]) }
    }

    /// The running request that the scheduler gives up, from a place on.
    mutating func chosenVictim(from place: Int) -> Int32? {
        let candidates = running[place...].filter { !requests[$0].isInFlight }.map(seen)
        guard !candidates.isEmpty else { return nil }
        let choice = scheduler.victim(among: candidates)
        return candidates[min(max(choice, 0), candidates.count - 1)].slot
    }

    /// The iteration has come out empty. Unless the scheduler has named a time to decide again, or another iteration ends by itself, whoever can be
    /// computed is: nobody may wait for what may never come.
    mutating func overrule(_ iteration: Int, at now: Instant) {
        if traits.contains(.waits), orders.decidesAgain > now, orders.decidesAgain < .never {
            decidesAgain = orders.decidesAgain
            return
        }
        guard inFlight == 0 else { return }
        for slot in orders.paused { requests[slot].isPaused = false }
        var budget = plan.tokenBudget
        addRunning(to: iteration, budget: &budget)
        if ring[iteration].shape.isEmpty { admitAll(to: iteration, budget: &budget, at: now) }
    }
}
