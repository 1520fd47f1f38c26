import Quantities

/// One node of a cluster: a process of its own under `virtual` and `wall`.
public struct NodePlan: Sendable, Equatable {
    /// Place in the layout; what messages and records call the node by.
    public var index: Int
    public var name: String
    public var role: Role
    /// Place of its pool in the plan; `nil` for the client and the controller.
    public var pool: Int?
    /// Place in its pool.
    public var ordinal: Int
    /// Host and rack of a worker's first device; -1 for the client and the controller, which have no accelerator.
    public var host: Int
    public var rack: Int
    /// Hosts that its devices are on, from `host` on.
    public var hostCount = 1

    /// The hosts that its devices are on; none for the client and the controller.
    public var hosts: Range<Int> { host < 0 ? 0..<0 : host..<host + hostCount }
}

/// Classes of links, as the topology names them.
public enum LinkKind: Int, Sendable, CaseIterable {
    case intraNode, interNode, interRack, control
}

/// The nodes of a cluster in the order of their indices: client, controller, then the pools' workers.
public struct ClusterLayout: Sendable, Equatable {
    /// Index of the client.
    public static let client = 0
    /// Index of the controller.
    public static let controller = 1

    public let nodes: [NodePlan]
    /// Nodes that compute the layers of an iteration together.
    public let gangs: [Gang]
    private let hostsPerRack: Int

    /// Lays a plan out: workers fill hosts in order; one that does not fit starts the next host.
    public init(_ plan: ClusterPlan) {
        var nodes = [
            NodePlan(index: Self.client, name: "client", role: .client, pool: nil, ordinal: 0, host: -1, rack: -1),
            NodePlan(index: Self.controller, name: "controller", role: .controller, pool: nil, ordinal: 0, host: -1, rack: -1),
        ]
        let capacity = max(1, plan.hosts.devicesPerHost)
        let hostsPerRack = max(1, plan.hosts.hostsPerRack)
        var host = 0
        var used = 0
        for (poolIndex, pool) in plan.pools.enumerated() {
            for ordinal in 0..<pool.size {
                if used > 0, used + pool.devices > capacity {
                    host += 1
                    used = 0
                }
                nodes.append(
                    NodePlan(
                        index: nodes.count, name: "\(pool.name)-\(ordinal)", role: pool.role, pool: poolIndex, ordinal: ordinal, host: host,
                        rack: host / hostsPerRack,
                        hostCount: (pool.devices + capacity - 1) / capacity))
                used += pool.devices
                while used > capacity {
                    host += 1
                    used -= capacity
                }
            }
        }
        self.nodes = nodes
        self.hostsPerRack = hostsPerRack
        gangs = plan.pools.enumerated().compactMap { place, pool in Gang(place, pool, of: plan, nodes: nodes) }
    }

    /// The gang that a node belongs to; `nil` for nodes that compute alone.
    public func gang(of node: Int) -> Gang? { gangs.first { $0.attention.contains(node) || $0.experts.contains(node) } }

    /// The class of the link between two nodes.
    public func link(from source: Int, to target: Int) -> LinkKind {
        let (left, right) = (nodes[source], nodes[target])
        if left.host < 0 || right.host < 0 { return .control }
        if left.host == right.host { return .intraNode }
        return left.rack == right.rack ? .interNode : .interRack
    }

    /// Hosts that hold devices of workers.
    public var hostCount: Int { nodes.map(\.hosts.upperBound).max() ?? 0 }

    /// Racks of these hosts.
    public var rackCount: Int { (hostCount + hostsPerRack - 1) / hostsPerRack }

    /// The hosts of a rack.
    public func hosts(ofRack rack: Int) -> Range<Int> { rack * hostsPerRack..<(rack + 1) * hostsPerRack }

    /// The workers of a role, in order.
    public func workers(_ role: Role) -> [NodePlan] { nodes.filter { $0.role == role } }
}

extension LinkPlan {
    /// The link class of a kind.
    public subscript(kind: LinkKind) -> LinkClass {
        switch kind {
        case .intraNode: intraNode
        case .interNode: interNode
        case .interRack: interRack
        case .control: control
        }
    }
}

/// The nodes that share every layer of an iteration: none of them gets past a layer before the slowest has done its part.
public struct Gang: Sendable, Equatable {
    /// Place of the pool whose workers hold caches, and of the one whose workers hold experts: the same under expert parallelism.
    public let pool: Int
    public let expertPool: Int
    /// Nodes that compute attention, by rank, and nodes that compute experts, by rank.
    public internal(set) var attention: [Int]
    public internal(set) var experts: [Int]

    /// `nil` when the pool has no mixture, or names a pool of experts that is not there.
    init?(_ place: Int, _ pool: PoolPlan, of plan: ClusterPlan, nodes: [NodePlan]) {
        guard let mixture = pool.mixture else { return nil }
        self.pool = place
        if let name = mixture.expertPool {
            guard let found = plan.pools.firstIndex(where: { $0.name == name && $0.role == .expert }) else { return nil }
            expertPool = found
        } else {
            expertPool = place
        }
        let expertPlace = expertPool
        attention = nodes.filter { $0.pool == place }.map(\.index)
        experts = nodes.filter { $0.pool == expertPlace }.map(\.index)
    }

    /// Whether attention and experts are on different nodes.
    public var isDisaggregated: Bool { pool != expertPool }

    /// All nodes, each once.
    public var members: [Int] { isDisaggregated ? attention + experts : attention }
}
