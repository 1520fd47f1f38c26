import Cluster
import Models
import Policies
import Quantities

/// Attention and expert nodes.
extension ClusterPlanner {
    /// The bound and parts of it for which the largest batch is worked out, so that the frontier shows what sooner tokens cost.
    static let boundShares = [1.0, 0.75, 0.5, 0.35, 0.25]

    /// What a search finds within the bound and parts of it, and what it finds within the bound alone.
    func candidates(within tbt: Nanoseconds, _ search: (Nanoseconds) -> [Candidate]) -> (all: [Candidate], inTime: [Candidate]) {
        let found = Self.boundShares.map { share in search(Nanoseconds(Double(tbt) * share)) }
        return (found.flatMap { $0 }, found[0])
    }

    func planExperts(_ tbt: Nanoseconds, devicesElsewhere: Int, into result: inout Result) throws(Problem) {
        guard result.failure == nil else { return }
        let limit = deviceLimit - devicesElsewhere
        guard limit >= 2 else {
            return result.failure = "\(deviceLimit) devices leave \(max(0, limit)) for attention and expert nodes, which take two"
        }
        let isJanus = procedure == .janus
        guard let model = ClusterModel(plan: result.plan ?? plan, demand: demand, mixture: isJanus ? janusMixture : nil) else {
            throw Problem(message: "found no attention pool with a pool of expert nodes and a mixture-of-experts model, expected one")
        }
        if isJanus { try scale(model, tbt, limit, into: &result) } else { search(model, tbt, limit, into: &result) }
    }

    /// Janus's own ways: experts bound by memory, the gate on the experts' side.
    private var janusMixture: MixturePlan? {
        guard var mixture = plan.pools.first(where: { $0.role == .attention })?.mixture else { return nil }
        mixture.balance.policy = PolicyChoice("aebs")
        mixture.transfer = .twoPhase
        return mixture
    }

    // MARK: - MegaScale-Infer

    private func search(_ model: ClusterModel, _ tbt: Nanoseconds, _ limit: Int, into result: inout Result) {
        let redundant = model.mixture.balance.redundantExperts
        let slots = model.experts + redundant
        let nodes = (1...max(1, min(limit, slots))).filter { slots.isMultiple(of: $0) }.map { (count: $0, slots: slots / $0) }
        var space = DisaggregatedExpertsSearch<ClusterModel>.Space(expertNodes: nodes, deviceLimit: limit)
        let host = max(1, plan.hosts.devicesPerHost)
        let width = model.model.experts?.width ?? 1
        space.attentionParallel.removeAll { !model.model.queryHeads.isMultiple(of: $0) || ($0 > host && !$0.isMultiple(of: host)) }
        space.expertParallel.removeAll { !width.isMultiple(of: $0) || ($0 > host && !$0.isMultiple(of: host)) }
        let search = DisaggregatedExpertsSearch(model: model, space: space)
        let (candidates, inTime) = candidates(within: tbt) { search.found(tbt: $0).map { candidate($0, model) } }
        let choices = carrying(inTime, limit: limit, into: &result)
        let frontier = candidates.frontier(cost: { Double($0.tbt ?? 0) }, gain: \.value)
        finish(frontier, choice: choices.best(\.value).map { choices[$0] }, "megascale", examined: space.shapes.count, model, limit, into: &result)
    }

    // MARK: - Janus

    private func scale(_ model: ClusterModel, _ tbt: Nanoseconds, _ limit: Int, into result: inout Result) throws(Problem) {
        guard let rate = demand.rate else {
            throw Problem(message: "found a workload without a rate of its own, expected --rate with the requests a second that are to be carried")
        }
        let parallel = (model.plan.pools[model.attention].tensorParallel, model.plan.pools[model.expert].tensorParallel)
        let most = model.mostSlots(parallel: parallel.1)
        guard most > 0 else { return result.failure = "an expert node of \(parallel.1) devices does not hold one expert" }
        let least = (model.experts + most - 1) / most
        let nodes = (least...max(least, limit)).map { (count: $0, slots: most) }
        var space = DisaggregatedExpertsSearch<ClusterModel>.Space(expertNodes: nodes, deviceLimit: limit)
        space.attentionParallel = [parallel.0]
        space.expertParallel = [parallel.1]
        space.microBatches = [1]
        let scaling = AttentionExpertScaling(model: model, tokenRate: rate * demand.meanOutput)
        let shapes = space.shapes
        let found = scaling.found(shapes, tbt: tbt)
        let candidates = found.map { candidate($0, model) }
        let frontier = candidates.frontier(cost: { Double($0.devices) }, gain: { -Double($0.tbt ?? 0) })
        let best = found.min { ($0.shape.devices, $0.iteration) < ($1.shape.devices, $1.iteration) }
        finish(frontier, choice: best.map { candidate($0, model) }, "janus", examined: shapes.count, model, limit, into: &result)
    }

