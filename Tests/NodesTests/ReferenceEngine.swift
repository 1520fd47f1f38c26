import Cluster
import Models
import Quantities
import TestKit

/// The engine's rules again, as plainly as they can be written: lists that are sorted at every step, blocks that are counted anew.
/// One pipeline stage.
struct ReferenceEngine {
    private struct State {
        var job: Job
        var computed: Int32 = 0
        var generated: Int32 = 0
        var runs = false

        var total: Int32 { job.prompt + generated }
        var key: (Int32, Instant, Int64) { (job.priority, job.arrival, job.id) }
    }

    let plan: EnginePlan
    let blocks: Int64
    private var pending: [Job]
    private var states: [State] = []
    private(set) var iterations: [Computed] = []
    private var cost = CostModel(model: testModel, device: testDevice, tensorParallel: 1, pipelineParallel: 1, table: nil)
    /// Blocks by request: those of the tokens that it had when it was admitted, and more as it grew.
    private var held: [Int64: Int64] = [:]

    init(_ jobs: [Job], plan: EnginePlan, blocks: Int64) {
        self.plan = plan
        self.blocks = blocks
        pending = jobs.sorted { ($0.arrival, $0.id) < ($1.arrival, $1.id) }
    }

    private var free: Int64 { states.reduce(blocks) { $0 - (held[$1.job.id] ?? 0) } }
    private func needed(_ tokens: Int32) -> Int64 { (Int64(tokens) + Int64(plan.blockSize) - 1) / Int64(plan.blockSize) }
    private func place(_ id: Int64) -> Int? { states.firstIndex { $0.job.id == id } }
    /// Numbers of the requests that run, or wait, in the order of urgency and arrival.
    private func ordered(running: Bool) -> [Int64] { states.filter { $0.runs == running }.sorted { $0.key < $1.key }.map(\.job.id) }

    mutating func run() {
        var clock: Instant = 0
        while !pending.isEmpty || !states.isEmpty {
            while let job = pending.first, job.arrival <= clock {
                states.append(State(job: job))
                pending.removeFirst()
            }
            guard let iteration = form(at: clock) else {
                guard let next = pending.first else { return }
                clock = next.arrival
                continue
            }
            iterations.append(iteration)
            clock = iteration.end
            finish(iteration)
        }
    }

    private mutating func form(at now: Instant) -> Computed? {
        var iteration = Computed(start: now, end: now, chunks: [], preemptions: 0)
        var budget = Int32(plan.tokenBudget)
        if plan.chunkedPrefill {
            decode(&iteration, &budget)
            if iteration.preemptions == 0 || iteration.chunks.isEmpty { admit(&iteration, &budget) }
        } else {
            admit(&iteration, &budget)
            if iteration.chunks.isEmpty { decode(&iteration, &budget) }
            if iteration.chunks.isEmpty { admit(&iteration, &budget) }
        }
        guard !iteration.chunks.isEmpty else { return nil }
        var shape = BatchShape()
        for chunk in iteration.chunks {
            guard let place = place(chunk.id) else { continue }
            let state = states[place]
            if chunk.tokens == 1, state.computed > 0, state.generated > 0, state.computed + 1 == state.total {
                shape.addDecode(context: Int64(state.total))
            } else {
                shape.addPrefill(tokens: Int64(chunk.tokens), context: Int64(state.computed))
            }
        }
        iteration.end = now + cost.iterationTime(shape)
        return iteration
    }

    private mutating func decode(_ iteration: inout Computed, _ budget: inout Int32) {
        for id in ordered(running: true) {
            guard budget > 0, let place = place(id), states[place].runs else { continue }
            let tokens = min(states[place].total - states[place].computed, budget)
            let wanted = needed(states[place].computed + tokens)
            while wanted - (held[id] ?? 0) > free, states[place].runs, let victim = ordered(running: true).last {
                preempt(victim)
                iteration.preemptions += 1
            }
            guard states[place].runs else { return }
            held[id] = max(held[id] ?? 0, wanted)
            budget -= tokens
            iteration.chunks.append((id, tokens))
        }
    }

    private mutating func preempt(_ id: Int64) {
        guard let place = place(id) else { return }
        states[place].runs = false
        states[place].computed = 0
        held[id] = nil
    }

    private mutating func admit(_ iteration: inout Computed, _ budget: inout Int32) {
        for id in ordered(running: false) {
            guard let place = place(id), budget > 0, ordered(running: true).count < plan.maxBatch else { return }
            let total = states[place].total
            if !plan.chunkedPrefill, total > budget, !iteration.chunks.isEmpty { return }
            guard needed(total) <= free else { return }
            held[id] = needed(total)
            states[place].runs = true
            let tokens = plan.chunkedPrefill ? min(total, budget) : total
            budget -= tokens
            iteration.chunks.append((id, tokens))
        }
    }

    private mutating func finish(_ iteration: Computed) {
        for chunk in iteration.chunks {
            guard let place = place(chunk.id) else { continue }
            states[place].computed += chunk.tokens
            guard states[place].computed == states[place].total else { continue }
            states[place].generated += 1
            guard states[place].generated == states[place].job.output else { continue }
            held[chunk.id] = nil
            states.remove(at: place)
        }
    }
}
