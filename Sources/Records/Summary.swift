import Quantities

/// What a run comes down to: the contents of `summary.json`, in SI units.
public struct Summary: Sendable, Equatable {
    /// How every request ended.
    public struct Requests: Sendable, Equatable {
        public var offered = 0
        public var done = 0
        public var rejected = 0
        public var failed = 0
        /// Tokens that reached the client twice.
        public var duplicated = 0

        public init() {}
    }

    /// What was served in a second, over the run.
    public struct Throughput: Sendable, Equatable {
        public var requestsPerSecond = 0.0
        public var outputTokensPerSecond = 0.0
        /// Prompt and output tokens.
        public var totalTokensPerSecond = 0.0

        public init() {}
    }

    /// Requests per second that met the objective; `nil` without one.
    public struct Goodput: Sendable, Equatable {
        /// The objective in words, such as `ttft<=0.5s tbt<=0.05s`.
        public var objective: String
        public var requestsPerSecond: Double
        /// Share of the offered requests that met it.
        public var attainment: Double

        public init(objective: String, requestsPerSecond: Double, attainment: Double) {
            self.objective = objective
            self.requestsPerSecond = requestsPerSecond
            self.attainment = attainment
        }
    }

    /// One worker over the run.
    public struct Worker: Sendable, Equatable {
        public var name: String
        public var role: String
        /// Share of the run in which it computed.
        public var busyFraction = 0.0
        /// Share of the run in which it waited at a barrier.
        public var barrierIdleFraction = 0.0
        /// Largest share of its cache blocks in use.
        public var kvPeakFraction = 0.0
        public var preemptions: Int64 = 0
        public var iterations: Int64 = 0
        /// Energy in joules, idle time included.
        public var energy = 0.0

        public init(name: String, role: String) {
            self.name = name
            self.role = role
        }
    }

    /// What went over the wire, and what it stands for.
    public struct Network: Sendable, Equatable {
        public var messages: Int64 = 0
        public var bytesModelled: Int64 = 0
        /// From the pull (or the first layer's push) to the last byte, seconds.
        public var kvTransfer: Distribution?

        public init() {}
    }

    /// Where the time of ranks went that shared their layers. Fractions are of the time that all of them spent in iterations, and `nil` where
    /// there was none; those of computing and idle time make 1, and the idle one is the sum of its three causes.
    public struct Barrier: Sendable, Equatable {
        /// How often a node's message was the last that others waited for.
        public struct Last: Sendable, Equatable {
            public var name: String
            public var times: Int64

            public init(name: String, times: Int64) {
                self.name = name
                self.times = times
            }
        }

        /// Sets of messages waited for.
        public var count: Int64 = 0
        public var idleFraction: Double?
        /// Idle until the last attention rank, or the last expert rank, had sent; then while that was under way.
        public var attentionStragglerFraction: Double?
        public var expertStragglerFraction: Double?
        public var networkFraction: Double?
        public var computeFraction: Double?
        /// Idle time of each set, seconds.
        public var wait: Distribution?
        /// Every member of a gang, in the order of the nodes.
        public var last: [Last] = []

        public init() {}
    }

    /// How the experts were loaded.
    public struct Experts: Sendable, Equatable {
        /// Largest load of a rank over the mean load, of each layer and micro-batch.
        public var imbalance: Distribution?
        /// Pairs of token and expert computed, and picks dropped for lack of capacity.
        public var routedTokens: Int64 = 0
        public var droppedTokens: Int64 = 0
        /// Placements made anew, and bytes of weights fetched for them.
        public var replans: Int64 = 0
        public var fetchedBytes: Int64 = 0

        public init() {}
    }

    /// Requests that changed workers in the middle of their answers, and copies of caches.
    public struct Migrations: Sendable, Equatable {
        public var count: Int64 = 0
        /// Given up: the request ended, was preempted, or the target had no room.
        public var aborted: Int64 = 0
        /// Of the caches that moved, and of those copied against failures.
        public var bytes: Int64 = 0
        public var copiedBytes: Int64 = 0
        /// From the last token at the source to the first at the target, seconds.
        public var downtime: Distribution?