    // MARK: - Both

    private func candidate(_ found: DisaggregatedExpertsSearch<ClusterModel>.Found, _ model: ClusterModel) -> Candidate {
        let shape = found.shape
        let names = (model.plan.pools[model.attention].name, model.plan.pools[model.expert].name)
        var candidate = Candidate(
            pools: [
                PoolShape(name: names.0, count: shape.attentionNodes, tensorParallel: shape.attentionParallel, pipelineParallel: 1),
                PoolShape(name: names.1, count: shape.expertNodes, tensorParallel: shape.expertParallel, pipelineParallel: 1),
            ], requestsPerSecond: found.tokensPerSecond / max(1, demand.meanOutput), tokensPerSecond: found.tokensPerSecond)
        candidate.microBatches = shape.microBatches
        candidate.redundantExperts = shape.slots * shape.expertNodes - model.experts
        candidate.batch = found.batch * shape.attentionNodes
        candidate.workerBatch = found.batch
        candidate.tbt = found.iteration
        candidate.price = model.price(shape)
        return candidate
    }

    private func finish(
        _ frontier: [Candidate], choice: Candidate?, _ procedure: String, examined: Int, _ model: ClusterModel, _ limit: Int,
        into result: inout Result
    ) {
        report(frontier, choice: choice, procedure, examined: examined, into: &result)
        guard let choice else {
            return result.failure =
                "no shape of at most \(limit) devices meets the bound on tbt\(procedure == "janus" ? " and carries the rate" : "")"
        }
        let slots = (model.experts + choice.redundantExperts) / max(1, choice.pools[1].count)
        let shape = DisaggregatedShape(
            attentionNodes: choice.pools[0].count, attentionParallel: choice.pools[0].tensorParallel, expertNodes: choice.pools[1].count,
            expertParallel: choice.pools[1].tensorParallel, slots: slots, microBatches: choice.microBatches)
        result.plan = model.plan(shape, batch: choice.workerBatch)
    }

    /// Those that bring as many tokens as the workload asks for; all of them, with a note, when none does.
    func carrying(_ candidates: [Candidate], limit: Int, into result: inout Result) -> [Candidate] {
        let wanted = demand.rate.map { $0 * demand.meanOutput } ?? 0
        let carrying = candidates.filter { $0.tokensPerSecond >= wanted }
        guard carrying.isEmpty, !candidates.isEmpty else { return carrying }
        result.notes.append("no shape of at most \(limit) devices carries the \(Int(wanted.rounded())) tokens/s that the workload asks for")
        return candidates
    }

    /// Adds the part of attention and experts, with its choice on the frontier.
    func report(_ frontier: [Candidate], choice: Candidate?, _ procedure: String, examined: Int, into result: inout Result) {
        var frontier = frontier
        if let choice, !frontier.contains(choice) {
            // It carries the rate, which others on the frontier do not.
            let place = frontier.firstIndex { ($0.tbt ?? 0) > (choice.tbt ?? 0) } ?? frontier.count
            frontier.insert(choice, at: place)
        }
        let hasPrefill = plan.pools.contains { $0.role == .prefill }
        result.parts.append(
            PlanningPart(
                phase: hasPrefill ? "decode" : "serve", procedure: procedure, examined: examined, frontier: frontier,
                chosen: choice.flatMap { frontier.firstIndex(of: $0) }))
    }
}
