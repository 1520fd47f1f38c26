import Records

/// What processes counted that have ended, by node: their new ones count anew.
public struct EndedProcesses {
    private var counted: [NodeStatistics?]

    public init(nodes: Int) { counted = Array(repeating: nil, count: nodes) }

    /// Takes over what a node's process has counted, which has just ended.
    public mutating func take(_ host: NodeHost) {
        counted[host.plan.index] = total(of: host, including: host.statistics)
    }

    /// What a node counted in all its processes.
    public func total(of host: NodeHost) -> NodeStatistics {
        // What a dead one counted is there already.
        if host.isDead, let before = counted[host.plan.index] { return before }
        return total(of: host, including: host.statistics)
    }

    private func total(of host: NodeHost, including present: NodeStatistics) -> NodeStatistics {
        guard let before = counted[host.plan.index] else { return present }
        var total = present
        total.merge(before)
        return total
    }
}
