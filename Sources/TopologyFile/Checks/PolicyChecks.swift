import Cluster
import Policies

extension TopologyChecks {
    /// A policy that decides on predicted lengths must have a predictor.
    func checkPredictor() {
        guard !reading.isBroken("predictor"), !(PredictorRegistry.descriptions.first { $0.answers(to: draft.predictor.name) }.map(predicts) ?? true)
        else { return }
        func needs(_ choice: PolicyChoice, _ descriptions: [PolicyDescription]) -> Bool {
            descriptions.first { $0.answers(to: choice.name) }?.needsPrediction == true
        }
        func message(_ choice: PolicyChoice) -> String {
            let names = PredictorRegistry.descriptions.filter(predicts).map(\.name)
            return "the policy '\(choice.name)' decides on predicted output lengths, which nothing predicts here, "
                + "expected the key 'predictor' with one of \(listed(names))"
        }
        let controller = draft.controller
        for (key, choice) in [("routing", controller.routing), ("decode-routing", controller.decodeRouting)]
        where needs(choice, RoutingRegistry.descriptions) {
            reading.report(at: ["controller.\(key)", "controller"], message(choice))
        }
        for pool in draft.pools where pool.role != .expert && needs(pool.engine.scheduling, SchedulingRegistry.descriptions) {
            report(["engine.scheduling", "engine"], of: pool, message(pool.engine.scheduling))
        }
    }

    private func predicts(_ predictor: PolicyDescription) -> Bool { predictor.name != NoPrediction.description.name }
}
