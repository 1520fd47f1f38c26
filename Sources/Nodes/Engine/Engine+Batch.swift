import Models
import Policies
import Quantities

extension Engine {
    /// Chooses what the iteration at a place of the ring computes.
    ///
    /// When it comes out empty there is nothing that could be computed, now or until something else happens: what a preemption gave
    /// back was offered to those that wait. The lookahead of the virtual clock rests on that.
    mutating func form(_ place: Int, at now: Instant) {
        decidesAgain = .never
        if traits.contains(.manages) { manage(in: place, at: now) }
        compute(place, at: now)
        if traits.isDisjoint(with: [.manages, .admits]) { return }
        if ring[place].shape.isEmpty { overrule(place, at: now) }
        for slot in orders.paused { requests[slot].isPaused = false }
    }

    private mutating func compute(_ place: Int, at now: Instant) {
        var budget = plan.tokenBudget
        if plan.chunkedPrefill {
            let evicted = ring[place].preemptions
            addRunning(to: place, budget: &budget)
            // Room that had to be taken from one request is not for the next one, unless nothing else would run.
            if ring[place].preemptions == evicted || ring[place].shape.isEmpty { admit(to: place, budget: &budget, at: now) }
        } else {
            // Without chunks a prompt is computed whole, in an iteration without decoding ones, and goes first.
            admit(to: place, budget: &budget, at: now)
            if ring[place].shape.isEmpty { addRunning(to: place, budget: &budget) }
            if ring[place].shape.isEmpty { admit(to: place, budget: &budget, at: now) }
        }
    }

    /// Adds the running requests in order, but for those that skip the iteration: the next token of those that decode and the next piece of those
    /// that prefill.
    mutating func addRunning(to iteration: Int, budget: inout Int) {
        var place = 0
        while place < running.count, budget > 0 {
            let slot = running[place]
            if requests[slot].isInFlight || requests[slot].isPaused {
                place += 1
                continue
            }
            let computed = requests[slot].computed
            let tokens = min(requests[slot].total - computed, Int32(clamping: budget))
            // It was the victim itself: the next one is in its place.
            guard reserve(Int64(computed + tokens), for: slot, from: place, in: iteration) else { continue }
            budget -= Int(tokens)
            add(slot, tokens: tokens, to: iteration)
            place += 1
        }
    }

    /// Takes the blocks that `tokens` tokens of a request need, preempting the requests behind it, and itself as the last. Answers whether it still
    /// runs.
    private mutating func reserve(_ tokens: Int64, for slot: Int32, from place: Int, in iteration: Int) -> Bool {
        let missing = pool.blocks(for: tokens) - Int64(requests[slot].blocks)
        guard missing > 0 else { return true }
        while !take(missing) {
            // The request itself is one that can go.
            let victim = (traits.contains(.choosesVictims) ? chosenVictim(from: place) : lastVictim(from: place)) ?? slot
            preempt(victim)
            ring[iteration].preemptions += 1
            if victim == slot { return false }
        }
        requests[slot].blocks += Int32(missing)
        return true
    }

    private func lastVictim(from place: Int) -> Int32? { running[place...].last { !requests[$0].isInFlight } }

    /// Throws a running request's cache away and puts it back into the queue.
    mutating func preempt(_ slot: Int32) {
        leave(slot)
        freeBlocks(of: slot)
        requests[slot].computed = 0
        requests[slot].preemptions += 1
        requests[slot].phase = .waiting
        preemptions += 1
        enqueue(slot)
    }

    /// Admits waiting requests while tokens, places and blocks last, in the scheduler's order.
    private mutating func admit(to iteration: Int, budget: inout Int, at now: Instant) {
        if traits.contains(.admits) {
            guard budget > 0 else { return }
            choose(at: now)
            for place in admitted.indices {
                guard let position = waiting.firstIndex(of: admitted[place]), admit(at: position, to: iteration, budget: &budget, at: now) else {
                    return
                }
            }
        } else {
            admitAll(to: iteration, budget: &budget, at: now)
        }
    }

    /// Admits the queue from its head.
    mutating func admitAll(to iteration: Int, budget: inout Int, at now: Instant) {
        while !waiting.isEmpty, admit(at: 0, to: iteration, budget: &budget, at: now) {}
    }

    /// Admits the waiting request at a place of the queue, if there is room for it.
    private mutating func admit(at position: Int, to iteration: Int, budget: inout Int, at now: Instant) -> Bool {
        guard budget > 0, running.count + placesKept + reserved < plan.maxBatch else { return false }
        let slot = waiting[position].slot
        let total = Int64(requests[slot].total)
        // Less what a copy of its cache holds.
        let left = total - Int64(requests[slot].computed)
        let missing = max(0, pool.blocks(for: total) - Int64(requests[slot].blocks))
        let fits = left <= Int64(budget)
        // A prompt above the whole budget runs alone when it may not be cut.
        guard fits || plan.chunkedPrefill || ring[iteration].shape.isEmpty else { return false }
        guard take(missing) || running.isEmpty && shedWaiting(except: slot) && take(missing) else { return false }
        _ = waiting.remove(at: position)
        waitingTokens -= left
        requests[slot].blocks += Int32(missing)
        if requests[slot].prefillStart < 0 { requests[slot].prefillStart = now }
        join(slot)
        let tokens = plan.chunkedPrefill ? Int32(min(left, Int64(budget))) : Int32(left)
        budget -= Int(tokens)
        add(slot, tokens: tokens, to: iteration)
        return true
    }

    @inline(__always)
    private mutating func add(_ slot: Int32, tokens: Int32, to iteration: Int) {
        let entry = requests[slot]
        // One token after a full cache is decoding; a prompt of one token is not, for its cache starts empty.
        let isDecode = tokens == 1 && entry.computed > 0 && entry.computed + 1 == entry.total && entry.generated > 0
        if isDecode {
            ring[iteration].shape.addDecode(context: Int64(entry.computed) + 1)
        } else {
            ring[iteration].shape.addPrefill(tokens: Int64(tokens), context: Int64(entry.computed))
        }
        ring[iteration].chunks.append(Chunk(slot: slot, tokens: tokens, context: entry.computed, isDecode: isDecode))
    }
}
