/// What a policy of the unit-round model may know when it decides.
public struct UnitState: Sendable {
    /// A request that has started.
    public struct Running: Sendable, Equatable {
        /// Place in the instance.
        public var request: Int
        public var prompt: Int
        /// Round in which it started, later by each round that it has skipped: in round `t` it has produced `t - start` tokens.
        public var start: Int
        /// Tokens that it is thought to produce; at least one more than it has.
        public var predicted: Int
        /// Whether it skips the next round.
        public var isPaused = false

        public init(request: Int, prompt: Int, start: Int, predicted: Int) {
            self.request = request
            self.prompt = prompt
            self.start = start
            self.predicted = predicted
        }
    }

    /// A request that has arrived and does not run.
    public struct Waiting: Sendable, Equatable {
        /// Place in the instance.
        public var request: Int
        public var arrival: Int
        public var prompt: Int
        public var predicted: Int
    }

    /// The round that is over.
    public var round: Int
    public var memory: Int
    /// In the order in which they started.
    public var running: [Running]
    /// In the order of arrival, then of place; evicted ones too.
    public var waiting: [Waiting]

    /// Tokens that will be in memory at the end of the next round if nothing changes.
    public var nextUsage: Int { running.reduce(0) { $0 + $1.prompt + round + ($1.isPaused ? 0 : 1) - $1.start } }
}

/// What a policy decides between two rounds.
public struct UnitDecision: Sendable, Equatable {
    /// Requests that lose what they have and wait again, by place in the instance.
    public var evict: [Int]
    /// Waiting requests that start, by place in the instance.
    public var start: [Int]
    /// Running requests that skip the round and keep what they have, by place in the instance.
    public var pause: [Int]
    /// Whether the policy means to be asked again though nothing may happen until then.
    public var decidesAgain = false

    public init(start: [Int] = [], evict: [Int] = [], pause: [Int] = []) {
        self.start = start
        self.evict = evict
        self.pause = pause
    }
}

/// A rule for what runs; asked before every round.
public typealias UnitPolicy = (UnitState) -> UnitDecision

/// What came of a policy.
public struct UnitOutcome: Sendable, Equatable {
    /// Round in which each request had its last token.
    public var ends: [Int]
    /// How often requests were evicted, by the policy or because memory would not have sufficed.
    public var evictions: Int
    /// When each request would have started to end when it did without a break: a schedule of the model with the same ends.
    ///
    /// Proof: whoever was evicted or paused had in each round since its last start at least as many tokens as one that produces its last ones without a break
    /// up to the same end; so memory suffices for the latter too. The optimum without eviction and pauses is therefore one with them.
    public var starts: [Int]

    /// Sum over requests of end less arrival.
    public func totalLatency(_ instance: UnitInstance) -> Int { zip(ends, instance.requests).reduce(0) { $0 + $1.0 - $1.1.arrival } }
}

/// Runs policies in the unit-round model.
public enum UnitModel {
    /// Runs a policy until every request has ended.
    ///
    /// Where memory would not suffice for the next round, the requests that started last are evicted until it does, whatever the policy says.
    /// - Parameters:
    ///   - predictions: what the policy is told that each request produces; `nil`: the truth. A request that has produced as much as predicted is
    ///     thought to end with the next token.
    ///   - roundLimit: `nil` for as many rounds as an instance could take ten times over.
    /// - Returns: `nil` when the policy stalls: it leaves requests waiting for ever, or passes the limit.
    public static func run(
        _ instance: UnitInstance, predictions: [Int]? = nil, roundLimit: Int? = nil, policy: UnitPolicy
    ) -> UnitOutcome? {
        var run = UnitRun(instance, predictions: predictions ?? instance.requests.map(\.output))
        let limit = roundLimit ?? (10 * instance.horizon + 10)
        while run.left > 0 {
            guard run.state.round <= limit else { return nil }
            run.admitArrivals()
            if run.state.running.isEmpty, run.state.waiting.isEmpty {
                guard run.skipToNextArrival() else { return nil }
                continue
            }
            let decision = policy(run.state)
            run.carryOut(decision)
            // Nothing will change by itself.
            if run.state.running.allSatisfy(\.isPaused), run.allArrived, !decision.decidesAgain { return nil }
            run.advance()
        }
        return UnitOutcome(ends: run.ends, evictions: run.evictions, starts: run.starts)
    }
}

private struct UnitRun {
    let instance: UnitInstance
    let predictions: [Int]
    let order: [Int]
    var arrived = 0
    var left: Int
    var state: UnitState
    var ends: [Int]
    var starts: [Int]
    var evictions = 0

    init(_ instance: UnitInstance, predictions: [Int]) {
        self.instance = instance
        self.predictions = predictions
        order = instance.requests.indices.sorted { (instance.requests[$0].arrival, $0) < (instance.requests[$1].arrival, $1) }
        left = instance.requests.count
        state = UnitState(round: 0, memory: instance.memory, running: [], waiting: [])
        ends = Array(repeating: 0, count: instance.requests.count)
        starts = ends
    }

    var allArrived: Bool { arrived == order.count }

    mutating func admitArrivals() {
        while arrived < order.count, instance.requests[order[arrived]].arrival <= state.round {
            state.waiting.append(waiting(order[arrived]))
            arrived += 1
        }
    }

    func waiting(_ request: Int) -> UnitState.Waiting {
        UnitState.Waiting(
            request: request, arrival: instance.requests[request].arrival, prompt: instance.requests[request].prompt,
            predicted: predictions[request])
    }

    mutating func skipToNextArrival() -> Bool {
        guard arrived < order.count else { return false }
        state.round = max(state.round, instance.requests[order[arrived]].arrival)
        return true
    }

    mutating func carryOut(_ decision: UnitDecision) {
        for request in decision.evict {
            if let place = state.running.firstIndex(where: { $0.request == request }) { evict(place) }
        }
        for request in decision.start {
            guard let place = state.waiting.firstIndex(where: { $0.request == request }) else { continue }
            let entry = state.waiting.remove(at: place)
            state.running.append(
                UnitState.Running(request: request, prompt: entry.prompt, start: state.round, predicted: max(1, entry.predicted)))
        }
        for place in state.running.indices { state.running[place].isPaused = decision.pause.contains(state.running[place].request) }
        while state.nextUsage > state.memory, !state.running.isEmpty { evict(state.running.count - 1) }
    }

    mutating func evict(_ place: Int) {
        let entry = waiting(state.running.remove(at: place).request)
        evictions += 1
        let position = state.waiting.firstIndex { ($0.arrival, $0.request) > (entry.arrival, entry.request) } ?? state.waiting.count
        state.waiting.insert(entry, at: position)
    }

    mutating func advance() {
        state.round += 1
        for place in state.running.indices.reversed() {
            if state.running[place].isPaused { state.running[place].start += 1 }
            let entry = state.running[place]
            let produced = state.round - entry.start
            if produced >= instance.requests[entry.request].output {
                ends[entry.request] = state.round
                starts[entry.request] = entry.start
                left -= 1
                state.running.remove(at: place)
            } else {
                state.running[place].predicted = max(entry.predicted, produced + 1)
            }
        }
    }
}
