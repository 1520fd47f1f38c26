import Quantities

/// Waits until enough requests of a type are there, then advances that many of each stage of it: WAIT.
///
/// Source: 2504.11320. Model: one worker, Poisson arrivals of types with known prompt and output lengths, iterations that take a constant and a time
/// for each token of context in the batch, first tokens lost on overflow. Rule: a type may advance when as many of it wait as its threshold; then up
/// to that many of it join, and up to that many of each stage (tokens produced) are computed; all others keep their cache and skip the iteration.
/// When no type may, the worker waits.
///
/// Types here are classes of predicted output length: up to `first` tokens, up to `ratio` times that, and so on, `classes` in all. Thresholds:
/// `threshold` requests shared out by the types' part of all arrivals so far, at least 1 (the fluid optimum is in proportion to arrival rates). What
/// the model does not have is an end of arrivals: a type that has waited for `patience` without advancing advances whatever its number, so that the
/// last requests end. Cost O(waiting + running) for a decision.
///
/// Guarantee, for thresholds n that keep up with arrivals (n / rate at least the iteration's time) and fit memory: throughput within O(1 / sqrt T) of
/// the fluid optimum over a time T, latency O(sqrt T); with slack O(1 / T) and O(1). Below saturation the waiting only costs latency.
public struct Wait: SchedulingPolicy {
    public static let description = PolicyDescription(
        name: "wait", summary: "waits for a threshold of requests of a type, then advances as many of each stage", source: "WAIT, 2504.11320",
        parameters: [
            ParameterDescription("threshold", defaultValue: 4, range: 1...65_536, summary: "requests that must wait, shared out among the types"),
            ParameterDescription("classes", defaultValue: 1, range: 1...16, summary: "types, by predicted output length"),
            ParameterDescription("first", unit: "tokens", defaultValue: 128, range: 1...1_000_000, summary: "longest output of the first type"),
            ParameterDescription("ratio", defaultValue: 4, range: 1.01...1000, summary: "end of a type over the end of the one before"),
            ParameterDescription("patience", unit: "s", defaultValue: 0.02, range: 0.000_1...3600, summary: "longest time that a type stands still"),
        ], needsPrediction: true)
    public static let traits: SchedulingTraits = [.ranks, .manages, .admits, .waits, .overtakes]

    private struct Kind: Sendable {
        /// Requests that ever came, those that wait, and when the first of these arrived.
        var arrivals: Int64 = 0
        var waiting = 0
        var oldest: Instant = .never
        var hasRunning = false
        /// When it last advanced.
        var advanced: Instant = 0
        /// Requests of it that may still join in this iteration.
        var quota = 0
        var mayAdvance = false
    }

    private let threshold: Double
    private let patience: Nanoseconds
    private let ends: [Double]
    private var kinds: [Kind]
    private var stages = StageCounts()

    public init(parameters: PolicyParameters, random: RandomStream) {
        threshold = parameters["threshold"].rounded(.down)
        patience = Nanoseconds(parameters["patience"] * 1e9)
        let count = Int(parameters["classes"])
        var ends: [Double] = []
        for place in 0..<count { ends.append(place == 0 ? parameters["first"] : ends[place - 1] * parameters["ratio"]) }
        self.ends = ends
        kinds = Array(repeating: Kind(), count: count)
    }

    /// The type of a request, by what was first expected of it.
    private func kind(_ expected: Int32) -> Int { ends.dropLast().firstIndex { Double(expected) <= $0 } ?? ends.count - 1 }

    public mutating func rank(of request: QueuedRequest) -> Int64 {
        // One that comes to a decode worker has a token.
        if request.generated <= 1 { kinds[kind(request.prediction.expected)].arrivals += 1 }
        return 0
    }

    public mutating func manage(_ waiting: WaitingQueue, _ engine: EngineView, _ orders: inout RunningOrders) {
        look(at: waiting, engine)
        let total = kinds.reduce(0) { $0 + $1.arrivals }
        var due: Instant = .never
        var isAnyDue = false
        for place in kinds.indices where kinds[place].hasRunning || kinds[place].waiting > 0 {
            let share = total == 0 ? 1 : Double(kinds[place].arrivals) / Double(total)
            kinds[place].quota = max(1, Int((threshold * share).rounded()))
            let since = kinds[place].hasRunning ? kinds[place].advanced : max(kinds[place].oldest, kinds[place].advanced)
            kinds[place].mayAdvance = kinds[place].waiting >= kinds[place].quota || engine.now >= since + patience
            if kinds[place].mayAdvance {
                kinds[place].advanced = engine.now
                isAnyDue = true
            } else {
                due = min(due, since + patience)
            }
        }
        stages.removeAll()
        for request in engine.running {
            let kind = kind(request.firstExpected)
            let isIn = kinds[kind].mayAdvance && stages.count(kind, request.generated) <= kinds[kind].quota
            if !isIn { orders.paused.append(request.slot) }
        }
        if !isAnyDue { orders.decidesAgain = due }
    }

    private mutating func look(at waiting: WaitingQueue, _ engine: EngineView) {
        for place in kinds.indices {
            kinds[place].waiting = 0
            kinds[place].oldest = .never
            kinds[place].hasRunning = false
            kinds[place].mayAdvance = false
        }
        for place in 0..<waiting.count {
            let kind = kind(waiting[place].prediction.expected)
            kinds[kind].waiting += 1
            kinds[kind].oldest = min(kinds[kind].oldest, waiting[place].arrival)
        }
        for request in engine.running {
            let kind = kind(request.firstExpected)
            if engine.joinsPrefilled, request.generated == 1 {
                kinds[kind].waiting += 1
                kinds[kind].oldest = min(kinds[kind].oldest, request.arrival)
            } else {
                kinds[kind].hasRunning = true
            }
        }
    }

    public mutating func admit(from waiting: WaitingQueue, _ engine: EngineView, into admitted: inout [QueuedRequest]) {
        for place in 0..<waiting.count where admitted.count < engine.freePlaces {
            let kind = kind(waiting[place].prediction.expected)
            // Caches that wait elsewhere are taken in at once: they hold memory there.
            guard !engine.isPull else {
                admitted.append(waiting[place])
                continue
            }
            guard kinds[kind].mayAdvance, kinds[kind].quota > 0 else { continue }
            kinds[kind].quota -= 1
            admitted.append(waiting[place])
        }
    }
}

/// Counts requests by type and stage.
struct StageCounts: Sendable {
    private var counts: [Int64: Int] = [:]

    mutating func removeAll() { counts.removeAll(keepingCapacity: true) }

    /// Counts one more and answers how many there are.
    mutating func count(_ kind: Int, _ stage: Int32) -> Int {
        let key = Int64(kind) << 32 | Int64(stage)
        let count = counts[key, default: 0] + 1
        counts[key] = count
        return count
    }
}
