import Cluster

/// Nodes that share a container, a pod or a task: one steward looks after them all, and nothing that is emulated depends on it.
public struct Pack: Sendable, Equatable {
    /// The node's name where it is alone, else `POOL-pack-NUMBER`.
    public var name: String
    /// In the order of their indices.
    public var nodes: [NodePlan]
}

extension ClusterLayout {
    /// The nodes in packs of `size` at the most, or of one for `nil`. A pack's nodes are of one pool; client and controller are alone.
    public func packs(of size: Int?) -> [Pack] {
        guard let size else { return nodes.map { Pack(name: $0.name, nodes: [$0]) } }
        var packs: [Pack] = []
        for node in nodes {
            if let pool = node.pool, node.ordinal % size > 0, packs.last?.nodes.first?.pool == pool {
                packs[packs.count - 1].nodes.append(node)
            } else {
                let pool = node.name.dropLast("\(node.ordinal)".count)
                packs.append(Pack(name: node.pool == nil ? node.name : "\(pool)pack-\(node.ordinal / size)", nodes: [node]))
            }
        }
        return packs
    }
}

/// Which networks of their own the nodes need: one for each rack, and one between racks for those that talk across.
///
/// Client, controller and launcher are on every rack's network, as all talk to them.
struct RackNetworks {
    /// In order.
    let names: [String]
    private let layout: ClusterLayout
    private let spine: Set<Int>
    private static let spineName = "spine"
    /// Engines have addresses for about thirty networks unless they are told of more: beyond so many racks there is one network for all.
    static let limit = 16

    init(_ plan: ClusterPlan, _ layout: ClusterLayout) {
        self.layout = layout
        let racks = (layout.nodes.map(\.rack).max() ?? -1) + 1
        guard (1...Self.limit).contains(racks) else {
            (names, spine) = (["cluster"], [])
            return
        }
        let workers = layout.nodes.filter { $0.rack >= 0 }
        let across = workers.filter { node in workers.contains { $0.rack != node.rack && Self.talk(node, $0, plan) } }
        spine = Set(across.map(\.index))
        names = (0..<racks).map(Self.name) + (spine.isEmpty ? [] : [Self.spineName])
    }

    private static func name(of rack: Int) -> String { "rack-\(rack)" }

    /// Whether workers may have something to say to each other: caches go from prefill to decode, and wherever requests move; ranks share layers.
    private static func talk(_ one: NodePlan, _ other: NodePlan, _ plan: ClusterPlan) -> Bool {
        if one.role != other.role || ![.prefill, .decode, .colocated].contains(one.role) { return true }
        return one.role != .prefill && (plan.movesRequests || plan.rebuildsCaches || plan.workersLeave)
    }

    /// The networks of a node: of its rack, and between racks. The first is one that the launcher is on.
    func of(_ node: NodePlan) -> [String] {
        guard names.count > 1 else { return names }
        if node.rack < 0 { return front }
        return [Self.name(of: node.rack)] + (spine.contains(node.index) ? [Self.spineName] : [])
    }

    /// The networks of a pack.
    func of(_ pack: Pack) -> [String] {
        let wanted = Set(pack.nodes.flatMap(of))
        return names.filter(wanted.contains)
    }

    /// The networks of those that all talk to.
    var front: [String] { names.filter { $0 != Self.spineName } }
}