        public init() {}
    }

    /// How far a `wall` run fell behind its model, in emulated seconds; zero for the other clocks.
    public struct Slip: Sendable, Equatable {
        public var p50 = 0.0
        public var p99 = 0.0
        public var max = 0.0
        /// p99 as a share of the median iteration; `nil` where no iteration ran.
        public var shareOfMedianIteration: Double?
        /// By how much the clocks of the nodes' hosts may have differed from the launcher's, in emulated seconds: part of each of the above. `nil`
        /// where all nodes were on one host.
        public var clockUncertainty: Double?

        public init() {}
    }

    /// What decisions of one kind took on the host, in seconds of processor time. Differs from run to run, like `wall`.
    public struct Decisions: Sendable, Equatable {
        public var kind: DecisionKind
        public var policy: String
        /// Decisions measured.
        public var count = 0
        public var p50: Double?
        public var p99: Double?

        public init(kind: DecisionKind, policy: String) {
            self.kind = kind
            self.policy = policy
        }
    }

    /// What became of programs outside that make decisions of one kind.
    public struct External: Sendable, Equatable {
        public var kind: DecisionKind
        /// The policy that decides when a program is given up.
        public var fallbackPolicy: String
        public var programs: Int64 = 0
        /// Decisions that programs were asked for, and those that they gave.
        public var asked: Int64 = 0
        public var answered: Int64 = 0
        /// Programs given up: for an answer that did not come in time, for one that makes no sense, and because they were not there.
        public var late: Int64 = 0
        public var wrong: Int64 = 0
        public var gone: Int64 = 0
        /// Decisions that the fallback made in their place, and since when, in seconds of the run.
        public var fallback: Int64 = 0
        public var since: Double?
        /// Host time of answers, seconds.
        public var answers: Distribution?

        public init(kind: DecisionKind, fallbackPolicy: String) {
            self.kind = kind
            self.fallbackPolicy = fallbackPolicy
        }

        /// Whether a program was given up, so that what came of the run is not its work alone.
        public var fellBack: Bool { fallback + late + wrong + gone > 0 }

        mutating func take(_ counted: ExternalStatistics) {
            (programs, asked, answered) = (counted.programs, counted.asked, counted.answered)
            (late, wrong, gone, fallback) = (counted.late, counted.wrong, counted.gone, counted.fallback)
            since = counted.since == .never ? nil : seconds(counted.since)
            answers = counted.answers.summary()?.scaled(by: 1e-9)
        }
    }

    public var name: String
    public var clock: String
    public var seed: UInt64
    /// Processes of the run by role, client and controller included.
    public var nodes: Int
    /// Emulated time from the start to the last end of a request.
    public var duration = 0.0
    /// Host time that the run took.
    public var wall = 0.0
    /// Whether the run was interrupted: the records then end where it was.
    public var incomplete = false
    public var requests = Requests()
    public var ttft: Distribution?
    public var tbt: Distribution?
    public var e2e: Distribution?
    public var throughput = Throughput()
    public var goodput: Goodput?
    public var workers: [Worker] = []
    public var network = Network()
    /// `nil` where no nodes share their layers.
    public var barrier: Barrier?
    public var experts: Experts?
    public var migrations = Migrations()
    /// What went wrong, in the order of time.
    public var faults: [Fault] = []
    /// `nil` where nothing did.
    public var recovery: Recovery?
    /// Total energy in joules.
    public var energy = 0.0
    public var energyPerOutputToken: Double?
    public var slip = Slip()
    /// For each kind of decision that the cluster makes.
    public var decisions: [Decisions] = []
    /// For each kind of decision that a program outside makes.
    public var external: [External] = []
    /// Median iteration of a worker in seconds.
    public var medianIteration: Double?
    /// Digest of the records.
    public var digest = ""

    public init(name: String, clock: String, seed: UInt64, nodes: Int) {
        self.name = name
        self.clock = clock
        self.seed = seed
        self.nodes = nodes
    }
}
