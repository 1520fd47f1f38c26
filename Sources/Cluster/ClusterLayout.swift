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
            for ordinal in 0..<pool.count {
                if used > 0, used + pool.devices > capacity {
                    host += 1
                    used = 0
                }
                nodes.append(
                    NodePlan(
                        index: nodes.count, name: "\(pool.name)-\(ordinal)", role: pool.role, pool: poolIndex, ordinal: ordinal, host: host,
                        rack: host / hostsPerRack))
                used += pool.devices
                while used > capacity {
                    host += 1
                    used -= capacity
                }
            }
        }
        self.nodes = nodes
    }

    /// The class of the link between two nodes.
    public func link(from source: Int, to target: Int) -> LinkKind {
        let (left, right) = (nodes[source], nodes[target])
        if left.host < 0 || right.host < 0 { return .control }
        if left.host == right.host { return .intraNode }
        return left.rack == right.rack ? .interNode : .interRack
    }

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
