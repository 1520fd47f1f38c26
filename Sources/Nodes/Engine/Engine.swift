import Cluster
import Models
import Policies
import Quantities

/// What an iteration computes for one request.
struct Chunk: Sendable {
    var slot: Int32
    var tokens: Int32
    /// Tokens whose cache is there already, and whether the request decodes.
    var context: Int32
    var isDecode: Bool
}

/// An iteration on its way through the pipeline stages.
struct Iteration: Sendable {
    var chunks: [Chunk] = []
    var shape = BatchShape()
    var number: Int64 = 0
    var start: Instant = 0
    var end: Instant = 0
    var waiting: Int64 = 0
    var usedBlocks: Int64 = 0
    var preemptions: Int64 = 0
}

/// The loop of a serving engine: iteration-level batching under a token budget, paged cache, preemption by recomputation.
///
/// The structure is that of vLLM's V1 scheduler (systems.md 6.2): a request has tokens to compute, whether they are prompt or
/// output; the running requests come first, then waiting ones are admitted while tokens, places and blocks last. Admission
/// reserves the blocks of every token that is known, so only decoding can run out of them. Then the running request of lowest
/// priority and latest arrival loses its cache and waits to compute it again, prompt and produced tokens alike.
struct Engine {
    let plan: EnginePlan
    let cost: CostModel
    /// Stages that iterations pass through; each takes the same share of an iteration's time.
    let stages: Int
    var pool: BlockPool
    var requests = RequestTable()
    var waiting = WaitingQueue()
    /// Slots in the batch, in the order of `QueuedRequest.precedes`.
    var running: [Int32] = []
    /// Iterations in the stages: a ring of as many as there are stages, of which `inFlight` are under way from `oldest` on.
    var ring: [Iteration]
    private var oldest = 0
    private(set) var inFlight = 0
    /// When each stage is free again.
    var stageFree: [Instant]
    var scheduler: any SchedulingPolicy
    private(set) var traits: SchedulingTraits
    /// The program that says who joins in the scheduler's place, until it fails.
    var program: ExternalPolicy? {
        didSet { if program != nil { traits.formUnion(.ofPrograms) } }
    }
    let predictor: OutputPredictor
    /// What the scheduler sees and says, kept for its memory.
    var view: EngineView
    var orders = RunningOrders()
    var admitted: [QueuedRequest] = []
    /// When an iteration is to be formed although nothing has happened; `Instant.never` unless the scheduler lets somebody wait.
    var decidesAgain: Instant = .never
    /// What a decision of the scheduler takes on the emulated clock, and what measures it on the host.
    var decisionCost = DecisionCost.free
    var probe: DecisionProbe?
    /// Tokens of waiting requests still to be computed.
    var waitingTokens: Int64 = 0
    var iterations: Int64 = 0
    /// How much longer computing takes than it should, in thousandths: a straggler.
    var slowdown: Int64 = 1000
    var preemptions: Int64 = 0
    /// Places in the batch kept for requests that are being moved here, and copies of caches of another worker, the oldest first.
    var placesKept = 0
    var replicas: [Replica] = []
    /// Places in the batch that are kept for requests whose caches are here already.
    var reserved = 0

    /// - Parameter duty: what requests do here: whether their caches grow, and whether they come with them.
    init(
        plan: EnginePlan, cost: CostModel, stages: Int, blocks: Int64, scheduler: any SchedulingPolicy, predictor: OutputPredictor = .none,
        duty: Duty = .colocated
    ) {
        self.plan = plan
        self.cost = cost
        self.stages = stages
        self.scheduler = scheduler
        self.predictor = predictor
        traits = type(of: scheduler).traits
        view = EngineView(
            now: 0, blockSize: Int64(plan.blockSize), freeBlocks: blocks, totalBlocks: blocks, tokenBudget: plan.tokenBudget, maxBatch: plan.maxBatch,
            cutsPrompts: plan.chunkedPrefill, growsCaches: duty != .prefill, joinsPrefilled: duty == .decode)
        pool = BlockPool(blockSize: Int64(plan.blockSize), total: blocks)
        stageFree = Array(repeating: 0, count: stages)
        ring = Array(repeating: Iteration(), count: stages)
    }

    /// Whether the first stage could take an iteration at `now`.
    func isStageFree(at now: Instant) -> Bool { stageFree[0] <= now && inFlight < stages }

    /// When the oldest iteration ends; `Instant.never` without one.
    var nextEnd: Instant { inFlight == 0 ? .never : ring[oldest].end }

    /// Whether nothing of what a request has so far is left to compute, so that the iteration has produced its next token.
    @inline(__always)
    func hasFullCache(_ slot: Int32) -> Bool { requests[slot].computed == requests[slot].total }

    /// The iteration that computes a request at present, and the part of it; `nil` when none does.
    func underWay(_ slot: Int32) -> (Iteration, Chunk)? {
        for step in 0..<inFlight {
            let iteration = ring[(oldest + step) % stages]
            if let chunk = iteration.chunks.first(where: { $0.slot == slot }) { return (iteration, chunk) }
        }
        return nil
    }

