import Models
import Policies
import Quantities

/// How a pool computes a model whose experts are spread over ranks: in the pool's own workers (expert parallelism), or in a pool of expert
/// nodes (attention/expert disaggregation).
public struct MixturePlan: Sendable, Equatable {
    /// Which experts tokens pick.
    public var gate: GatePlan
    public var balance: BalancePlan
    /// How much of a layer is a message of its own.
    public var granularity: LayerGranularity
    /// Parts that a batch is cut into, so that one is under way while another is computed: 1...4.
    public var microBatches: Int
    /// Measured all-to-all that replaces ports and latencies of the links; `nil`: the links.
    public var fabric: AllToAllModel?
    /// How activations travel to experts and back.
    public var dispatchFormat: ActivationFormat
    public var combineFormat: ActivationFormat
    /// Name of the pool of expert nodes; `nil`: the workers hold the experts themselves.
    public var expertPool: String?
    /// How activations get to expert nodes. Expert parallelism inside a pool is always point to point.
    public var transfer: ExpertTransfer
    /// How often a token crosses the network in an exchange between ranks that hold experts themselves.
    public var kernel: ExchangeKernel

    public init(
        gate: GatePlan = GatePlan(), balance: BalancePlan = BalancePlan(), granularity: LayerGranularity = .exact, microBatches: Int = 1,
        fabric: AllToAllModel? = nil, dispatchFormat: ActivationFormat = .fp8, combineFormat: ActivationFormat = .bf16, expertPool: String? = nil,
        transfer: ExpertTransfer = .pointToPoint, kernel: ExchangeKernel = .perExpert
    ) {
        self.gate = gate
        self.balance = balance
        self.granularity = granularity
        self.microBatches = microBatches
        self.fabric = fabric
        self.dispatchFormat = dispatchFormat
        self.combineFormat = combineFormat
        self.expertPool = expertPool
        self.transfer = transfer
        self.kernel = kernel
    }
}

/// Where experts live, and which replica a token goes to.
public struct BalancePlan: Sendable, Equatable {
    public var policy: PolicyChoice
    /// Replicas beyond one of each expert, over all ranks and in each layer.
    public var redundantExperts: Int
    /// Emulated time between two plans made from what was counted; `nil`: the first one stays.
    public var replanInterval: Nanoseconds?
    /// Whether the first plan knows the popularity that the gate has at the start, as counters of the day before would tell it.
    public var startsInformed: Bool

    public init(
        policy: PolicyChoice = PolicyChoice("contiguous"), redundantExperts: Int = 0, replanInterval: Nanoseconds? = nil,
        startsInformed: Bool = true
    ) {
        self.policy = policy
        self.redundantExperts = redundantExperts
        self.replanInterval = replanInterval
        self.startsInformed = startsInformed
    }
}

/// What travels as a message of its own between the ranks of an iteration. Emulated times do not depend on it.
public enum LayerGranularity: Sendable, Equatable {
    /// Every dispatch and every combine of every layer.
    case exact
    /// The loads of this many layers at once; every rank works out the times of all.
    case grouped(Int)
    /// The loads of an iteration, to one rank that works out the times of all.
    case iteration
}

/// How activations get from attention nodes to expert nodes and back.
public enum ExpertTransfer: String, Sendable, CaseIterable {
    /// Each expert node gets the tokens of its experts (MegaScale-Infer).
    case pointToPoint = "point-to-point"
    /// Each expert node gets every token, and returns a partial sum for each (Step-3).
    case broadcast
    /// Tokens are gathered within a host, go once to a relay in each host of expert nodes, and spread from there (Janus).
    case twoPhase = "two-phase"
}

/// How often a token crosses the network in a dispatch, and its outputs in a combine.
public enum ExchangeKernel: String, Sendable, CaseIterable {
    /// Once for each expert that it picks, as DeepEP's low-latency kernels send it.
    case perExpert = "per-expert"
    /// Once for each host with an expert that it picks, and there once to each rank with one, as DeepEP's normal kernels send it. Outputs are added
    /// up on the rank, then in the host, and come back once.
    case perHost = "per-host"
}

extension ClusterPlan {
    /// The plan as it is run by one process: the times of a gang are worked out in one place, with the same outcome.
    public var inOneProcess: ClusterPlan {
        var plan = self
        for pool in plan.pools.indices { plan.pools[pool].mixture?.granularity = .iteration }
        return plan
    }
}
