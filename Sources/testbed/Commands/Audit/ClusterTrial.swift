import Bounds
import Cluster
import Launch
import Policies
import Quantities
import Records
import Workload

/// A policy and the others of its family on the same cluster and requests, by runs in this process.
struct ClusterTrial {
    /// Figures of a policy: means over seeds, in seconds.
    struct Figures: Equatable {
        var policy: String
        /// `nil` when a request was not served, or served elsewhere than to its end.
        var latency: Double?
        var ttft: Double?
    }

    /// Policies that draw: their figures are means over so many seeds.
    private static let drawing: Set<String> = ["power-of-two", "random", "fcfs-protected", "balance-route"]
    private static let seeds: UInt64 = 3

    let plan: ClusterPlan
    /// The audited one first.
    let choices: [PolicyChoice]
    let isRouting: Bool

    /// - Parameter plan: has the predictor that policies which need one are told by.
    init(_ plan: ClusterPlan, _ choice: PolicyChoice, isRouting: Bool) {
        self.plan = plan
        self.isRouting = isRouting
        let family = isRouting ? RoutingRegistry.descriptions : SchedulingRegistry.descriptions
        let others = family.filter { $0.name != choice.name && (plan.predictor.name != "none" || !$0.needsPrediction(PolicyChoice($0.name))) }
        choices = [choice] + others.map { PolicyChoice($0.name) }
    }

    /// The plan with a policy.
    private func plan(with choice: PolicyChoice, seed: UInt64) -> ClusterPlan {
        var plan = plan
        plan.seed = seed
        if isRouting {
            plan.controller.routing = choice
        } else {
            for pool in plan.pools.indices { plan.pools[pool].engine.scheduling = choice }
        }
        return plan
    }

    func figures(_ choice: PolicyChoice, _ requests: [RequestSpec]) -> Figures {
        let count = Self.drawing.contains(choice.name) ? Self.seeds : 1
        var (latency, ttft) = (0.0, 0.0)
        for seed in 0..<count {
            let summary = MemoryRun.summary(of: plan(with: choice, seed: plan.seed &+ seed), serving: requests)
            guard summary.requests.done == requests.count, let ends = summary.e2e?.mean, let first = summary.ttft?.p99 else {
                return Figures(policy: choice.name)
            }
            latency += ends / Double(count)
            ttft += first / Double(count)
        }
        return Figures(policy: choice.name, latency: latency, ttft: ttft)
    }

    /// Figures of all, and what no policy can beat.
    func outcome(_ requests: [RequestSpec]) -> TrialOutcome {
        TrialOutcome(
            figures: choices.map { figures($0, requests) }, bound: ClusterBounds(plan, requests.map { BoundRequest($0) }).meanLatency,
            requests: requests.count)
    }
}

/// What a trial came to.
struct TrialOutcome: Equatable {
    /// The audited policy first.
    var figures: [ClusterTrial.Figures]
    /// No policy has a lower mean latency, in seconds.
    var bound: Double
    var requests: Int

    var own: ClusterTrial.Figures { figures[0] }

    /// The best of the others.
    var best: ClusterTrial.Figures? { figures.dropFirst().filter { $0.latency != nil }.min { ($0.latency ?? 0) < ($1.latency ?? 0) } }

    /// Mean latency of the audited policy over that of the best other one; `nil` where either is not known.
    var ratio: Double? {
        guard let own = own.latency, let best = best?.latency, best > 0 else { return nil }
        return own / best
    }

    /// As a job's answer.
    var json: JSONValue {
        [
            "bound": .number(bound), "requests": .integer(Int64(requests)),
            "figures": .array(
                figures.map { ["policy": .string($0.policy), "latency": .number(orNull: $0.latency), "ttft": .number(orNull: $0.ttft)] }),
        ]
    }

    init(figures: [ClusterTrial.Figures], bound: Double, requests: Int) {
        self.figures = figures
        self.bound = bound
        self.requests = requests
    }

    init?(_ json: JSONValue) {
        guard case .array(let items)? = json["figures"], !items.isEmpty, let bound = json["bound"]?.asNumber,
            let requests = json["requests"]?.asInteger
        else { return nil }
        let figures = items.map {
            ClusterTrial.Figures(policy: $0["policy"]?.asText ?? "", latency: $0["latency"]?.asNumber, ttft: $0["ttft"]?.asNumber)
        }
        self.init(figures: figures, bound: bound, requests: Int(requests))
    }
}
