import Cluster

/// Resolved topologies as text.
public enum TopologyWriter {
    /// A plan as a topology file with every default filled in, which reads back as an equal plan.
    ///
    /// Models and devices are written out in full, so that it means the same whatever a later catalogue says; paths are as the plan has them.
    public static func text(_ plan: ClusterPlan) -> String {
        var draft = TopologyDraft()
        draft.name = plan.name
        draft.seed = plan.seed
        draft.clock = plan.clock
        draft.dilation = plan.dilation
        draft.pools = plan.pools.map(PoolDraft.init)
        draft.controller = plan.controller
        draft.links = plan.links
        draft.hosts = plan.hosts
        draft.workload = WorkloadDraft(plan.workload)
        draft.objective = plan.objective
        draft.records = plan.records
        share(&draft)
        let node = TopologyGrammar.codec.write(draft) ?? .mapping([])
        return "# Resolved topology: every default filled in.\n" + String(decoding: YAMLWriter.text(node), as: UTF8.self)
    }

    /// Writes a model or a device that all pools share once.
    private static func share(_ draft: inout TopologyDraft) {
        guard let first = draft.pools.first else { return }
        if draft.pools.allSatisfy({ $0.model == first.model }) {
            draft.defaults.model = first.model
            for index in draft.pools.indices { draft.pools[index].model = nil }
        }
        if draft.pools.allSatisfy({ $0.device == first.device }) {
            draft.defaults.device = first.device
            for index in draft.pools.indices { draft.pools[index].device = nil }
        }
    }
}

extension PoolDraft {
    /// For writing.
    init(_ pool: PoolPlan) {
        name = pool.name
        role = pool.role
        count = pool.count
        model = pool.model
        device = pool.device
        tensorParallel = pool.tensorParallel
        pipelineParallel = pool.pipelineParallel
        engine = pool.engine
        table = pool.measuredTable
        mixture = pool.mixture.map(MixtureDraft.init)
    }

    /// The pool; `nil` when something that it must have is missing.
    var plan: PoolPlan? {
        guard let role, let model, let device else { return nil }
        let experts: MixtureDraft? =
            switch role {
            case .ep, .attention: mixture ?? MixtureDraft()
            case .expert: nil
            default: mixture
            }
        return PoolPlan(
            name: name, role: role, count: count, model: model, device: device, tensorParallel: tensorParallel, pipelineParallel: pipelineParallel,
            engine: engine, measuredTable: table, mixture: experts?.plan(for: model))
    }
}
