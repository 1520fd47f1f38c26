import Cluster
import Models
import Quantities

extension TopologyChecks {
    /// Checks a pool by itself.
    func checked(_ pool: PoolDraft) -> PoolPlan? {
        let model = inherited(pool.model, "model", pool)
        let device = inherited(pool.device, "device", pool)
        checkParallelism(pool, model)
        checkTable(pool)
        if let model { checkModel(model, pool) }
        checkMixture(pool, model)
        checkSpares(pool)
        guard model != nil, device != nil else { return nil }
        return pool.plan
    }

    /// Reports a model or a device that neither the pool nor its defaults give.
    private func inherited<Shape>(_ value: Shape?, _ key: String, _ pool: PoolDraft) -> Shape? {
        if value != nil { return value }
        let places = [pool.path(key), "defaults.\(key)", key]
        if !places.contains(where: reading.isBroken) {
            reading.report(pool.mark, "found no key '\(key)' in the pool '\(pool.name)', expected it here or under 'defaults'")
        }
        return nil
    }

    /// Whether one of these keys of a pool, or what it inherits, could not be read.
    func isBroken(_ keys: [String], of pool: PoolDraft) -> Bool {
        keys.contains { reading.isBroken(pool.path($0)) || reading.isBroken("defaults.\($0)") || ($0 == "model" && reading.isBroken("model")) }
    }

    /// Notes a mistake at the first of these keys that the pool or its defaults give, or at the pool.
    func report(_ keys: [String], of pool: PoolDraft, _ message: String) {
        let place = keys.flatMap { [pool.path($0), "defaults.\($0)"] } + ["pools.\(pool.name)"]
        reading.report(at: place, message)
    }

    /// Workers that rest must be able to.
    private func checkSpares(_ pool: PoolDraft) {
        guard let most = pool.most, !isBroken(["count", "max"], of: pool) else { return }
        if most < pool.count {
            report(["max", "count"], of: pool, "found at most \(most) workers of which \(pool.count) serve from the start, expected no fewer")
        }
        if most > pool.count, pool.mixture != nil || pool.role.map({ [.ep, .attention, .expert].contains($0) }) == true {
            report(["max"], of: pool, "found workers that rest in a pool whose workers share layers, expected none: max must be count")
        }
    }

    private func checkParallelism(_ pool: PoolDraft, _ model: ModelShape?) {
        if let model, !isBroken(["model", "tensor-parallel"], of: pool) {
            if pool.role == .expert {
                if let width = model.experts?.width, !width.isMultiple(of: pool.tensorParallel) {
                    report(
                        ["tensor-parallel"], of: pool,
                        "found tensor-parallel \(pool.tensorParallel), expected a divisor of the width \(width) of an expert of \(model.name)")
                }
            } else if !model.queryHeads.isMultiple(of: pool.tensorParallel) {
                report(
                    ["tensor-parallel"], of: pool,
                    "found tensor-parallel \(pool.tensorParallel), expected a divisor of the \(model.queryHeads) attention heads of \(model.name)")
            }
        }
        if let model, !isBroken(["model", "pipeline-parallel"], of: pool), pool.pipelineParallel > model.layers {
            report(
                ["pipeline-parallel"], of: pool,
                "found pipeline-parallel \(pool.pipelineParallel), expected at most the \(model.layers) layers of \(model.name)")
        }
        guard !isBroken(["tensor-parallel", "pipeline-parallel"], of: pool), !reading.isBroken("hosts") else { return }
        let devices = pool.tensorParallel * pool.pipelineParallel
        let capacity = draft.hosts.devicesPerHost
        if devices > capacity, !devices.isMultiple(of: capacity) {
            report(
                ["tensor-parallel", "pipeline-parallel"], of: pool,
                "found a worker of \(devices) devices, expected at most the \(capacity) devices of a host or a multiple of them")
        }
    }
}
