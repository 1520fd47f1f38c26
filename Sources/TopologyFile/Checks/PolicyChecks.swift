import Cluster
import Policies

extension TopologyChecks {
    /// A policy that decides on predicted lengths must have a predictor.
    func checkPredictor() {
        guard !reading.isBroken("predictor"), !(PredictorRegistry.descriptions.first { $0.answers(to: draft.predictor.name) }.map(predicts) ?? true)
        else { return }
        func needs(_ choice: PolicyChoice, _ descriptions: [PolicyDescription]) -> Bool {
            let choice = choice.policyWithin
            return descriptions.first { $0.answers(to: choice.name) }?.needsPrediction(choice) == true
        }
        func message(_ choice: PolicyChoice) -> String {
            let names = PredictorRegistry.descriptions.filter(predicts).map(\.name)
            return "the policy '\(choice.policyWithin.name)' decides on predicted output lengths, which nothing predicts here, "
                + "expected the key 'predictor' with one of \(listed(names))"
        }
        let controller = draft.controller
        for (key, choice) in [("routing", controller.routing), ("decode-routing", controller.decodeRouting)]
        where needs(choice, RoutingRegistry.descriptions) {
            reading.report(at: ["controller.\(key)", "controller"], message(choice))
        }
        if needs(controller.admission, AdmissionRegistry.descriptions) {
            reading.report(at: ["controller.admission", "controller"], message(controller.admission))
        }
        for pool in draft.pools where pool.role != .expert && needs(pool.engine.scheduling, SchedulingRegistry.descriptions) {
            report(["engine.scheduling", "engine"], of: pool, message(pool.engine.scheduling))
        }
    }

    /// An admission policy that decides on a bound must have one.
    func checkAdmission() {
        let admission = draft.controller.admission
        guard AdmissionRegistry.needsFirstTokenBound(admission), draft.objective?.ttft == nil, !reading.isBroken("slo") else { return }
        reading.report(
            at: ["controller.admission", "controller"],
            "the policy '\(admission.name)' decides on the bound on the time to the first token, which is not given here, "
                + "expected the key 'ttft' in 'slo'")
    }

    /// Ranks of a gang keep what they compute: nothing moves or copies their caches.
    func checkMoves() {
        guard let pool = draft.pools.first(where: { $0.role == .ep || $0.role == .attention || $0.role != .expert && $0.mixture != nil }) else {
            return
        }
        func message(_ choice: PolicyChoice) -> String {
            "the policy '\(choice.name)' moves caches between workers that compute alone, but those of the pool '\(pool.name)' are ranks of a gang"
        }
        if draft.controller.migration.name != "none" {
            reading.report(at: ["controller.migration", "controller"], message(draft.controller.migration))
        }
        if draft.recovery.policy.name == "kv-replica" { reading.report(at: ["recovery.policy", "recovery"], message(draft.recovery.policy)) }
    }

    /// Workers that leave give their requests up by other means; both at once would pull at the same request.
    func checkMovesOfLeaving() {
        guard PreemptionRegistry.announces(draft.recovery.preemption) || draft.controller.scaling.name != NoScaling.description.name else { return }
        func message(_ choice: PolicyChoice) -> String {
            "the policy '\(choice.name)' moves caches between workers that stay, and policies for preemption or scaling have some leave, "
                + "expected one or the other"
        }
        if draft.controller.migration.name != "none" {
            reading.report(at: ["controller.migration", "controller"], message(draft.controller.migration))
        }
        if draft.recovery.policy.name == "kv-replica" { reading.report(at: ["recovery.policy", "recovery"], message(draft.recovery.policy)) }
    }

    /// A scaling policy must have workers to begin.
    func checkScaling() {
        let scaling = draft.controller.scaling
        guard scaling.name != NoScaling.description.name, !reading.isBroken("pools"), draft.pools.allSatisfy({ $0.size == $0.count }) else { return }
        reading.report(
            at: ["controller.scaling", "controller"],
            "the policy '\(scaling.name)' has workers begin and rest, and no pool has any that may, expected the key 'max' in one, above its count")
    }

    private func predicts(_ predictor: PolicyDescription) -> Bool { predictor.name != NoPrediction.description.name }

    /// With layer-wise transfer decode workers reserve room for requests that prefill workers have not computed. If one of these overtakes another at
    /// either end, each end can be full of what waits for the other: so all must keep the order of arrival.
    func checkOrder() {
        let pushing = draft.pools.filter { $0.role == .prefill && $0.engine.transfer == .layerwise }
        guard let first = pushing.first else { return }
        let keeping = SchedulingRegistry.descriptions.map(\.name).filter { !SchedulingRegistry.traits(of: PolicyChoice($0)).contains(.overtakes) }
        for pool in draft.pools where pool.role != .expert && (pool.role != .prefill || pool.engine.transfer == .layerwise) {
            let policy = pool.engine.scheduling
            guard SchedulingRegistry.traits(of: policy).contains(.overtakes) else { continue }
            report(
                ["engine.scheduling", "engine"], of: pool,
                "the policy '\(policy.name)' lets requests overtake others, and the pool '\(first.name)' has transfer layerwise, with which caches could wait "
                    + "for each other for ever, expected transfer after-prefill or one of \(listed(keeping))")
        }
    }
}
