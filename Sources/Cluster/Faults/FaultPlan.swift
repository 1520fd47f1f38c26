import Policies
import Quantities

/// What goes wrong in a run, as the topology says it.
public struct FaultPlan: Sendable, Equatable {
    /// Faults at given times.
    public var events: [FaultSpec]
    /// Faults at random times, by the run's seed.
    public var random: [RandomFaults]
    /// Until when random faults happen; `nil`: the workload's duration, or an hour.
    public var until: Nanoseconds?

    public init(events: [FaultSpec] = [], random: [RandomFaults] = [], until: Nanoseconds? = nil) {
        self.events = events
        self.random = random
        self.until = until
    }

    /// Whether nothing is to go wrong.
    public var isEmpty: Bool { events.isEmpty && random.isEmpty }
}

/// One fault.
public struct FaultSpec: Sendable, Equatable {
    public var at: Instant
    public var kind: FaultKind
    /// What it hits; every node of each target at once.
    public var targets: [FaultTarget]

    public init(at: Instant, kind: FaultKind, targets: [FaultTarget]) {
        self.at = at
        self.kind = kind
        self.targets = targets
    }
}

/// What a fault hits.
public enum FaultTarget: Sendable, Hashable {
    case node(String)
    /// All workers on a host, or in a rack, by number from 0.
    case host(Int)
    case rack(Int)
}

/// Kinds of faults.
public enum FaultKind: Sendable, Equatable {
    /// The process ends at once (SIGKILL). `restart`: after which time a new one starts, cold; `nil`: none does.
    case kill(restart: Nanoseconds?)
    /// The process stands still (SIGSTOP) for a while.
    case hang(Nanoseconds)
    /// Computing takes `factor` times as long, for a while.
    case slow(factor: Double, duration: Nanoseconds)
    /// A spot instance is taken away: notice now, SIGKILL after the grace period, and a new one after `restart` if it is given.
    case preempt(grace: Nanoseconds, restart: Nanoseconds?)
    /// Links between the targets and `peers` (or everybody else, when that is empty) are worse for a while.
    case link(LinkFault, peers: [FaultTarget], duration: Nanoseconds)
    /// The targets and `peers` (or everybody else) cannot reach each other for a while.
    case partition(peers: [FaultTarget], duration: Nanoseconds)

    /// What topologies and records call it.
    public var name: String {
        switch self {
        case .kill: "kill"
        case .hang: "hang"
        case .slow: "slow"
        case .preempt: "preempt"
        case .link: "link"
        case .partition: "partition"
        }
    }
}

/// How a link is worse than it was.
public struct LinkFault: Sendable, Equatable {
    /// Added to its latency.
    public var latency: Nanoseconds
    /// Share of its bandwidth that is left, in (0, 1].
    public var bandwidth: Double
    /// Share of messages that are lost and sent again, in [0, 1), and what each loss costs.
    public var loss: Double
    public var retransmission: Nanoseconds

    public init(latency: Nanoseconds = 0, bandwidth: Double = 1, loss: Double = 0, retransmission: Nanoseconds = 200_000_000) {
        self.latency = latency
        self.bandwidth = bandwidth
        self.loss = loss
        self.retransmission = retransmission
    }
}

/// Faults of one kind at random at each node of a role, independent of each other.
public struct RandomFaults: Sendable, Equatable {
    public var role: Role
    public var kind: FaultKind
    /// Mean time between two faults of a node, from the end of one to the next.
    public var meanTime: Nanoseconds
    /// Shape of the Weibull distribution; 1: exponential.
    public var shape: Double

    public init(role: Role, kind: FaultKind, meanTime: Nanoseconds, shape: Double = 1) {
        self.role = role
        self.kind = kind
        self.meanTime = meanTime
        self.shape = shape
    }
}

/// How faults are noticed, and what is done about them.
public struct RecoveryPlan: Sendable, Equatable {
    /// What becomes of the requests of a dead worker.
    public var policy: PolicyChoice
    /// How often a node tells the controller that it lives, and after how long a silence it counts as dead.
    public var heartbeat: Nanoseconds
    public var timeout: Nanoseconds
    /// How often one request is begun again before it fails.
    public var retries: Int
    /// How long requests wait for a worker while none lives.
    public var patience: Nanoseconds
    /// Whether a second controller takes over when the first one is silent.
    public var hasStandby: Bool
    public var startUp: StartUpPlan
    /// What is done between the notice that a worker will be ended and its end.
    public var preemption: PolicyChoice

    public init(
        policy: PolicyChoice = PolicyChoice("recompute"), heartbeat: Nanoseconds = 100_000_000, timeout: Nanoseconds = 1_000_000_000,
        retries: Int = 3, patience: Nanoseconds = 30_000_000_000, hasStandby: Bool = false, startUp: StartUpPlan = StartUpPlan(),
        preemption: PolicyChoice = PolicyChoice("none")
    ) {
        self.preemption = preemption
        self.policy = policy
        self.heartbeat = heartbeat
        self.timeout = timeout
        self.retries = retries
        self.patience = patience
        self.hasStandby = hasStandby
        self.startUp = startUp
    }
}

/// What a worker's start costs: its process, then its weights from where they are kept. Workers of a host that start at once share the tier.
public struct StartUpPlan: Sendable, Equatable {
    /// Process, runtime, compiled kernels.
    public var base: Nanoseconds
    public var tier: StorageTier
    /// Bytes per second of the tier; `nil`: the tier's usual one.
    public var bandwidth: BytesPerSecond?

    public init(base: Nanoseconds = 1_000_000_000, tier: StorageTier = .ssd, bandwidth: BytesPerSecond? = nil) {
        self.base = base
        self.tier = tier
        self.bandwidth = bandwidth
    }

    /// Time until `bytes` of weights are there, with nobody else at the tier.
    public func loading(_ bytes: ByteCount) -> Nanoseconds {
        let rate = Double(max(1, bandwidth ?? tier.bandwidth))
        return Nanoseconds((Double(bytes) / rate * 1e9).rounded(.up))
    }
}

/// Where weights are kept (ServerlessLLM, OSDI 24).
public enum StorageTier: String, Sendable, CaseIterable {
    /// Host memory, pinned: over PCIe 4.0 x16.
    case memory
    /// NVMe in RAID 0, as ServerlessLLM measures it.
    case ssd
    /// Over the network from a store: 10 Gb/s.
    case remote

    /// Bytes per second.
    public var bandwidth: BytesPerSecond {
        switch self {
        case .memory: 25_000_000_000
        case .ssd: 12_000_000_000
        case .remote: 1_250_000_000
        }
    }
}
