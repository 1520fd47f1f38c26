import Quantities

/// What the client offers to the cluster.
public struct WorkloadPlan: Sendable, Equatable {
    /// When requests arrive.
    public enum Arrivals: Sendable, Equatable {
        /// As recorded, lengths included; the first request arrives at 0.
        case trace(TraceSource)
        /// Independent exponential gaps, one before the first request too; requests per second.
        case poisson(rate: Double)
        /// Gamma gaps: `burstiness` is their coefficient of variation (1 is Poisson, more is burstier).
        case gamma(rate: Double, burstiness: Double)
        /// Equal gaps.
        case constant(rate: Double)
        /// Poisson arrivals whose rate changes at given times; the last rate holds to the end.
        case piecewise([RateStep])
        /// A fixed number of users, each of whom sends the next request `think` after the last one ended.
        case closedLoop(concurrency: Int, think: Nanoseconds)
        /// None: requests are only those that a detached cluster is given while it runs.
        case nothing
    }

    /// From `start` on, requests arrive at `rate` per second.
    public struct RateStep: Sendable, Equatable {
        public var start: Instant
        public var rate: Double

        public init(start: Instant, rate: Double) {
            self.start = start
            self.rate = rate
        }
    }

    /// Users who wait for their answers.
    public struct ClosedLoop: Sendable, Equatable {
        /// Users.
        public var concurrency: Int
        /// From the end of a request to the user's next one.
        public var think: Nanoseconds
    }

    /// The users, when the loop is closed.
    public var closedLoop: ClosedLoop? {
        guard case .closedLoop(let concurrency, let think) = arrivals else { return nil }
        return ClosedLoop(concurrency: concurrency, think: think)
    }

    public var arrivals: Arrivals
    /// Lengths of generated requests; not used by a trace.
    public var promptTokens: LengthDistribution
    public var outputTokens: LengthDistribution
    /// Stop after so many requests. `nil`: as many as the trace has, or as `duration` allows.
    public var requestLimit: Int?
    /// Offer no request after this time.
    public var duration: Nanoseconds?
    /// Times the arrival rate: 2 halves every gap. Where the rate changes in steps, the steps keep their times.
    public var rateScale: Double
    /// Times the prompt and output lengths, rounded to whole tokens, at least 1.
    public var promptScale: Double
    public var outputScale: Double
    /// How urgent requests are, drawn by weight; empty: all alike.
    public var priorities: [WeightedPriority]

    public init(
        arrivals: Arrivals, promptTokens: LengthDistribution = .fixed(512), outputTokens: LengthDistribution = .fixed(128), requestLimit: Int? = nil,
        duration: Nanoseconds? = nil, rateScale: Double = 1, promptScale: Double = 1, outputScale: Double = 1,
        priorities: [WeightedPriority] = []
    ) {
        self.arrivals = arrivals
        self.promptTokens = promptTokens
        self.outputTokens = outputTokens
        self.requestLimit = requestLimit
        self.duration = duration
        self.rateScale = rateScale
        self.promptScale = promptScale
        self.outputScale = outputScale
        self.priorities = priorities
    }
}

/// A priority and how often it is drawn, relative to the others.
public struct WeightedPriority: Sendable, Equatable {
    /// Smaller is more urgent.
    public var priority: Int32
    public var weight: Double

    public init(priority: Int32, weight: Double) {
        self.priority = priority
        self.weight = weight
    }
}

/// A recorded trace: a file in one of the published formats.
public struct TraceSource: Sendable, Equatable {
    /// Path as resolved by the shell.
    public var path: String
    public var format: TraceFormat
    /// Count broken lines instead of refusing the file.
    public var skipBadLines: Bool

    public init(path: String, format: TraceFormat, skipBadLines: Bool = false) {
        self.path = path
        self.format = format
        self.skipBadLines = skipBadLines
    }
}

/// The trace formats that can be read, as published. Each may be compressed with gzip.
public enum TraceFormat: String, Sendable, CaseIterable {
    /// Azure LLM inference traces of 2023 and 2024: `TIMESTAMP,ContextTokens,GeneratedTokens`.
    case azure
    /// Mooncake: a JSON object a line with `timestamp`, `input_length`, `output_length`, `hash_ids`.
    case mooncake
    /// BurstGPT: `Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type`.
    case burstgpt
}

/// A distribution of lengths in tokens; every draw is at least 1.
public enum LengthDistribution: Sendable, Equatable {
    case fixed(Int)
    /// Equally likely between both ends, ends included.
    case uniform(from: Int, through: Int)
    /// Log-normal with the given median and sigma of the logarithm; a longer draw is cut to `limit`.
    case logNormal(median: Double, sigma: Double, limit: Int)
    /// Lengths with weights.
    case empirical([WeightedLength])

    /// A length and how often it is drawn: its weight over the sum of all weights.
    public struct WeightedLength: Sendable, Equatable {
        public var tokens: Int
        public var weight: Double

        public init(tokens: Int, weight: Double) {
            self.tokens = tokens
            self.weight = weight
        }
    }
}
