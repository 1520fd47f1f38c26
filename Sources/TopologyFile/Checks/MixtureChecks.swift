import Cluster
import Models
import Policies
import Quantities

extension TopologyChecks {
    /// Whether a pool holds experts of a mixture, or needs those of another.
    static func hasMixture(_ pool: PoolDraft) -> Bool {
        switch pool.role {
        case .ep, .attention, .expert: true
        case .prefill, .decode, .colocated: pool.mixture != nil
        case .client, .controller, nil: false
        }
    }

    /// What a pool with a mixture must and must not have, whatever the rest of the cluster.
    func checkMixture(_ pool: PoolDraft, _ model: ModelShape?) {
        guard let role = pool.role, !isBroken(["role"], of: pool), Self.hasMixture(pool) else { return }
        let what = role == .ep || role == .attention || role == .expert ? "the role \(role.rawValue)" : "experts"
        if let model, !isBroken(["model"], of: pool), model.expertLayers == 0 {
            report(
                pool.mixture == nil || role == .expert ? ["role"] : ["experts", "role"], of: pool,
                "found \(what) in the pool '\(pool.name)' with \(model.name), which has no experts, expected a mixture-of-experts model")
        }
        if pool.pipelineParallel != 1, !isBroken(["pipeline-parallel"], of: pool) {
            report(
                ["pipeline-parallel"], of: pool,
                "found pipeline-parallel \(pool.pipelineParallel) with \(what), expected 1: every rank has its part in every layer")
        }
        if pool.table != nil, !isBroken(["cost-table"], of: pool) {
            report(
                ["cost-table"], of: pool,
                "found a cost-table with \(what), expected none: a table has times of whole iterations, not of parts of a layer")
        }
        if role == .expert {
            if reading.hasPlace(pool.path("experts")) {
                report(
                    ["experts"], of: pool, "found experts in the expert pool '\(pool.name)', expected them in the attention pool that uses it")
            }
        } else if !isBroken(["experts"], of: pool) {
            checkTransfer(pool, role)
        }
    }

    /// How activations travel must be possible in a pool of this role.
    private func checkTransfer(_ pool: PoolDraft, _ role: Role) {
        let mixture = (pool.mixture ?? MixtureDraft()).rest
        if role == .attention, mixture.expertPool == nil {
            report(
                ["experts", "role"], of: pool,
                "found no expert pool for the attention pool '\(pool.name)', expected the key 'pool' under 'experts' with the name of one")
        }
        checkKernel(pool, role)
        guard role != .attention else { return }
        if let name = mixture.expertPool {
            report(
                ["experts.pool", "experts"], of: pool,
                "found the expert pool \(quoted(name)) in the \(role.rawValue) pool '\(pool.name)', expected it in an attention pool: "
                    + "the workers of this one hold the experts themselves")
            return
        }
        if mixture.microBatches > 2 {
            report(
                ["experts.micro-batches", "experts"], of: pool,
                "found \(mixture.microBatches) micro-batches in the \(role.rawValue) pool '\(pool.name)', expected 1 or 2: "
                    + "more only overlap where the experts are in another pool")
        }
        if mixture.transfer != .pointToPoint {
            report(
                ["experts.transfer", "experts"], of: pool,
                "found the transfer \(mixture.transfer.rawValue) in the \(role.rawValue) pool '\(pool.name)', expected point-to-point: "
                    + "others go to a pool of expert nodes")
        }
    }

    /// A token can go once to each host where ranks hold experts themselves, by links or by what was measured with such a kernel.
    private func checkKernel(_ pool: PoolDraft, _ role: Role) {
        let mixture = pool.mixture ?? MixtureDraft()
        guard mixture.rest.kernel == .perHost else { return }
        func refuse(_ found: String) { report(["experts.kernel", "experts"], of: pool, "found the kernel per-host \(found)") }
        if role == .attention {
            refuse(
                "in the attention pool '\(pool.name)', expected per-expert: tokens for a pool of expert nodes go once to each host with the "
                    + "transfer two-phase")
        }
        if let fabric = mixture.rest.fabric, !fabric.isPerHost {
            let names = AllToAllModel.all.filter(\.isPerHost).map(\.name)
            refuse(
                "with the fabric \(fabric.name), expected one of \(listed(["links"] + names)): it was measured with kernels that send for each expert"
            )
        }
        if mixture.gate.rest.capacityFactor != nil {
            refuse("with a capacity-factor, expected none: nobody says which tokens lose their picks")
        }
    }

    /// Every pool of expert nodes must be there, run the same model, and be used by exactly one attention pool.
    func checkExpertPools(_ known: [PoolDraft]) {
        let experts = known.filter { $0.role == .expert }
        for (place, pool) in known.enumerated() where pool.role == .attention && !isBroken(["experts"], of: pool) {
            guard let name = pool.mixture?.rest.expertPool else { continue }
            let places = ["experts.pool", "experts"]
            guard let target = known.first(where: { $0.name == name }) else {
                let names = experts.map(\.name)
                let expected = names.isEmpty ? "a pool with the role expert" : "one of \(listed(names))"
                report(places, of: pool, "found no pool \(quoted(name)), expected \(expected)" + suggestion(nearest(name, among: names)))
                continue
            }
            guard target.role == .expert else {
                report(places, of: pool, "found the pool '\(name)', which is \(target.role?.rawValue ?? ""), expected one with the role expert")
                continue
            }
            if let other = known[..<place].first(where: { $0.role == .attention && $0.mixture?.rest.expertPool == name }) {
                report(places, of: pool, "found the expert pool '\(name)' of the attention pool '\(other.name)', expected one for each")
            }
            if let model = pool.model, let other = target.model, model != other, !isBroken(["model"], of: pool), !isBroken(["model"], of: target) {
                report(
                    ["model"], of: target,
                    "the expert pool '\(name)' runs \(other.name) and '\(pool.name)', which uses it, \(model.name) of another shape, "
                        + "expected the same model")
            }
        }
        // Where some pool's experts could not be read, nobody knows which pool they name.
        guard !known.contains(where: { $0.role == .attention && isBroken(["experts"], of: $0) }) else { return }
        for pool in experts where !known.contains(where: { $0.role == .attention && $0.mixture?.rest.expertPool == pool.name }) {
            report(["role"], of: pool, "no attention pool uses the expert pool '\(pool.name)', expected one that names it as the pool of its experts")
        }
    }
}
