import Cluster
import Models
import Quantities

/// Chooses the shape of a cluster: which procedure applies follows from its pools.
///
/// An attention pool asks for its nodes, its expert nodes, micro-batches and batch; a pool of ranks that share experts for their number, redundant experts,
/// micro-batches and batch; a prefill pool for the parallelism and number of its workers, and of those that decode.
public struct ClusterPlanner {
    /// How attention and expert nodes are searched.
    public enum Procedure: String, Sendable, CaseIterable {
        /// Most tokens a second by price.
        case megascale
        /// Fewest devices that carry the rate.
        case janus
    }

    /// Why there is nothing to plan: what was found, what was expected.
    public struct Problem: Error, Sendable, Equatable {
        public var message: String

        public init(message: String) { self.message = message }
    }

    /// What came out.
    public struct Result: Sendable, Equatable {
        public var parts: [PlanningPart] = []
        /// The cluster in the shape that was chosen; `nil` when none meets the bounds.
        public var plan: ClusterPlan?
        /// What the chosen shape is expected to do at the workload's rate, where that is worked out.
        public var expected: Expectation?
        /// The same of the shape that the pools have now; `nil` also where it does not keep up.
        public var present: Expectation?
        /// What no shape reaches.
        public var failure: String?
        /// What was taken as it is, and what was left out.
        public var notes: [String] = []
    }

    let plan: ClusterPlan
    let demand: Demand
    let procedure: Procedure?
    let deviceLimit: Int

    /// - Parameters:
    ///   - demand: of the plan's workload.
    ///   - procedure: for attention and expert nodes; `nil`: `megascale`.
    ///   - deviceLimit: devices of all pools together.
    public init(plan: ClusterPlan, demand: Demand, procedure: Procedure? = nil, deviceLimit: Int) {
        self.plan = plan
        self.demand = demand
        self.procedure = procedure
        self.deviceLimit = deviceLimit
    }

    /// Searches.
    public func run() throws(Problem) -> Result {
        let bounds = try bounds()
        var result = Result()
        result.plan = plan
        let prefill = place(.prefill)
        if place(.attention) != nil {
            let fixed = try planPrefill(of: prefill, bounds.ttft, beside: "attention nodes", into: &result)
            try planExperts(bounds.tbt, devicesElsewhere: fixed, into: &result)
        } else if place(.ep) != nil {
            let fixed = try planPrefill(of: prefill, bounds.ttft, beside: "ranks", into: &result)
            try planRanks(bounds.tbt, devicesElsewhere: fixed, into: &result)
        } else if let prefill, let decode = place(.decode), let ttft = bounds.ttft {
            try planPair(prefill, decode, ttft: ttft, tbt: bounds.tbt, into: &result)
        }
        if result.failure != nil { result.plan = nil }
        return result
    }

    // MARK: - Input

    private func place(_ role: Role) -> Int? { plan.pools.firstIndex { $0.role == role } }

    /// The bounds of the objective, when the plan has what a search needs.
    private func bounds() throws(Problem) -> (ttft: Nanoseconds?, tbt: Nanoseconds) {
        for role in Role.workers where plan.pools.count(where: { $0.role == role }) > 1 {
            throw Problem(
                message:
                    "found \(plan.pools.count { $0.role == role }) pools with the role \(role.rawValue), expected one: a plan gives each role one shape"
            )
        }
        let sharesExperts = place(.attention) != nil || place(.ep) != nil
        guard sharesExperts || place(.prefill) != nil else {
            let roles = plan.pools.map { "'\($0.name)' (\($0.role.rawValue))" }.joined(separator: ", ")
            throw Problem(message: "found the pools \(roles), expected an attention, ep or prefill pool: nothing else has a shape to search")
        }
        if procedure != nil, place(.attention) == nil {
            throw Problem(message: "found a procedure for attention and expert nodes, expected an attention pool that it could serve")
        }
        if let ranks = place(.ep), plan.pools[ranks].mixture?.kernel == .perHost {
            throw Problem(
                message:
                    "found the kernel per-host in the pool '\(plan.pools[ranks].name)', expected per-expert: a plan counts pairs of token and expert")
        }
        guard let objective = plan.objective, let tbt = objective.tbt else {
            let found = plan.objective == nil ? "no slo" : "an slo without tbt"
            throw Problem(message: "found \(found), expected the key 'slo' with a bound 'tbt' that the shape must meet")
        }
        // A prefill pool beside nodes that share experts is only searched for a rate.
        let searchesPrefill = !sharesExperts || demand.rate != nil
        if let prefill = place(.prefill), plan.pools[prefill].mixture == nil, searchesPrefill, objective.ttft == nil {
            throw Problem(message: "found an slo without ttft, expected a bound 'ttft' for the prefill pool '\(plan.pools[prefill].name)'")
        }
        if !sharesExperts, let decode = plan.pools.first(where: { $0.role != .prefill }), decode.role != .decode || decode.mixture != nil {
            throw Problem(
                message:
                    "found the pool '\(decode.name)', whose workers hold experts in common, expected an attention or ep pool, or a decode pool without experts"
            )
        }
        if !sharesExperts, let prefill = place(.prefill), plan.pools[prefill].mixture != nil {
            throw Problem(message: "found experts in the prefill pool '\(plan.pools[prefill].name)', expected none next to a decode pool")
        }
        return (objective.ttft, tbt)
    }

