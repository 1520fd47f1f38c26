import Cluster
import Quantities

/// Ranks that attend to their own requests and share the experts.
extension ClusterPlanner {
    func planRanks(_ tbt: Nanoseconds, devicesElsewhere: Int, into result: inout Result) throws(Problem) {
        guard result.failure == nil else { return }
        let limit = deviceLimit - devicesElsewhere
        guard let model = RankModel(plan: result.plan ?? plan, demand: demand) else {
            throw Problem(message: "found an ep pool without a mixture-of-experts model, expected one")
        }
        let shapes = model.shapes(deviceLimit: limit)
        let search = ExpertParallelSearch(model: model, shapes: shapes)
        let (candidates, inTime) = candidates(within: tbt) { search.found(tbt: $0).map { candidate($0, model) } }
        let choices = carrying(inTime, limit: limit, into: &result)
        let choice = choices.best(\.value).map { choices[$0] }
        let frontier = candidates.frontier(cost: { Double($0.tbt ?? 0) }, gain: \.value)
        report(frontier, choice: choice, "ranks", examined: shapes.count, into: &result)
        guard let choice else { return result.failure = "no shape of at most \(max(0, limit)) devices meets the bound on tbt" }
        let ranks = choice.pools[0].count
        let shape = ExpertParallelShape(
            ranks: ranks, slots: (model.experts + choice.redundantExperts) / max(1, ranks), microBatches: choice.microBatches)
        result.plan = model.plan(shape, batch: choice.workerBatch)
    }

    private func candidate(_ found: ExpertParallelSearch<RankModel>.Found, _ model: RankModel) -> Candidate {
        let pool = model.plan.pools[model.place]
        var candidate = Candidate(
            pools: [PoolShape(name: pool.name, count: found.shape.ranks, tensorParallel: pool.tensorParallel, pipelineParallel: 1)],
            requestsPerSecond: found.tokensPerSecond / max(1, demand.meanOutput), tokensPerSecond: found.tokensPerSecond)
        candidate.microBatches = found.shape.microBatches
        candidate.redundantExperts = model.redundant(found.shape)
        candidate.batch = found.batch * found.shape.ranks
        candidate.workerBatch = found.batch
        candidate.tbt = found.iteration
        candidate.price = model.price == nil ? nil : model.cost(found.shape)
        return candidate
    }
}
