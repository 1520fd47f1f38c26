import Cluster
import Models
import Quantities
import Workload

extension TopologyChecks {
    /// Every pool must be reachable by requests, and every request must find an end.
    func checkRoles() {
        let known = draft.pools.filter { $0.role != nil }
        // With a role that could not be read, nobody knows what is missing.
        guard known.count == draft.pools.count, let first = known.first else { return }
        checkExpertPools(known)
        let serving = known.filter { $0.role?.servesRequests == true }
        guard !serving.isEmpty else {
            report(["role"], of: first, "found only expert pools, which serve no requests, expected an attention pool that uses them")
            return
        }
        func pools(_ role: Role) -> [PoolDraft] { serving.filter { $0.role == role } }
        if let mixed = pools(.colocated).first, let other = serving.first(where: { $0.role != .colocated }) {
            let (here, there) = serving[0].role == .colocated ? (other, mixed) : (mixed, other)
            report(
                ["role"], of: here,
                "the pool '\(here.name)' is \(name(here.role)) next to '\(there.name)', which is \(name(there.role)), expected either colocated pools or prefill and decode"
            )
            return
        }
        let finishing = serving.filter { $0.role != .prefill }
        if let first = finishing.first, let other = finishing.first(where: { $0.role != first.role }) {
            report(
                ["role"], of: other,
                "the pool '\(other.name)' is \(name(other.role)) next to '\(first.name)', which is \(name(first.role)), "
                    + "expected one role for all pools that decode")
            return
        }
        if let prefill = pools(.prefill).first, finishing.isEmpty {
            report(
                ["role"], of: prefill,
                "no request can leave the prefill pool '\(prefill.name)', expected a pool with the role decode, ep or attention")
        }
        if let decode = pools(.decode).first, pools(.prefill).isEmpty {
            report(["role"], of: decode, "no request can reach the decode pool '\(decode.name)', expected a pool with the role prefill")
        }
        checkCaches(serving)
    }

    private func name(_ role: Role?) -> String { role?.rawValue ?? "" }

    /// A cluster serves one model: caches that travel must mean the same at both ends.
    private func checkCaches(_ pools: [PoolDraft]) {
        guard let first = pools.first(where: { $0.model != nil && !isBroken(["model"], of: $0) }), let model = first.model else { return }
        for pool in pools where !isBroken(["model"], of: pool) {
            guard let other = pool.model, !other.hasCache(of: model) else { continue }
            report(
                ["model"], of: pool,
                "the pool '\(pool.name)' runs \(other.name) and '\(first.name)' runs \(model.name), whose cache differs, expected one model in all pools"
            )
        }
    }

    /// Nodes must not be too many, and no pool may be called like a node.
    func checkNodes() {
        let total = draft.pools.reduce(PoolGrammar.reserved.count) { $0 + $1.size }
        if total > Limits.nodes, let largest = draft.pools.max(by: { $0.size < $1.size }) {
            report(["count"], of: largest, "found \(total) nodes with the client and the controller, expected at most \(Limits.nodes)")
        }
        for pool in draft.pools {
            guard let dash = pool.name.lastIndex(of: "-"), let ordinal = Int(pool.name[pool.name.index(after: dash)...]) else { continue }
            guard let owner = draft.pools.first(where: { $0.name == pool.name[..<dash] }), ordinal < owner.size else { continue }
            reading.report(pool.mark, "the pool '\(pool.name)' is called like a worker of the pool '\(owner.name)', expected a name that no node has")
        }
    }

    /// The workload must say when requests come, and must end.
    func checkWorkload() {
        guard reading.hasPlace("workload") else { return }
        let workload = draft.workload
        let hasTrace = reading.hasPlace("workload.trace")
        let hasArrivals = reading.hasPlace("workload.arrivals")
        if hasTrace, hasArrivals {
            reading.report(at: ["workload.arrivals"], "found arrivals next to a trace, expected one of the two")
        } else if !hasTrace, !hasArrivals, !reading.isBroken("workload") {
            reading.report(at: ["workload"], "found a workload without requests, expected the key 'trace' or 'arrivals'")
        }
        if hasTrace, !hasArrivals {
            for key in ["prompt-tokens", "output-tokens"] where reading.hasPlace("workload.\(key)") {
                reading.report(
                    at: ["workload.\(key)"], "found \(key) next to a trace, which has lengths of its own, expected prompt-scale or output-scale")
            }
        }
        checkArrivals(workload)
    }

    private func checkArrivals(_ workload: WorkloadDraft) {
        guard let arrivals = workload.arrivals, !reading.isBroken("workload.arrivals") else { return }
        if case .nothing = arrivals { return }
        var ends = reading.hasPlace("workload.requests") || reading.hasPlace("workload.duration")
        if case .piecewise(let steps) = arrivals {
            for (index, pair) in zip(steps, steps.dropFirst()).enumerated() where pair.1.start <= pair.0.start {
                reading.report(
                    at: ["workload.arrivals.piecewise.\(index + 1).at"],
                    "found a step at \(UnitScale.duration.format(pair.1.start)) after one at \(UnitScale.duration.format(pair.0.start)), expected a later time"
                )
            }
            if !steps.contains(where: { $0.rate > 0 }) {
                reading.report(at: ["workload.arrivals.piecewise"], "found no step with a rate above 0, expected at least one")
            }
            if steps.last?.rate == 0 { ends = true }
        }
        if !ends {
            reading.report(at: ["workload.arrivals"], "found arrivals without end, expected the key 'requests' or 'duration' in the workload")
        }
    }
}

extension ModelShape {
    /// Whether the cache of one model can be read by the other.
    func hasCache(of other: ModelShape) -> Bool {
        layers == other.layers && kvHeads == other.kvHeads && headDimension == other.headDimension && attention == other.attention
            && cacheElementBytes == other.cacheElementBytes && slidingLayers == other.slidingLayers && slidingWindow == other.slidingWindow
    }
}
