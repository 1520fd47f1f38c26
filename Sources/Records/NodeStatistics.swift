import Quantities

/// What a worker counted over a run.
public struct WorkerStatistics: Sendable {
    /// Time in iterations that prefilled, and in iterations that only decoded; without the time at barriers, and 0 on nodes that hold experts only.
    public var busyPrefill: Nanoseconds = 0
    public var busyDecode: Nanoseconds = 0
    public var kvPeakBlocks: Int64 = 0
    public var kvTotalBlocks: Int64 = 0
    public var preemptions: Int64 = 0
    public var iterations: Int64 = 0
    /// Time in which it rested: its process was there, and its devices were nobody's.
    public var off: Nanoseconds = 0
    /// Since when it rests at the end; -1 if it does not.
    public var restsSince: Instant = -1
    /// Lengths of its iterations.
    public var iterationTimes = LogLinearHistogram()
    /// Blocks in use at the end: zero when every request has ended.
    public var blocksAtEnd: Int64 = 0
    /// Requests that moved here, their caches' bytes, and how long each stood still: from its last token there to its first one here.
    public var migrations: Int64 = 0
    public var migratedBytes: ByteCount = 0
    public var downtimes = LogLinearHistogram()
    /// Migrations from here that were given up, and bytes of caches copied against failures.
    public var abortedMigrations: Int64 = 0
    public var copiedBytes: ByteCount = 0
    /// Caches that it sent away because it was about to be ended.
    public var evacuations: [CacheEvacuation] = []
    /// Copies of caches that requests of dead workers went on from.
    public var salvages: [CacheSalvage] = []
    /// For ranks that share their layers with others.
    public var barrier: BarrierStatistics?

    public init() {}

    /// Time of a run of this length in which it did not rest.
    public func present(of duration: Nanoseconds) -> Nanoseconds {
        max(0, duration - off - (restsSince >= 0 ? max(0, duration - restsSince) : 0))
    }

    /// Time in which it computed, with prompt tokens in the batch or without. For a rank, what its barriers leave of its iterations is the whole of
    /// it, attention and experts; experts that no batch of its own called for count as decoding.
    public var computing: (prefill: Nanoseconds, decode: Nanoseconds) {
        guard let barrier else { return (busyPrefill, busyDecode) }
        let whole = barrier.attention.addingClamped(barrier.experts)
        let prefill = min(busyPrefill, whole)
        return (prefill, whole - prefill)
    }
}

/// A copy of a cache that a request went on from when the worker that had the cache was dead.
public struct CacheSalvage: Sendable, Equatable {
    /// Whose cache it was.
    public var node: Int64
    public var at: Instant
    /// Tokens that need not be computed again.
    public var tokens: Int64

    public init(node: Int64, at: Instant, tokens: Int64) {
        self.node = node
        self.at = at
        self.tokens = tokens
    }
}

/// Bytes of cache that a worker sent away before it was ended.
public struct CacheEvacuation: Sendable, Equatable {
    /// When it was to be ended.
    public var deadline: Instant
    public var bytes: ByteCount

    public init(deadline: Instant, bytes: ByteCount) {
        self.deadline = deadline
        self.bytes = bytes
    }
}

/// What the client counted over a run.
public struct ClientStatistics: Sendable {
    public var offered: Int64 = 0
    public var done: Int64 = 0
    public var rejected: Int64 = 0
    public var failed: Int64 = 0
    /// Tokens that came twice, and tokens that were skipped.
    public var duplicatedTokens: Int64 = 0
    public var missingTokens: Int64 = 0
    /// Prompt tokens of the requests done, and tokens received.
    public var promptTokens: Int64 = 0
    public var outputTokens: Int64 = 0
    /// Requests done within the objective.
    public var withinObjective: Int64 = 0
    /// When the last request ended.
    public var lastEnd: Instant = 0
    /// Tokens that came from a process that counts as dead, or of a request that was begun anew since.
    public var staleTokens: Int64 = 0
    /// Times that a request was begun again, and the tokens that had to be computed again for that.
    public var restarts: Int64 = 0
    public var recomputedTokens: Int64 = 0
    /// By second of the run: tokens received, requests done, and of these within the objective.
    public var series = ThroughputSeries()
    /// Requests that each node's death hit and tokens computed again for it, in the order of being told.
    public var losses: [Loss] = []

    /// What the death of a worker cost.
    public struct Loss: Sendable, Equatable {
        public var node: Int64
        /// When the client was told.
        public var at: Instant
        public var requests: Int64
        public var recomputedTokens: Int64

        public init(node: Int64, at: Instant, requests: Int64, recomputedTokens: Int64) {
            self.node = node
            self.at = at
            self.requests = requests
            self.recomputedTokens = recomputedTokens
        }
    }
    public var ttft = SampleSet()
    public var e2e = SampleSet()
    public var kvTransfer = SampleSet()
    public var tbt = LogLinearHistogram()

    public init() {}
}

/// What a node counted over a run.
public struct NodeStatistics: Sendable {
    /// Messages sent and the bytes that they stood for.
    public var messages: Int64 = 0
    public var bytes: Int64 = 0
    /// Events handled.
    public var events: Int64 = 0
    /// Messages that did not arrive because a process at one of their ends was gone, and messages dropped because their sender counted as dead.
    public var lostMessages: Int64 = 0
    public var fencedMessages: Int64 = 0
    /// How late events were handled (`wall` only).
    public var slip = LogLinearHistogram()
    public var worker: WorkerStatistics?
    public var client: ClientStatistics?
    /// What decisions took on the host, in nanoseconds, by `DecisionKind`; empty where nobody measured.
    public var decisions: [LogLinearHistogram] = []
    /// What became of the programs that decide, by `DecisionKind`; empty where none does.
    public var external: [ExternalStatistics] = []

    public init() {}
}

/// What became of programs outside that decide in a policy's place, for one kind of decision.
public struct ExternalStatistics: Sendable {
    public var programs: Int64 = 0
    /// Decisions that programs were asked for, and those that they gave.
    public var asked: Int64 = 0
    public var answered: Int64 = 0
    /// Programs given up: for an answer that did not come in time, for one that makes no sense, and because they were not there.
    public var late: Int64 = 0
    public var wrong: Int64 = 0
    public var gone: Int64 = 0
    /// Decisions that the fallback made in their place.
    public var fallback: Int64 = 0
    /// When the first was given up; `Instant.never` if none was.
    public var since: Instant = .never
    /// Host time that answers took, in nanoseconds.
    public var answers = LogLinearHistogram()

    public init() {}
}
