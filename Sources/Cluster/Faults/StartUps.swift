import Models
import Policies
import Quantities

/// How long new processes of workers take until they serve.
///
/// The process and its runtime start (`base`); then it loads its weights from the host's storage tier, one process of a host after the other, in the
/// order of their births (ServerlessLLM's estimate: what waits there already, then bytes over the tier's bandwidth). A worker over several hosts loads
/// its share at each of them. Where the preemption policy keeps weights, the devices that are left keep theirs, and what each device lacks comes
/// from whoever has it: other devices of the worker, or another worker of the model that serves; from storage only what nobody has.
public struct StartUps {
    /// The weights of a worker that begins anew.
    public struct Restoration: Sendable, Equatable {
        /// Bytes that come from other devices, and bytes that come from storage, over all devices.
        public var moved: ByteCount
        public var loaded: ByteCount
        /// Time that the moves take: every device receives what it lacks over its own port, from devices that send nothing else.
        public var moving: Nanoseconds
    }

    private let plan: ClusterPlan
    private let layout: ClusterLayout
    private let mapping: DeviceMapping?

    public init(_ plan: ClusterPlan, _ layout: ClusterLayout) {
        self.plan = plan
        self.layout = layout
        mapping = PreemptionRegistry.mapping(plan.recovery.preemption)
    }

    private func pool(of node: Int) -> PoolPlan? { layout.nodes[node].pool.map { plan.pools[$0] } }

    /// Bytes of weights that a worker loads at each of its hosts.
    public func weights(of node: Int) -> ByteCount {
        guard let pool = pool(of: node) else { return 0 }
        return plan.memory(of: pool).weightsPerDevice * ByteCount(pool.devices) / ByteCount(layout.nodes[node].hostCount)
    }

    /// When a process that was born at a time serves.
    public func end(of node: Int, born: Instant, _ table: FaultTable) -> Instant {
        let host = layout.nodes[node].host
        var births: [(born: Instant, node: Int)] = []
        for other in layout.nodes where other.host == host && other.role.isWorker {
            births += table.outages[other.index].compactMap { $0.until <= born ? ($0.until, other.index) : nil }
        }
        births.sort { ($0.born, $0.node) < ($1.born, $1.node) }
        var free: Instant = 0
        var end = born + plan.recovery.startUp.base + plan.recovery.startUp.loading(loadedOnHost(node, born: born, table))
        for birth in births where (birth.born, birth.node) <= (born, node) {
            let bytes = loadedOnHost(birth.node, born: birth.born, table)
            if bytes > 0 { free = max(free, birth.born + plan.recovery.startUp.base) + plan.recovery.startUp.loading(bytes) }
            if birth.born == born, birth.node == node, bytes > 0 { end = free }
        }
        return max(end, born + plan.recovery.startUp.base + restoration(of: node, born: born, table).moving)
    }

    /// Whether devices of a worker keep weights; ranks of gangs have other parts with every change of their gang.
    private func keepsWeights(_ node: Int) -> Bool { mapping != nil && pool(of: node)?.mixture == nil }

    private func loadedOnHost(_ node: Int, born: Instant, _ table: FaultTable) -> ByteCount {
        keepsWeights(node) && hasPeer(of: node, at: born, table) ? 0 : weights(of: node)
    }

    /// What a process that was born at a time gets its weights from.
    public func restoration(of node: Int, born: Instant, _ table: FaultTable) -> Restoration {
        guard let pool = pool(of: node) else { return Restoration(moved: 0, loaded: 0, moving: 0) }
        let bytes = plan.memory(of: pool).weightsPerDevice
        guard let mapping, pool.mixture == nil else { return Restoration(moved: 0, loaded: bytes * ByteCount(pool.devices), moving: 0) }
        let parts = ModelPart.pipeline(layers: pool.model.layers, stages: pool.pipelineParallel, shares: pool.tensorParallel)
        let lost = lostHosts(of: node, until: born, table)
        let capacity = max(1, plan.hosts.devicesPerHost)
        let held = parts.indices.map { lost.contains(layout.nodes[node].host + $0 / capacity) ? nil : parts[$0] }
        var random = RandomStream(seed: plan.seed &+ UInt64(bitPattern: born), stream: RandomPurpose.mapping(of: node))
        let places = mapping.places(held, parts, bytes: bytes, random: &random)
        let hasPeer = hasPeer(of: node, at: born, table)
        let port = max(1, plan.links.interNode.bandwidth ?? pool.device.nicBandwidth)
        var found = Restoration(moved: 0, loaded: 0, moving: 0)
        for (device, place) in places.enumerated() {
            let lacks = bytes - (held[device].map { parts[place].overlap(with: $0, bytes: bytes) } ?? 0)
            // Somebody has the part: the device that held it, or one of another worker.
            guard hasPeer || held[place] != nil else {
                found.loaded += lacks
                continue
            }
            found.moved += lacks
            found.moving = max(found.moving, Nanoseconds((Double(lacks) / Double(port) * 1e9).rounded(.up)))
        }
        return found
    }

    /// Whether another worker of the same model has served since before a time, and so has all of its weights.
    private func hasPeer(of node: Int, at time: Instant, _ table: FaultTable) -> Bool {
        guard let own = pool(of: node) else { return false }
        return layout.nodes.contains { other in
            guard other.index != node, let pool = pool(of: other.index), pool.model == own.model, pool.mixture == nil, !plan.isSpare(other),
                table.isUp(other.index, at: time)
            else { return false }
            // One that has begun anew must be sure to have loaded them.
            let begun = table.outages[other.index].last { $0.until <= time }?.until
            return begun.map { $0 + plan.recovery.startUp.base + plan.recovery.startUp.loading(weights(of: other.index)) <= time } ?? true
        }
    }

    /// The hosts that a worker has lost in the absence that ends at a time.
    private func lostHosts(of node: Int, until end: Instant, _ table: FaultTable) -> Set<Int> {
        let all = Set(layout.nodes[node].hosts)
        guard let absence = table.outages[node].last(where: { $0.until == end }) else { return all }
        var lost: Set<Int> = []
        for fault in table.faults where fault.nodes.contains(node) {
            guard let begin = fault.kind.outage(at: fault.at), begin < absence.until, begin >= absence.from else { continue }
            lost.formUnion(fault.hosts.isEmpty ? all : all.intersection(fault.hosts))
        }
        return lost.isEmpty ? all : lost
    }
}