    // MARK: - Prefill and decode

    private func planPair(_ prefill: Int, _ decode: Int, ttft: Nanoseconds, tbt: Nanoseconds, into result: inout Result) throws(Problem) {
        let placement = PrefillDecodePlacement(plan: plan, demand: demand, deviceLimit: deviceLimit)
        let first = prefillPart(placement, prefill, ttft)
        let shapes = placement.shapes(of: plan.pools[decode])
        let second = part(
            "decode", examined: shapes.count, shapes.compactMap { placement.decode($0, tbt: tbt) }, pool: plan.pools[decode])
        result.parts = [first, second]
        guard let left = first.choice else { return result.failure = "no prefill worker of at most \(deviceLimit) devices meets the bound on ttft" }
        guard let right = second.choice else { return result.failure = "no decode worker of at most \(deviceLimit) devices meets the bound on tbt" }
        guard let counts = placement.counts(prefill: left, decode: right) else {
            result.failure = "the rate of \(demand.rate ?? 0) requests/s needs more than \(deviceLimit) devices"
            return
        }
        apply(left, count: counts.prefill, to: prefill, &result)
        apply(right, count: counts.decode, to: decode, &result)
        result.plan?.pools[decode].engine.maxBatch = right.workerBatch
        let budget = plan.pools[decode].engine.tokenBudget
        result.plan?.pools[decode].engine.tokenBudget = max(budget, right.workerBatch)
    }

    private func prefillPart(_ placement: PrefillDecodePlacement, _ place: Int, _ ttft: Nanoseconds) -> PlanningPart {
        let shapes = placement.shapes(of: plan.pools[place])
        let candidates = shapes.map { placement.prefill($0, ttft: ttft) }.filter { $0.requestsPerSecond > 0 }
        return part("prefill", examined: shapes.count, candidates, pool: plan.pools[place])
    }

    private func part(_ phase: String, examined: Int, _ candidates: [Candidate], pool: PoolPlan) -> PlanningPart {
        let frontier = candidates.frontier(cost: { Double($0.devices) }, gain: \.requestsPerSecond)
        return PlanningPart(
            phase: phase, procedure: "distserve", examined: examined, frontier: frontier, chosen: frontier.best(\.requestsPerDevice))
    }

    private func apply(_ candidate: Candidate, count: Int, to place: Int, _ result: inout Result) {
        result.plan?.pools[place].count = count
        result.plan?.pools[place].tensorParallel = candidate.pools[0].tensorParallel
        result.plan?.pools[place].pipelineParallel = candidate.pools[0].pipelineParallel
    }

    /// The prefill pool beside nodes that share experts.
    /// - Returns: its devices, and those of other pools.
    private func planPrefill(of place: Int?, _ ttft: Nanoseconds?, beside nodes: String, into result: inout Result) throws(Problem) -> Int {
        guard let place else {
            let ranks = self.place(.ep).map { plan.pools[$0] }
            if ranks?.engine.chunkedPrefill != true {
                result.notes.append(
                    "\(nodes) compute prompts too: every iteration has its share of them, but the time to the first token is not planned")
            }
            return 0
        }
        let pool = plan.pools[place]
        guard pool.mixture == nil, let rate = demand.rate, let ttft else {
            let why = pool.mixture != nil ? "its workers hold experts in common" : "nothing says the rate of requests"
            result.notes.append("the prefill pool '\(pool.name)' stays as it is: \(why)")
            return pool.devices * pool.count
        }
        let placement = PrefillDecodePlacement(plan: plan, demand: demand, deviceLimit: deviceLimit)
        let part = prefillPart(placement, place, ttft)
        result.parts.append(part)
        guard let choice = part.choice else {
            result.failure = "no prefill worker of at most \(deviceLimit) devices meets the bound on ttft"
            return 0
        }
        let count = (rate / choice.requestsPerSecond).rounded(.up)
        guard count * Double(choice.devices) < Double(deviceLimit) else {
            result.failure = "the rate of \(rate) requests/s needs more than \(deviceLimit) devices"
            return 0
        }
        apply(choice, count: max(1, Int(count)), to: place, &result)
        return max(1, Int(count)) * choice.devices
    }
}
