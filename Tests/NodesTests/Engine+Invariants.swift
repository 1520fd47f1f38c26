import Models
import Policies
import Quantities

@testable import Nodes

extension Engine {
    /// Everything about the engine's state that is not as it must be, in words.
    var violations: [String] {
        var found: [String] = []
        func check(_ holds: Bool, _ text: @autoclosure () -> String) { if !holds { found.append(text()) } }
        let held = requests.entries.filter { $0.phase != .none }
        check(pool.used == held.reduce(0) { $0 + Int64($1.blocks) }, "the pool has \(pool.used) blocks in use, requests hold another number")
        check(pool.used <= pool.total && pool.free >= 0, "\(pool.used) of \(pool.total) blocks are in use")
        check(running.count <= plan.maxBatch, "\(running.count) requests run, \(plan.maxBatch) may")
        check(Set(running).count == running.count, "a request runs twice")
        check(Set(running) == Set(slots(in: .running)), "the batch is not the requests that run")
        let keys = running.map { queued($0, requests[$0]) }
        check(zip(keys, keys.dropFirst()).allSatisfy { $0.precedes($1) }, "the batch is out of order")
        let queue = (0..<waiting.count).map { waiting[$0] }
        check(zip(queue, queue.dropFirst()).allSatisfy { $0.precedes($1) }, "the queue is out of order")
        check(Set(queue.map(\.slot)) == Set(slots(in: .waiting)), "the queue is not the requests that wait")
        check(queue.allSatisfy { requests[$0.slot].blocks == 0 && requests[$0.slot].computed == 0 }, "a request that waits holds cache")
        check(queue.allSatisfy { $0.tokens == requests[$0.slot].total }, "the queue does not know the tokens of a request")
        check(waitingTokens == queue.reduce(0) { $0 + Int64($1.tokens) }, "\(waitingTokens) tokens wait, the queue holds another number")
        for slot in running {
            let entry = requests[slot]
            check(entry.computed <= entry.total, "a request has more cache than tokens")
            check(Int64(entry.blocks) >= pool.blocks(for: Int64(entry.computed)), "a request has more cache than blocks")
        }
        return found
    }

    /// Everything about the iteration at a place of the ring, just started, that is not as it must be.
    func violations(ofIterationAt place: Int) -> [String] {
        var found: [String] = []
        func check(_ holds: Bool, _ text: @autoclosure () -> String) { if !holds { found.append(text()) } }
        let iteration = ring[place]
        let tokens = iteration.chunks.reduce(0) { $0 + Int($1.tokens) }
        let isLonePrompt = !plan.chunkedPrefill && iteration.chunks.count == 1
        check(tokens <= plan.tokenBudget || isLonePrompt, "\(tokens) tokens, the budget is \(plan.tokenBudget)")
        check(Int64(tokens) == iteration.shape.tokens, "the batch counts \(iteration.shape.tokens) tokens, its chunks \(tokens)")
        check(iteration.chunks.count <= plan.maxBatch, "\(iteration.chunks.count) requests, \(plan.maxBatch) may be in a batch")
        check(iteration.usedBlocks == pool.used, "the iteration noted another number of blocks")
        check(Set(iteration.chunks.map(\.slot)).count == iteration.chunks.count, "a request is in the batch twice")
        check(iteration.end > iteration.start, "the iteration takes no time")
        for chunk in iteration.chunks {
            let entry = requests[chunk.slot]
            check(entry.phase == .running && chunk.tokens > 0, "a request that does not run is computed")
            let context = Int64(entry.computed + chunk.tokens)
            check(context <= Int64(entry.total), "more is computed than there is")
            check(Int64(entry.blocks) >= pool.blocks(for: context), "a request is computed beyond its blocks")
        }
        if !plan.chunkedPrefill {
            check(iteration.shape.prefillTokens == 0 || iteration.shape.decodeRequests == 0, "a whole prompt runs next to decoding requests")
            check(iteration.chunks.allSatisfy { requests[$0.slot].computed + $0.tokens == requests[$0.slot].total }, "a prompt was cut")
        }
        return found
    }

    private func slots(in phase: EngineRequest.Phase) -> [Int32] {
        requests.entries.indices.filter { requests.entries[$0].phase == phase }.map(Int32.init)
    }
}
