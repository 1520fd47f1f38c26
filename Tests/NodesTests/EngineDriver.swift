import Cluster
import Models
import Policies
import Quantities
import TestKit
import Testing

@testable import Nodes

/// A request of a test.
struct Job: Equatable {
    var id: Int64
    var arrival: Instant
    var prompt: Int32
    var output: Int32
    var priority: Int32 = 0
}

/// What an iteration computed: tokens by request, in order.
struct Computed: Equatable, CustomStringConvertible {
    var start: Instant
    var end: Instant
    var chunks: [(id: Int64, tokens: Int32)]
    var preemptions: Int64

    static func == (left: Computed, right: Computed) -> Bool {
        left.start == right.start && left.end == right.end && left.preemptions == right.preemptions
            && left.chunks.elementsEqual(right.chunks, by: ==)
    }

    var description: String { "\(start)...\(end): \(chunks.map { "\($0.id):\($0.tokens)" }.joined(separator: " ")) (\(preemptions) preempted)" }
}

/// An engine with requests that are computed where they arrive, without a network: a colocated worker reduced to its engine.
struct EngineDriver {
    var engine: Engine
    private(set) var iterations: [Computed] = []
    /// Numbers of the requests that are done, in order, and when each token came.
    private(set) var done: [Int64] = []
    private(set) var tokens: [Int64: [Instant]] = [:]
    private var jobs: [Job]
    private(set) var violations: [String] = []

    init(_ jobs: [Job], plan: EnginePlan, blocks: Int64, stages: Int = 1, predictor: PolicyChoice = PolicyChoice("none")) throws {
        self.jobs = jobs.sorted { ($0.arrival, $0.id) < ($1.arrival, $1.id) }
        let cost = CostModel(model: testModel, device: testDevice, tensorParallel: 1, pipelineParallel: stages, table: nil)
        let scheduler = try #require(SchedulingRegistry.make(plan.scheduling, random: RandomStream(seed: 1, stream: 1)))
        let limit = blocks * Int64(plan.blockSize)
        let predictor = try #require(OutputPredictor(predictor, seed: 1, lengthLimit: limit))
        engine = Engine(plan: plan, cost: cost, stages: stages, blocks: blocks, scheduler: scheduler, predictor: predictor)
    }

    /// Runs until nothing is left to do.
    mutating func run() {
        var clock: Instant = 0
        while true {
            let arrival = jobs.first?.arrival ?? .never
            let stage = engine.inFlight > 0 && engine.inFlight < engine.stages && engine.stageFree[0] > clock ? engine.stageFree[0] : .never
            let next = min(arrival, engine.nextEnd, stage, engine.decidesAgain)
            guard next < .never else { return }
            if next <= clock, next == engine.decidesAgain { violations.append("a policy decides again at once") }
            clock = next
            if engine.nextEnd == clock { end(at: clock) }
            while jobs.first?.arrival == clock { accept(jobs.removeFirst()) }
            while engine.isStageFree(at: clock), let place = engine.startIteration(at: clock) { note(place) }
            violations += engine.violations
        }
    }

    private mutating func accept(_ job: Job) {
        let request = Assignment(
            id: job.id, stream: 0, promptTokens: job.prompt, outputTokens: job.output, priority: job.priority, arrival: job.arrival)
        engine.enqueue(engine.requests.insert(EngineRequest(request, phase: .waiting)))
    }

    private mutating func note(_ place: Int) {
        violations += engine.violations(ofIterationAt: place)
        let iteration = engine.ring[place]
        iterations.append(
            Computed(
                start: iteration.start, end: iteration.end,
                chunks: iteration.chunks.map { (engine.requests[$0.slot].request.id, $0.tokens) }, preemptions: iteration.preemptions))
    }

    private mutating func end(at now: Instant) {
        let place = engine.endIteration()
        for chunk in engine.ring[place].chunks where engine.hasFullCache(chunk.slot) {
            engine.requests[chunk.slot].generated += 1
            let entry = engine.requests[chunk.slot]
            tokens[entry.request.id, default: []].append(now)
            guard entry.remaining <= 0 else { continue }
            engine.leave(chunk.slot)
            engine.freeBlocks(of: chunk.slot)
            engine.requests.remove(chunk.slot)
            done.append(entry.request.id)
        }
    }
}

/// Requests and a plan drawn at random, with memory so tight that requests are preempted.
struct RandomLoad {
    var jobs: [Job] = []
    var plan: EnginePlan
    var blocks: Int64
    var stages: Int

    init(_ number: UInt64, stages: Int? = nil) {
        var random = RandomStream(seed: number, stream: 8)
        let blockSize = [1, 8, 16][random.below(3)]
        plan = EnginePlan(
            blockSize: blockSize, tokenBudget: [16, 64, 300][random.below(3)], maxBatch: [1, 3, 8, 40][random.below(4)],
            chunkedPrefill: random.below(3) != 0)
        blocks = Int64((220 + random.below(400)) / blockSize)
        self.stages = stages ?? 1 + random.below(4)
        let spread = [1, 20_000_000, 400_000_000][random.below(3)]
        for id in 0..<40 {
            jobs.append(
                Job(
                    id: Int64(id), arrival: Instant(random.below(spread)), prompt: Int32(1 + random.below(150)), output: Int32(1 + random.below(60)),
                    priority: Int32(random.below(3))))
        }
    }
}
