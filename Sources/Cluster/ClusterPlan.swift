import Models
import Policies
import Quantities
import Workload

/// A cluster and its experiment, with every default filled in: what a topology file comes down to.
public struct ClusterPlan: Sendable, Equatable {
    public var name: String
    public var seed: UInt64
    public var clock: ClockMode
    /// Wall-clock seconds for one emulated second, under `wall`.
    public var dilation: Double
    /// Pools in the order of the file; their workers get node indices in this order.
    public var pools: [PoolPlan]
    public var controller: ControllerPlan
    public var links: LinkPlan
    public var hosts: HostPlan
    public var workload: WorkloadPlan
    public var objective: ServiceObjective?
    public var records: RecordPlan
    /// What is known of output lengths before they end.
    public var predictor: PolicyChoice
    /// What decisions take on the emulated clock.
    public var decisionCost: DecisionCost
    public var faults: FaultPlan
    public var recovery: RecoveryPlan

    public init(
        name: String, seed: UInt64 = 1, clock: ClockMode = .virtual, dilation: Double = 1, pools: [PoolPlan],
        controller: ControllerPlan = ControllerPlan(),
        links: LinkPlan = LinkPlan(), hosts: HostPlan = HostPlan(), workload: WorkloadPlan, objective: ServiceObjective? = nil,
        records: RecordPlan = RecordPlan(), predictor: PolicyChoice = PolicyChoice("none"), decisionCost: DecisionCost = .free,
        faults: FaultPlan = FaultPlan(), recovery: RecoveryPlan = RecoveryPlan()
    ) {
        self.name = name
        self.seed = seed
        self.clock = clock
        self.dilation = dilation
        self.pools = pools
        self.controller = controller
        self.links = links
        self.hosts = hosts
        self.workload = workload
        self.objective = objective
        self.records = records
        self.predictor = predictor
        self.decisionCost = decisionCost
        self.faults = faults
        self.recovery = recovery
    }
}

/// What a decision takes on the emulated clock: by rule, and never by the host's clock, so that runs repeat themselves.
///
/// The controller makes one decision after the other, and what it decides leaves when the decision is made. At a worker a decision lengthens the iteration
/// that it is about, where requests waited to be chosen from; not at the ranks of a gang, whose iterations their exchanges time.
public enum DecisionCost: Sendable, Equatable {
    /// Nothing.
    case free
    /// The same for every decision.
    case fixed(Nanoseconds)
    /// What the policy states for so many requests and workers (`RoutingPolicy.decisionTime`), calibrated on one processor; admission 300 ns and 4 for each
    /// worker, scheduling 1 us and 20 ns for each request that waits.
    case modelled
}

extension ClusterPlan {
    /// The programs outside that decide something.
    public var programs: [ExternalProgram] {
        ([controller.routing, controller.decodeRouting] + pools.map(\.engine.scheduling)).compactMap(\.program)
    }

    /// Whether a program outside decides anything.
    public var asksPrograms: Bool { !programs.isEmpty }

    /// What decisions are charged: under `wall` they take what they take.
    public var chargedDecisionCost: DecisionCost { clock == .wall ? .free : decisionCost }
}

extension ClusterPlan {
    /// Whether running requests are moved between workers, or their caches copied: what workers say to each other beyond the hand-over from prefill to decode.
    public var movesRequests: Bool { controller.migration.name != "none" || copiesCaches }

    /// Whether workers copy caches to each other against failures.
    public var copiesCaches: Bool { recovery.policy.name == "kv-replica" }

    /// Whether a request that is begun again may go straight to a decode worker.
    public var rebuildsCaches: Bool { recovery.policy.name != "recompute" }
}

/// Which clock drives a run.
public enum ClockMode: String, Sendable, CaseIterable {
    /// Real processes, real messages, one shared virtual clock.
    case virtual
    /// Real processes, real messages, real timers.
    case wall
    /// All nodes in one process and one event queue.
    case inproc
}

/// What a node does.
public enum Role: String, Sendable, CaseIterable {
    case client, controller, prefill, decode, colocated
    /// Data-parallel attention with the experts spread over the pool's own workers. Decodes where there is a prefill pool, else does both.
    case ep
    /// Attention, cache and gate, with the experts in another pool. Decodes where there is a prefill pool, else does both.
    case attention
    /// Experts for the nodes of an attention pool.
    case expert

