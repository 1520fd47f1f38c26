import Cluster
import Models
import Quantities

extension TopologyChecks {
    /// The numbers of a described model must make a model.
    func checkModel(_ model: ModelShape, _ pool: PoolDraft) {
        guard !isBroken(["model"], of: pool) else { return }
        func check(_ isRight: Bool, _ key: String, _ message: @autoclosure () -> String) {
            guard !isRight else { return }
            let places = ["\(pool.path("model")).\(key)", pool.path("model"), "defaults.model.\(key)", "defaults.model", "model.\(key)", "model"]
            reading.report(at: places, message())
        }
        if model.attention == .grouped {
            check(
                model.queryHeads.isMultiple(of: model.kvHeads), "kv-heads",
                "found \(model.kvHeads) kv-heads, expected a divisor of the \(model.queryHeads) query-heads")
        }
        check(
            model.slidingLayers <= model.layers, "sliding-layers",
            "found \(model.slidingLayers) sliding-layers, expected at most the \(model.layers) layers")
        check(
            model.slidingLayers == 0 || model.slidingWindow > 0, "sliding-window",
            "found no sliding-window for \(model.slidingLayers) sliding-layers, expected one")
        guard let experts = model.experts else {
            check(model.feedForward > 0, "feed-forward", "found feed-forward 0 in a model without experts, expected its width")
            return
        }
        check(experts.topK <= experts.count, "experts.top-k", "found top-k \(experts.topK), expected at most the \(experts.count) experts")
        check(
            experts.denseLayers <= model.layers, "experts.dense-layers",
            "found \(experts.denseLayers) dense-layers, expected at most the \(model.layers) layers")
        check(
            experts.denseLayers == 0 || model.feedForward > 0, "feed-forward",
            "found feed-forward 0 with \(experts.denseLayers) dense-layers, expected their width")
    }

    /// A measured table must have rows for every phase that the worker runs; a decode worker computes preempted requests again.
    func checkTable(_ pool: PoolDraft) {
        guard let table = pool.table, let role = pool.role, !Self.hasMixture(pool), !isBroken(["cost-table", "role"], of: pool) else { return }
        let needs = role == .prefill ? ["prefill"] : ["prefill", "decode"]
        for phase in needs where (phase == "prefill" ? table.prefill : table.decode).isEmpty {
            let why = role == .decode && phase == "prefill" ? " (it computes preempted requests again)" : ""
            report(
                ["cost-table"], of: pool, "found no row for \(phase) in the table, expected at least one: '\(pool.name)' is \(role.rawValue)\(why)")
        }
    }
}
