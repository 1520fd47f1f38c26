import Cluster
import Models
import Policies
import Quantities

extension TopologyChecks {
    /// The experts of a pool with a mixture must spread over its ranks, by a policy that can place them and a gate that can pick them.
    func checkExperts(_ plan: PoolPlan, _ pool: PoolDraft, in cluster: ClusterPlan, _ layout: ClusterLayout) {
        guard let mixture = plan.mixture, let experts = plan.model.experts, plan.model.expertLayers > 0 else { return }
        guard !isBroken(["experts", "model", "role"], of: pool), experts.topK <= experts.count else { return }
        checkGate(mixture.gate, plan.model, pool)
        // The fleet is that of the pool with the experts.
        guard let fleet = cluster.expertFleet(of: plan, in: layout) else { return }
        let owner = draft.pools.first { $0.name == mixture.expertPool ?? plan.name } ?? pool
        guard !isBroken(["count", "tensor-parallel"], of: owner), !reading.isBroken("hosts") else { return }
        checkSpread(mixture.balance.redundantExperts, fleet, pool, owner)
        guard (fleet.experts + mixture.balance.redundantExperts).isMultiple(of: fleet.ranks) else { return }
        if case .groups(let count, _) = mixture.gate.selection, !experts.count.isMultiple(of: count) { return }
        guard let obstacle = BalanceRegistry.obstacle(mixture.balance.policy, to: fleet) else {
            return checkDecision(mixture, fleet, pool)
        }
        report(
            ["experts.balance.policy", "experts.balance", "experts", "role"], of: pool,
            "the policy '\(mixture.balance.policy.name)' cannot place the experts of the pool '\(pool.name)': \(obstacle)")
    }

    /// What ranks tell each other before a decision for all would hold up the tokens of the micro-batch before, which are passed on inside the host.
    private func checkDecision(_ mixture: MixturePlan, _ fleet: ExpertFleet, _ pool: PoolDraft) {
        guard mixture.kernel == .perHost, mixture.microBatches > 1,
            let policy = BalanceRegistry.make(mixture.balance.policy, fleet: fleet, random: RandomStream(seed: 0, stream: 0)),
            policy.needsGlobalCounts
        else { return }
        report(
            ["experts.micro-batches", "experts.kernel", "experts"], of: pool,
            "found \(mixture.microBatches) micro-batches with the kernel per-host and the policy '\(mixture.balance.policy.name)', which decides for all "
                + "ranks, expected 1, or a policy that each rank follows by itself")
    }

    /// Every rank holds equally many experts.
    private func checkSpread(_ redundant: Int, _ fleet: ExpertFleet, _ pool: PoolDraft, _ owner: PoolDraft) {
        let places = [
            pool.path("experts.balance.redundant"), "defaults.experts.balance.redundant", owner.path("count"), owner.path("role"), pool.path("role"),
        ]
        let most = fleet.experts * (fleet.ranks - 1)
        if redundant > most {
            reading.report(
                at: places,
                "found \(redundant) redundant experts, expected at most \(most): one replica of each of the \(fleet.experts) experts on each of the "
                    + "\(fleet.ranks) ranks")
            return
        }
        let all = fleet.experts + redundant
        guard !all.isMultiple(of: fleet.ranks) else { return }
        let slots = (fleet.experts + fleet.ranks - 1) / fleet.ranks
        let more = redundant > 0 ? " and \(redundant) redundant ones" : ""
        reading.report(
            at: places,
            "found \(fleet.experts) experts\(more) for the \(fleet.ranks) ranks of the pool '\(owner.name)', expected a multiple of \(fleet.ranks): "
                + "redundant \(slots * fleet.ranks - fleet.experts) gives each rank \(slots)")
    }

    /// The gate's numbers must make a gate for the model.
    private func checkGate(_ gate: GatePlan, _ model: ModelShape, _ pool: PoolDraft) {
        let problems = gate.problems(experts: model.experts?.count ?? 0, topK: model.experts?.topK ?? 0, layers: model.expertLayers)
        var isFile = false
        if case .file(let file)? = pool.mixture?.gate.popularity {
            isFile = true
            file.report(against: model, to: reading)
        }
        for problem in problems.prefix(TableFile.reported) {
            let key: String
            switch problem.place {
            case .popularity: key = "popularity"
            case .recorded(let layer, _): key = "popularity.recorded.\(layer)"
            case .selection: key = "selection"
            case .layerCorrelation: key = "layer-correlation"
            case .drift: key = "drift"
            case .batchNoise: key = "batch-noise"
            case .capacityFactor: key = "capacity-factor"
            case .biasRate: key = "bias-rate"
            }
            if isFile, key.hasPrefix("popularity") { continue }
            report(
                ["experts.gate.\(key)", "experts.gate", "experts", "role"], of: pool,
                "found " + problem.text.replacing("; expected", with: ", expected"))
        }
    }

    /// A resolved topology holds the recorded loads of every pool.
    func checkRecordedLoads(_ pools: [PoolPlan]) {
        let total = pools.reduce(0) { sum, pool in
            guard case .recorded(let loads)? = pool.mixture?.gate.popularity else { return sum }
            return sum + loads.reduce(0) { $0 + $1.count }
        }
        guard total > RecordedLoads.limit, let last = draft.pools.last(where: { reading.hasPlace($0.path("experts.gate.popularity.recorded")) })
        else {
            return
        }
        report(
            ["experts.gate.popularity.recorded"], of: last,
            "found \(total) recorded loads in all pools, expected at most \(RecordedLoads.limit)")
    }
}