    /// Roles that a pool may have.
    public static let workers: [Role] = [.prefill, .decode, .colocated, .ep, .attention, .expert]

    /// Whether the node computes.
    public var isWorker: Bool { Role.workers.contains(self) }

    /// Whether requests are assigned to the node: it has a batch and a cache.
    public var servesRequests: Bool { isWorker && self != .expert }
}

/// What a worker does with the requests that it gets.
public enum Duty: Sendable, Equatable {
    /// Computes prompts and hands their caches over.
    case prefill
    /// Computes outputs, with caches that it pulls.
    case decode
    /// Both.
    case colocated
}

extension ClusterPlan {
    /// What the workers of a role do with requests; `nil` for those that get none.
    public func duty(of role: Role) -> Duty? {
        switch role {
        case .client, .controller, .expert: nil
        case .prefill: .prefill
        case .decode: .decode
        case .colocated: .colocated
        case .ep, .attention: pools.contains { $0.role == .prefill } ? .decode : .colocated
        }
    }
}

/// A pool of equal workers.
public struct PoolPlan: Sendable, Equatable {
    public var name: String
    public var role: Role
    public var count: Int
    /// Workers that there may be: those beyond `count` rest until they are told to serve. `nil`: none.
    public var most: Int?
    public var model: ModelShape
    public var device: DeviceShape
    /// Devices that share each layer.
    public var tensorParallel: Int
    /// Stages that the layers are split over.
    public var pipelineParallel: Int
    public var engine: EnginePlan
    /// A measured table that replaces the roofline; its path, for the record.
    public var measuredTable: MeasuredTable?
    /// How experts are spread over ranks; `nil` where every worker holds the whole model. Always there for the roles `ep` and `attention`,
    /// possible for `prefill`, `decode` and `colocated` (the same as `ep` in one phase).
    public var mixture: MixturePlan?

    /// Workers that have a process, whether they serve from the start or rest.
    public var size: Int { max(count, most ?? count) }

    /// Devices of one worker.
    public var devices: Int { tensorParallel * pipelineParallel }

    public init(
        name: String, role: Role, count: Int, model: ModelShape, device: DeviceShape, tensorParallel: Int = 1, pipelineParallel: Int = 1,
        engine: EnginePlan = EnginePlan(), measuredTable: MeasuredTable? = nil, mixture: MixturePlan? = nil, most: Int? = nil
    ) {
        self.most = most
        self.name = name
        self.role = role
        self.count = count
        self.model = model
        self.device = device
        self.tensorParallel = tensorParallel
        self.pipelineParallel = pipelineParallel
        self.engine = engine
        self.measuredTable = measuredTable
        self.mixture = mixture
    }
}

/// How a worker's engine batches and keeps its cache.
public struct EnginePlan: Sendable, Equatable {
    /// Tokens in a cache block.
    public var blockSize: Int
    /// Tokens that one iteration may compute.
    public var tokenBudget: Int
    /// Requests that one iteration may hold.
    public var maxBatch: Int
    /// Whether a prompt may be computed in pieces, next to decoding requests.
    public var chunkedPrefill: Bool
    /// Cache memory of one worker (all its devices) in bytes; `nil`: what weights and reserve leave of `memoryUtilization`.
    public var kvMemory: ByteCount?
    /// Share of the device memory that the engine may use.
    public var memoryUtilization: Double
    /// Longest prompt plus output that is accepted, in tokens; `nil`: the model's limit or what the cache holds, the smaller.
    public var maxModelLength: Int?
    public var scheduling: PolicyChoice
    /// When the cache of a prefilled request travels.
    public var transfer: TransferMode
    /// Least time between two load reports to the controller.
    public var reportInterval: Nanoseconds

    public init(
        blockSize: Int = 16, tokenBudget: Int = 8192, maxBatch: Int = 256, chunkedPrefill: Bool = true, kvMemory: ByteCount? = nil,
        memoryUtilization: Double = 0.9, maxModelLength: Int? = nil, scheduling: PolicyChoice = PolicyChoice("fcfs"),
        transfer: TransferMode = .afterPrefill, reportInterval: Nanoseconds = 50_000_000
    ) {
        self.blockSize = blockSize
        self.tokenBudget = tokenBudget
        self.maxBatch = maxBatch
        self.chunkedPrefill = chunkedPrefill
        self.kvMemory = kvMemory
        self.memoryUtilization = memoryUtilization
        self.maxModelLength = maxModelLength
        self.scheduling = scheduling
        self.transfer = transfer
        self.reportInterval = reportInterval
    }
}

