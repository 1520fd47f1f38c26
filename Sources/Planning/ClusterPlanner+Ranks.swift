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
        if let rate = demand.rate { result.present = model.present(rate: rate) }
        let shapes = model.shapes(deviceLimit: limit)
        let search = ExpertParallelSearch(model: model, shapes: shapes)
        let (candidates, inTime) = candidates(within: tbt) { search.found(tbt: $0).map { candidate($0, model) } }
        let choices = carrying(inTime, limit: limit, into: &result)
        let (choice, expected) = choose(choices, model, tbt, into: &result)
        let frontier = candidates.frontier(cost: { Double($0.tbt ?? 0) }, gain: \.value)
        report(frontier, choice: choice, "ranks", examined: shapes.count, into: &result)
        let bounds = model.mixesPrompts && plan.objective?.ttft != nil ? "bounds on ttft and tbt" : "bound on tbt"
        guard let choice else { return result.failure = "no shape of at most \(max(0, limit)) devices meets the \(bounds)" }
        result.plan = planned(choice, model)
        result.expected = expected
    }

    private func shape(_ choice: Candidate, _ model: RankModel) -> ExpertParallelShape {
        model.shape(
            ranks: max(1, choice.pools[0].count), redundant: choice.redundantExperts, microBatches: choice.microBatches, chunk: choice.chunk)
    }

    private func planned(_ choice: Candidate, _ model: RankModel) -> ClusterPlan {
        model.plan(shape(choice, model), batch: choice.batch / max(1, choice.pools[0].count))
    }

    /// The best that meets the bounds at the workload's rate too, where its ranks compute prompts: with fewer requests that decode than it could have, an
    /// iteration has room for a larger piece of a prompt.
    private func choose(
        _ choices: [Candidate], _ model: RankModel, _ tbt: Nanoseconds, into result: inout Result
    ) -> (choice: Candidate?, expected: Expectation?) {
        let best = choices.best(\.value).map { choices[$0] }
        guard model.mixesPrompts, let rate = demand.rate else { return (best, nil) }
        func expected(_ choice: Candidate) -> Expectation? {
            model.expectation(shape(choice, model), budget: planned(choice, model).pools[model.place].engine.tokenBudget, rate: rate)
        }
        var left = choices
        while let place = left.best(\.value) {
            let choice = left.remove(at: place)
            guard let expected = expected(choice), expected.tbt <= tbt else { continue }
            if (expected.ttftAttainment ?? 1) >= PrefillDecodePlacement.attainment { return (choice, expected) }
        }
        if best != nil { result.notes.append("no shape is expected to meet the bounds at the workload's rate") }
        return (best, best.flatMap(expected))
    }

    private func candidate(_ found: ExpertParallelSearch<RankModel>.Found, _ model: RankModel) -> Candidate {
        let pool = model.plan.pools[model.place]
        var candidate = Candidate(
            pools: [PoolShape(name: pool.name, count: found.shape.ranks, tensorParallel: pool.tensorParallel, pipelineParallel: 1)],
            requestsPerSecond: found.tokensPerSecond / max(1, demand.meanOutput), tokensPerSecond: found.tokensPerSecond)
        candidate.microBatches = found.shape.microBatches
        candidate.redundantExperts = model.redundant(found.shape)
        candidate.batch = found.batch * found.shape.ranks
        candidate.workerBatch = model.places(found.shape, batch: found.batch)
        candidate.chunk = found.shape.chunk
        candidate.tbt = found.iteration
        if model.mixesPrompts, let budget = model.firstTokenBudget {
            let mixed = model.mixed(found.shape, batch: Double(found.batch), chunk: found.shape.chunk, isTimed: true)
            candidate.ttftAttainment = mixed.attainment(within: budget)
        }
        candidate.price = model.price == nil ? nil : model.cost(found.shape)
        return candidate
    }
}