    /// Puts a request in the queue. Its slot must be in phase `waiting`.
    mutating func enqueue(_ slot: Int32) {
        var item = predicted(slot)
        if traits.contains(.ranks) { item.rank = scheduler.rank(of: item) }
        waiting.insert(item)
        waitingTokens += Int64(requests[slot].total - requests[slot].computed)
    }

    /// A request as the scheduler may see it, without what is predicted of it.
    func queued(_ slot: Int32, _ entry: EngineRequest) -> QueuedRequest {
        QueuedRequest(
            slot: slot, id: entry.request.id, priority: entry.request.priority, arrival: entry.request.arrival, tokens: entry.total,
            generated: entry.generated)
    }

    /// Puts a request that has its blocks into the batch, at its place in the order.
    mutating func join(_ slot: Int32) {
        requests[slot].phase = .running
        let key = queued(slot, requests[slot])
        var place = running.count
        while place > 0, key.precedes(queued(running[place - 1], requests[running[place - 1]])) { place -= 1 }
        running.insert(slot, at: place)
    }

    /// Takes a request out of the batch.
    mutating func leave(_ slot: Int32) {
        if let place = running.firstIndex(of: slot) { running.remove(at: place) }
    }

    /// Gives a request's blocks back.
    mutating func freeBlocks(of slot: Int32) {
        pool.give(Int64(requests[slot].blocks))
        requests[slot].blocks = 0
    }

    /// Forms the next iteration and starts it. Answers its place in `ring`, or `nil` when there is nothing to compute.
    /// - Parameter isOpen: whether its end is told later (`close`), because others have a say in it.
    mutating func startIteration(at now: Instant, isOpen: Bool = false) -> Int? {
        let place = (oldest + inFlight) % stages
        ring[place].chunks.removeAll(keepingCapacity: true)
        ring[place].shape = BatchShape()
        ring[place].preemptions = 0
        ring[place].waiting = Int64(waiting.count)
        let decision = decisionTime
        formMeasured(place, at: now)
        guard !ring[place].shape.isEmpty else { return nil }
        ring[place].number = iterations
        iterations += 1
        ring[place].usedBlocks = pool.used
        ring[place].start = now
        ring[place].end = isOpen ? .never : passThroughStages(stretch(cost.iterationTime(ring[place].shape)) + decision, from: now)
        if stages > 1 { for chunk in ring[place].chunks { requests[chunk.slot].isInFlight = true } }
        inFlight += 1
        return place
    }

    /// What the next decision of the scheduler takes: nothing when there is nobody to choose.
    private var decisionTime: Nanoseconds {
        guard !waiting.isEmpty else { return 0 }
        switch decisionCost {
        case .free: return 0
        case .fixed(let time): return time
        case .modelled: return 1_000 + 20 * Nanoseconds(waiting.count)
        }
    }

    /// Forms a batch, measured one time in sixteen where requests wait: the clock that measures costs as much as a short decision.
    private mutating func formMeasured(_ place: Int, at now: Instant) {
        guard let probe, !waiting.isEmpty, iterations & 15 == 0 else { return form(place, at: now) }
        probe.measure(.scheduling) { form(place, at: now) }
    }

    @inline(__always)
    private func stretch(_ time: Nanoseconds) -> Nanoseconds { slowdown == 1000 ? time : time * slowdown / 1000 }

    /// An iteration that is open will not end: what it computed is lost, and its requests are as before.
    mutating func abort(_ place: Int) {
        for chunk in ring[place].chunks { requests[chunk.slot].isInFlight = false }
        inFlight -= 1
    }

    /// Takes a request out that waits or runs. One that an iteration computes at present is marked, and gone with its end.
    mutating func cancel(_ slot: Int32) {
        if requests[slot].phase == .waiting {
            if let place = (0..<waiting.count).first(where: { waiting[$0].slot == slot }) {
                _ = waiting.remove(at: place)
                waitingTokens -= Int64(requests[slot].total - requests[slot].computed)
            }
        } else if underWay(slot) != nil {
            requests[slot].isCancelled = true
            return
        } else {
            leave(slot)
        }
        freeBlocks(of: slot)
        requests.remove(slot)
    }

    /// Says when an open iteration ends.
    mutating func close(_ place: Int, at end: Instant) { ring[place].end = end }

    /// Ends the oldest iteration. Answers its place in `ring`, where it stays until the next one starts.
    mutating func endIteration() -> Int {
        let place = oldest
        for chunk in ring[place].chunks {
            requests[chunk.slot].isInFlight = false
            requests[chunk.slot].computed += chunk.tokens
        }
        oldest = (oldest + 1) % stages
        inFlight -= 1
        return place
    }

    /// When an iteration that takes `time` over all stages leaves the last one. Stages are entered in order and never overtaken.
    private mutating func passThroughStages(_ time: Nanoseconds, from now: Instant) -> Instant {
        var clock = now
        var left = time
        for stage in 0..<stages {
            let share = left / Nanoseconds(stages - stage)
            left -= share
            clock = max(clock, stageFree[stage]) + share
            stageFree[stage] = clock
        }
        return clock
    }
}