/// When the cache of a prefilled request travels to its decode worker.
public enum TransferMode: String, Sendable, CaseIterable {
    /// Pulled as a whole once the prefill is done (DistServe).
    case afterPrefill = "after-prefill"
    /// Pushed layer by layer while the prefill runs (Splitwise).
    case layerwise
}

/// The controller's policies.
public struct ControllerPlan: Sendable, Equatable {
    /// Where a new request goes: the prefill pool, or a colocated one.
    public var routing: PolicyChoice
    /// Where a prefilled request goes.
    public var decodeRouting: PolicyChoice
    /// Whether a request is taken at all.
    public var admission: PolicyChoice
    /// Between which workers running requests are moved.
    public var migration: PolicyChoice
    /// How many workers serve.
    public var scaling: PolicyChoice

    public init(
        routing: PolicyChoice = PolicyChoice("join-shortest-queue"), decodeRouting: PolicyChoice = PolicyChoice("least-kv"),
        admission: PolicyChoice = PolicyChoice("none"), migration: PolicyChoice = PolicyChoice("none"), scaling: PolicyChoice = PolicyChoice("none")
    ) {
        self.scaling = scaling
        self.routing = routing
        self.decodeRouting = decodeRouting
        self.admission = admission
        self.migration = migration
    }
}

/// One class of link. A bandwidth of `nil` is that of the device's own port.
public struct LinkClass: Sendable, Equatable {
    public var latency: Nanoseconds
    public var bandwidth: BytesPerSecond?

    public init(latency: Nanoseconds, bandwidth: BytesPerSecond? = nil) {
        self.latency = latency
        self.bandwidth = bandwidth
    }
}

/// Links by class.
public struct LinkPlan: Sendable, Equatable {
    /// Between workers on one host.
    public var intraNode: LinkClass
    /// Between hosts of one rack.
    public var interNode: LinkClass
    /// Between racks.
    public var interRack: LinkClass
    /// Between the client, the controller and everybody: the front-end network.
    public var control: LinkClass

    public init(
        intraNode: LinkClass = LinkClass(latency: 2_000), interNode: LinkClass = LinkClass(latency: 5_000),
        interRack: LinkClass = LinkClass(latency: 10_000), control: LinkClass = LinkClass(latency: 50_000, bandwidth: 3_125_000_000)
    ) {
        self.intraNode = intraNode
        self.interNode = interNode
        self.interRack = interRack
        self.control = control
    }
}

/// How workers are laid out: in order of their index, hosts filled one after the other, then racks.
public struct HostPlan: Sendable, Equatable {
    public var devicesPerHost: Int
    public var hostsPerRack: Int
    /// Most workers of a pool that share a container, a pod or a task; `nil`: as the engine has it. Nothing that is emulated depends on it.
    public var pack: Int?

    public init(devicesPerHost: Int = 8, hostsPerRack: Int = 4, pack: Int? = nil) {
        self.devicesPerHost = devicesPerHost
        self.hostsPerRack = hostsPerRack
        self.pack = pack
    }
}

/// What counts as served well: goodput counts the requests that meet every bound given.
public struct ServiceObjective: Sendable, Equatable {
    /// Bound on the time to the first token.
    public var ttft: Nanoseconds?
    /// Bound on a request's mean time between tokens.
    public var tbt: Nanoseconds?
    /// Bound on the time to the last token.
    public var e2e: Nanoseconds?

    public init(ttft: Nanoseconds? = nil, tbt: Nanoseconds? = nil, e2e: Nanoseconds? = nil) {
        self.ttft = ttft
        self.tbt = tbt
        self.e2e = e2e
    }
}

/// What a run leaves behind besides its summary and its requests.
public struct RecordPlan: Sendable, Equatable {
    /// `iterations.csv`.
    public var iterations: Bool
    /// `messages.csv`.
    public var messages: Bool
    /// `trace.perfetto-trace`.
    public var timeline: Bool
    /// `layers.csv`: a row for each rank, layer and micro-batch.
    public var layers: Bool

    public init(iterations: Bool = true, messages: Bool = false, timeline: Bool = true, layers: Bool = false) {
        self.iterations = iterations
        self.messages = messages
        self.timeline = timeline
        self.layers = layers
    }
}
