import Bounds
import Policies
import Quantities

/// A scheduling policy of the product as a policy of the unit-round model: it is asked what the engine would ask it, in the same order
/// (`Nodes/Engine/Engine+Batch.swift`), and sees the same of its worker.
///
/// A request with a prompt of `s` tokens in the model has one of `s + 1` here: an engine writes a token's cache in the iteration after it came, so that
/// either holds `s + j` tokens at the end of its round `j`. Blocks hold a token, iterations have no limits of tokens or requests, and a round takes
/// `roundTime` on the clock that policies see. Who skips a round keeps its cache. One thing differs from an engine, for the model has it so: who loses
/// its cache loses its tokens too (what was learnt of its length stays).
public struct SchedulerInRounds {
    /// An iteration of decoding, in nanoseconds.
    public static let roundTime: Nanoseconds = 20_000_000

    private var policy: any SchedulingPolicy
    private let traits: SchedulingTraits
    private let instance: AuditInstance
    private var waiting = WaitingQueue()
    /// By request: whether it is in the queue, and most tokens that it ever had.
    private var isQueued: [Bool]
    private var seen: [Int]
    private var view: EngineView
    /// Slots of those that skip the next round.
    private var pausing: [Int32] = []

    public init(_ policy: any SchedulingPolicy, _ instance: AuditInstance) {
        self.policy = policy
        self.instance = instance
        traits = type(of: policy).traits
        isQueued = Array(repeating: false, count: instance.requests.count)
        seen = Array(repeating: 0, count: instance.requests.count)
        view = EngineView(
            now: 0, blockSize: 1, freeBlocks: Int64(instance.memory), totalBlocks: Int64(instance.memory), tokenBudget: 1 << 30,
            maxBatch: instance.requests.count + 1)
    }

    /// What the policy orders before the next round.
    public mutating func decide(_ state: UnitState) -> UnitDecision {
        var decision = UnitDecision()
        view.now = Instant(state.round) * Self.roundTime
        view.running = state.running.map { running($0, at: state.round) }.sorted { ($0.arrival, $0.id) < ($1.arrival, $1.id) }
        view.freeBlocks = view.totalBlocks - view.running.reduce(0) { $0 + Int64($1.blocks) }
        for entry in state.waiting where !isQueued[entry.request] { enqueue(entry.request) }
        var orders = RunningOrders()
        if traits.contains(.manages) {
            policy.manage(waiting, view, &orders)
            for slot in orders.evicted { evict(slot, &decision) }
        }
        pausing = orders.paused
        let evicted = decision.evict.count
        grow(&decision)
        if decision.evict.count == evicted || isIdle { admit(&decision) }
        if isIdle { overrule(orders, &decision) }
        decision.pause = view.running.filter { pausing.contains($0.slot) }.map { Int($0.slot) }
        return decision
    }

    /// Whether nobody would produce a token in the next round.
    private var isIdle: Bool { view.running.allSatisfy { pausing.contains($0.slot) } }

    /// Nobody may wait for what never comes: without a time to decide again, whoever can run does.
    private mutating func overrule(_ orders: RunningOrders, _ decision: inout UnitDecision) {
        if traits.contains(.waits), orders.decidesAgain > view.now, orders.decidesAgain < .never {
            decision.decidesAgain = true
            return
        }
        pausing = []
        grow(&decision)
        if view.running.isEmpty { while !waiting.isEmpty, join(at: 0, &decision) {} }
    }

    private func arrival(of request: Int) -> Instant { Instant(instance.requests[request].unit.arrival) * Self.roundTime }

    private func running(_ entry: UnitState.Running, at round: Int) -> RunningRequest {
        let generated = Int32(clamping: round - entry.start)
        let prediction = instance.requests[entry.request].prediction
        let tokens = Int32(clamping: entry.prompt + 1) + generated
        return RunningRequest(
            slot: Int32(clamping: entry.request), id: Int64(entry.request), priority: 0, arrival: arrival(of: entry.request), tokens: tokens,
            computed: tokens - 1, generated: generated, blocks: tokens - 1,
            prediction: prediction.after(max(generated, Int32(clamping: seen[entry.request]))), firstExpected: prediction.expected,
            isEvictable: true)
    }

    private mutating func enqueue(_ request: Int) {
        var entry = QueuedRequest(
            slot: Int32(clamping: request), id: Int64(request), priority: 0, arrival: arrival(of: request),
            tokens: Int32(clamping: instance.requests[request].unit.prompt + 1),
            prediction: instance.requests[request].prediction.after(Int32(clamping: seen[request])))
        if traits.contains(.ranks) { entry.rank = policy.rank(of: entry) }
        waiting.insert(entry)
        isQueued[request] = true
    }

    private mutating func evict(_ slot: Int32, _ decision: inout UnitDecision) {
        guard let place = view.running.firstIndex(where: { $0.slot == slot }) else { return }
        let entry = view.running.remove(at: place)
        view.freeBlocks += Int64(entry.blocks)
        let request = Int(slot)
        seen[request] = max(seen[request], Int(entry.generated))
        decision.evict.append(request)
        enqueue(request)
    }

    /// Takes the block that each running request needs for the next round, from others where there is none.
    private mutating func grow(_ decision: inout UnitDecision) {
        var place = 0
        while place < view.running.count {
            guard !pausing.contains(view.running[place].slot) else {
                place += 1
                continue
            }
            while view.freeBlocks < 1, place < view.running.count {
                let candidates = Array(view.running[place...])
                let choice = traits.contains(.choosesVictims) ? policy.victim(among: candidates) : candidates.count - 1
                evict(candidates[min(max(choice, 0), candidates.count - 1)].slot, &decision)
            }
            // It may have been the victim itself.
            guard place < view.running.count else { return }
            view.running[place].blocks += 1
            view.freeBlocks -= 1
            place += 1
        }
    }

    private mutating func admit(_ decision: inout UnitDecision) {
        guard !waiting.isEmpty else { return }
        guard traits.contains(.admits) else {
            while !waiting.isEmpty, join(at: 0, &decision) {}
            return
        }
        var admitted: [QueuedRequest] = []
        policy.admit(from: waiting, view, into: &admitted)
        for entry in admitted {
            guard let place = waiting.firstIndex(of: entry), join(at: place, &decision) else { return }
        }
    }

    /// Starts the waiting request at a place of the queue, if there is room for it. Answers whether there was.
    private mutating func join(at place: Int, _ decision: inout UnitDecision) -> Bool {
        let entry = waiting[place]
        guard Int64(entry.tokens) <= view.freeBlocks else { return false }
        _ = waiting.remove(at: place)
        let request = Int(entry.slot)
        isQueued[request] = false
        view.freeBlocks -= Int64(entry.tokens)
        view.running.append(
            RunningRequest(
                slot: entry.slot, id: entry.id, priority: 0, arrival: entry.arrival, tokens: entry.tokens, computed: 0, generated: 0,
                blocks: entry.tokens, prediction: entry.prediction, firstExpected: instance.requests[request].prediction.expected,
                isEvictable: false))
        decision.start.append(request)
        return true
    }
}
