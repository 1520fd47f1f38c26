import Quantities

/// WAIT without known lengths: output is cut into segments, and each segment waits until enough requests have got there: Nested WAIT.
///
/// Source: 2504.11320. Model: that of `wait` with lengths unknown until they end. Rule: segment k (of `width` tokens; the last has no end) has a
/// threshold; let k* be the largest k such that at the entries of segments 1 to k there are as many requests as their thresholds; the first entry is
/// the queue, the others hold those that have produced exactly the tokens of the segments before. Segments 1 to k* advance, up to their threshold of
/// each stage, the later ones skip the iteration and keep their caches. Thresholds: n(1) = `threshold`, n(k) = n(k - 1) x `survival`, rounded, at
/// least 1 (the authors take the share that survives a segment, and 0.05 on top). A segment that has stood still for `patience` advances with those
/// before it, so that the last requests end: the model has no end of arrivals. Cost O(running) for a decision.
///
/// Guarantee: with thresholds that keep up with arrivals, memory for the requests that pile up at the entries, and survival shares below n(k) / n(k -
/// 1), no overflow with high probability and O(1) delay over the fluid optimum. Below saturation the waiting only costs latency.
public struct NestedWait: SchedulingPolicy {
    public static let description = PolicyDescription(
        name: "nested-wait", summary: "waits for thresholds at each segment of output, without known lengths", source: "Nested WAIT, 2504.11320",
        parameters: [
            ParameterDescription("threshold", defaultValue: 4, range: 1...65_536, summary: "requests that must wait to be prefilled"),
            ParameterDescription("segments", defaultValue: 4, range: 1...64, summary: "segments that the output is cut into"),
            ParameterDescription("width", unit: "tokens", defaultValue: 64, range: 1...1_000_000, summary: "tokens of a segment"),
            ParameterDescription("survival", defaultValue: 0.75, range: 0...0.99, summary: "threshold of a segment over that of the one before"),
            ParameterDescription(
                "patience", unit: "s", defaultValue: 0.02, range: 0.000_1...3600, summary: "longest time that a segment stands still"),
        ])
    public static let traits: SchedulingTraits = [.manages, .admits, .waits]

    private struct Segment: Sendable {
        var threshold: Int
        /// Requests at its entry, and whether any are inside.
        var entry = 0
        var hasRequests = false
        var hadRequests = false
        /// When it last advanced, or began to hold requests.
        var advanced: Instant = 0
    }

    private let width: Int32
    private let patience: Nanoseconds
    private var segments: [Segment] = []
    /// Segments that advance in this iteration.
    private var active = 0
    private var stages = StageCounts()

    public init(parameters: PolicyParameters, random: RandomStream) {
        width = Int32(parameters["width"])
        patience = Nanoseconds(parameters["patience"] * 1e9)
        var threshold = parameters["threshold"].rounded(.down)
        for _ in 0..<Int(parameters["segments"]) {
            segments.append(Segment(threshold: max(1, Int(threshold.rounded()))))
            threshold *= parameters["survival"]
        }
    }

    private func segment(_ generated: Int32) -> Int { min(Int(generated / width), segments.count - 1) }

    public mutating func manage(_ waiting: WaitingQueue, _ engine: EngineView, _ orders: inout RunningOrders) {
        for place in segments.indices {
            segments[place].entry = 0
            segments[place].hadRequests = segments[place].hasRequests
            segments[place].hasRequests = false
        }
        for request in engine.running {
            let place = segment(request.generated)
            segments[place].hasRequests = true
            if !segments[place].hadRequests { segments[place].advanced = engine.now }
            let start = place == 0 ? (engine.joinsPrefilled ? 1 : -1) : place * Int(width)
            if Int(request.generated) == start { segments[place].entry += 1 }
        }
        segments[0].entry += waiting.count
        active = segments.firstIndex { $0.entry < $0.threshold } ?? segments.count
        let due = overdue(waiting, engine.now)
        for place in 0..<active { segments[place].advanced = engine.now }
        stages.removeAll()
        for request in engine.running {
            let place = segment(request.generated)
            let isIn = place < active && stages.count(place, request.generated) <= segments[place].threshold
            if !isIn { orders.paused.append(request.slot) }
        }
        if active == 0 { orders.decidesAgain = due }
    }

    /// Lets segments advance that have stood still too long, with those before them. Answers when the next one will have.
    private mutating func overdue(_ waiting: WaitingQueue, _ now: Instant) -> Instant {
        var due: Instant = .never
        for place in segments.indices where place >= active {
            var since = segments[place].advanced
            if !segments[place].hasRequests {
                guard place == 0, !waiting.isEmpty else { continue }
                since = max(since, waiting[0].arrival)
            }
            if now >= since + patience { active = place + 1 } else { due = min(due, since + patience) }
        }
        return due
    }

    public mutating func admit(from waiting: WaitingQueue, _ engine: EngineView, into admitted: inout [QueuedRequest]) {
        // Caches that wait elsewhere are taken in at once: they hold memory there.
        let most = engine.isPull ? waiting.count : active > 0 ? segments[0].threshold : 0
        for place in 0..<min(most, waiting.count, engine.freePlaces) { admitted.append(waiting[place]) }
    }
}
