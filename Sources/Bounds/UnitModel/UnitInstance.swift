/// A request of the unit-round model.
public struct UnitRequest: Sendable, Equatable {
    /// Round from which on it may start.
    public var arrival: Int
    /// Tokens of its prompt, in memory from the first round on.
    public var prompt: Int
    /// Tokens that it produces, one a round; each stays in memory until the last one is out.
    public var output: Int

    public init(arrival: Int, prompt: Int, output: Int) {
        self.arrival = arrival
        self.prompt = prompt
        self.output = output
    }

    /// Tokens in memory in its last round.
    public var peak: Int { prompt + output }

    /// Token-rounds of memory that it takes: `s o + o (o + 1) / 2`.
    public var volume: Int { prompt * output + output * (output + 1) / 2 }
}

/// One worker with growing caches (2502.07115): rounds of equal length, in each of which every running request produces a token.
///
/// A request that starts at round `k` holds `s + t - k` tokens at the end of round `t`, for `k < t <= k + o`, and ends at `k + o`. The tokens of all
/// running requests must never exceed the memory. What the model leaves out: prefill takes no time of its own, and rounds do not get longer with
/// the batch.
public struct UnitInstance: Sendable, Equatable {
    public var requests: [UnitRequest]
    /// Tokens that fit.
    public var memory: Int

    public init(_ requests: [UnitRequest], memory: Int) {
        self.requests = requests
        self.memory = memory
    }

    /// Largest number that an arrival, a length or the memory may be: sums of products stay far within 64 bits.
    public static let limit = 1_000_000

    /// Which request cannot be served, and why; `nil` when all can.
    public var problem: (request: Int?, message: String)? {
        guard memory >= 1, memory <= Self.limit else { return (nil, "found a memory of \(memory) tokens, expected 1 to \(Self.limit)") }
        for (place, request) in requests.enumerated() {
            if request.arrival < 0 || request.arrival > Self.limit {
                return (place, "found arrival \(request.arrival), expected 0 to \(Self.limit)")
            }
            if request.prompt < 0 || request.prompt > Self.limit { return (place, "found prompt \(request.prompt), expected 0 to \(Self.limit)") }
            if request.output < 1 || request.output > Self.limit { return (place, "found output \(request.output), expected 1 to \(Self.limit)") }
            if request.peak > memory {
                return (place, "found a request that needs \(request.peak) tokens of memory in the end, expected at most \(memory)")
            }
        }
        return nil
    }

    /// When the last request arrives.
    public var lastArrival: Int { requests.reduce(0) { max($0, $1.arrival) } }

    /// An end that some optimal schedule does not exceed: while requests wait and none runs, all that follows can be moved up.
    public var horizon: Int { requests.reduce(lastArrival) { $0 + $1.output } }
}

/// When each request starts, once and for all.
public struct UnitSchedule: Sendable, Equatable {
    public var starts: [Int]

    public init(starts: [Int]) { self.starts = starts }

    /// Sum over requests of end less arrival: what 2502.07115 minimises.
    public func totalLatency(_ instance: UnitInstance) -> Int {
        zip(starts, instance.requests).reduce(0) { $0 + $1.0 + $1.1.output - $1.1.arrival }
    }

    /// The last end.
    public func makespan(_ instance: UnitInstance) -> Int { zip(starts, instance.requests).reduce(0) { max($0, $1.0 + $1.1.output) } }

    /// Whether no request starts before it arrives and memory suffices in every round.
    public func isFeasible(_ instance: UnitInstance) -> Bool {
        guard starts.count == instance.requests.count else { return false }
        for (start, request) in zip(starts, instance.requests) where start < request.arrival { return false }
        // Memory only grows between ends, so that ends are all there is to check.
        for (start, request) in zip(starts, instance.requests) where usage(at: start + request.output, instance) > instance.memory { return false }
        return true
    }

    /// Tokens in memory at the end of a round.
    public func usage(at round: Int, _ instance: UnitInstance) -> Int {
        zip(starts, instance.requests).reduce(0) { sum, entry in
            let (start, request) = entry
            return start < round && round <= start + request.output ? sum + request.prompt + round - start : sum
        }
    }
}
