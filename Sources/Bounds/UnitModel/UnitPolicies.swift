/// Reference policies of the unit-round model, as functions of what a policy may know.
public enum UnitPolicies {
    /// MC-SF (2502.07115): waiting requests in the order of predicted output, as long as memory suffices at every predicted end; the first that does
    /// not fit ends the search.
    ///
    /// Never evicts while predictions are at least the truth. O(1)-competitive for total latency when all requests are present, prompts are equal
    /// and the memory is at least twice the largest request; without that its ratio can grow with the square root of the number of requests.
    public static func mcSF(_ state: UnitState) -> UnitDecision {
        lookAhead(state) { ($0.predicted, $0.arrival, $0.request) < ($1.predicted, $1.arrival, $1.request) }
    }

    /// MC-Benchmark (2502.07115): the same look-ahead, in the order of arrival.
    public static func mcBenchmark(_ state: UnitState) -> UnitDecision {
        lookAhead(state) { ($0.arrival, $0.request) < ($1.arrival, $1.request) }
    }

    /// Admits in a given order while the look-ahead check holds. No skipping.
    public static func lookAhead(_ state: UnitState, isFirst: (UnitState.Waiting, UnitState.Waiting) -> Bool) -> UnitDecision {
        guard !state.waiting.isEmpty else { return UnitDecision() }
        var profile = UnitProfile(state)
        var decision = UnitDecision()
        for entry in state.waiting.sorted(by: isFirst) {
            guard profile.add(start: state.round, prompt: entry.prompt, output: max(1, entry.predicted), memory: state.memory) else { break }
            decision.start.append(entry.request)
        }
        return decision
    }
}

/// The memory that requests under way will take, at their ends.
struct UnitProfile {
    private struct Entry {
        var end: Int
        /// Prompt less start: what it holds at a round is this and the round.
        var offset: Int
    }

    /// By end, the latest first.
    private var entries: [Entry] = []

    init() {}

    init(_ state: UnitState) {
        entries = state.running.map { Entry(end: $0.start + $0.predicted, offset: $0.prompt - $0.start) }
        entries.sort { $0.end > $1.end }
    }

    /// Takes a request in unless memory would not suffice at some end. Answers whether it did.
    mutating func add(start: Int, prompt: Int, output: Int, memory: Int) -> Bool {
        let entry = Entry(end: start + output, offset: prompt - start)
        let place = entries.firstIndex { $0.end < entry.end } ?? entries.count
        entries.insert(entry, at: place)
        var sum = 0
        for (index, held) in entries.enumerated() {
            sum += held.offset
            // Those with the same end count all: the last of them sees the sum.
            if index + 1 < entries.count, entries[index + 1].end == held.end { continue }
            // Before a request starts it holds nothing: ends at or before the start do not concern it.
            let present = held.end > start ? sum + (index + 1) * held.end : 0
            if present > memory {
                entries.remove(at: place)
                return false
            }
        }
        return true
    }
}
