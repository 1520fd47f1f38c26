import Cluster
import Models
import Quantities

/// What no policy can beat on a cluster plan: bounds on the times of given requests, and on the rate that the cluster can carry for ever.
///
/// They hold for every routing, scheduling and balancing policy, whatever it knows beforehand, as long as every request is served in full and each of its
/// tokens is computed once at the least. They do not hold where a cache is reused that another request has computed.
///
/// **Sum of latencies.** The largest of three bounds, the latter two for each phase of the cluster (`ClusterPhase`):
/// - *Alone*: every request takes as long as it does by itself on the pool that is fastest for it, with the latencies of the links.
/// - *Pooled, by ends*: `PoolService` gives every request an amount of work such that a machine (a stage of a worker) does at most a nanosecond's in a
///   nanosecond. So the `m` machines of a phase do no more than one machine of speed `m` that may be interrupted and may serve a request on all of
///   its speed. On that machine, with releases at the earliest time at which work can begin, shortest remaining work first has the least
///   sum of ends (Schrage 1968). After its work in this phase a request still needs what follows.
/// - *Pooled, by means*: the same machine has a least sum of mean busy times (Goemans 1997): the time at which a request's work is done, on average over its
///   work. It ends later than that by `ClusterPhase.lead`, for tokens come one after the other. This is the stronger one for long outputs in large batches.
public struct ClusterBounds {
    /// A phase of the cluster and the rate that it can carry.
    public struct Capacity: Sendable, Equatable {
        public var phase: String
        /// Requests a second.
        public var rate: Double
    }

    /// Requests that the cluster can serve, and those that it must reject because no worker holds them.
    public let requests: [BoundRequest]
    public let rejected: Int
    private let phases: [ClusterPhase]
    private let firstToken: ClusterPhase
    private let prompts: [PoolService]
    private let outputs: [PoolService]
    private let paths: ClusterPaths
    private let plan: ClusterPlan

    /// - Parameter offered: requests in any order.
    public init(_ plan: ClusterPlan, _ offered: [BoundRequest]) {
        self.plan = plan
        func services(_ duty: Duty) -> [PoolService] {
            plan.pools.filter { plan.duty(of: $0.role) == duty }.map { PoolService($0, of: plan) }
        }
        let (prefill, decode, mixed) = (services(.prefill), services(.decode), services(.colocated))
        let limit = (prefill + decode + mixed).map(\.lengthLimit).min() ?? 0
        let served = offered.filter { $0.prompt + $0.output <= limit }
        requests = served
        rejected = offered.count - served.count
        prompts = prefill + mixed
        outputs = decode + mixed
        paths = ClusterPaths(plan)
        firstToken = ClusterPhase(name: "prefill", part: .prompts, pools: prompts).divided(for: served)
        if prefill.isEmpty {
            phases = [ClusterPhase(name: "serving", part: .both, pools: mixed).divided(for: served)]
        } else {
            phases = [firstToken, ClusterPhase(name: "decode", part: .outputs, pools: outputs).divided(for: served)]
        }
    }

    private func promptTime(_ request: BoundRequest) -> Double { prompts.map { $0.promptTime(request) }.min() ?? 0 }

    private func outputTime(_ request: BoundRequest) -> Double {
        request.output > 1 ? paths.transfer(request) + (outputs.map { $0.outputTime(request) }.min() ?? 0) : 0
    }

    // MARK: - Times

    /// Least time from a request's arrival to its first token, in seconds, when it is alone.
    public func timeToFirstToken(_ request: BoundRequest) -> Double { (paths.request + promptTime(request) + paths.answer) / 1e9 }

    /// Least time from a request's arrival to its last token, in seconds, when it is alone.
    public func latency(_ request: BoundRequest) -> Double {
        (paths.request + promptTime(request) + outputTime(request) + paths.answer) / 1e9
    }

    /// No policy has a lower mean time to the first token, in seconds; 0 without requests.
    public var meanTimeToFirstToken: Double {
        let pooled = pooled(firstToken, before: { _ in paths.request }, after: { _ in paths.answer })
        return mean(max(requests.reduce(0) { $0 + timeToFirstToken($1) }, pooled))
    }

    /// No policy has a lower mean time to the last token, in seconds; 0 without requests.
    public var meanLatency: Double { mean(totalLatency) }

    /// No policy has a lower sum of times to the last token, in seconds.
    public var totalLatency: Double {
        phases.reduce(requests.reduce(0) { $0 + latency($1) }) { best, phase in
            max(best, pooled(phase, before: { before(phase, $0) }, after: { after(phase, $0) }))
        }
    }

    /// No run ends earlier after its start, in seconds: with the last request's answer, or when all work from some arrival on is done.
    public var duration: Double {
        let order = requests.sorted { $0.arrival > $1.arrival }
        var longest = order.reduce(0.0) { max($0, Double($1.arrival) / 1e9 + latency($1)) }
        for phase in phases {
            var work = 0.0
            for request in order {
                work += phase.work(request)
                longest = max(longest, (Double(request.arrival) + paths.request + work / phase.speed + paths.answer) / 1e9)
            }
        }
        return longest
    }

    private func mean(_ total: Double) -> Double { requests.isEmpty ? 0 : total / Double(requests.count) }

    /// From a request's arrival to the earliest work in a phase.
    private func before(_ phase: ClusterPhase, _ request: BoundRequest) -> Double {
        phase.part == .outputs ? paths.request + promptTime(request) + (request.output > 1 ? paths.transfer(request) : 0) : paths.request
    }

    /// From a request's last work in a phase to its end.
    private func after(_ phase: ClusterPhase, _ request: BoundRequest) -> Double {
        phase.part == .prompts ? outputTime(request) + paths.answer : paths.answer
    }

    /// Seconds in all that requests take at the least on a phase's machines as one.
    private func pooled(_ phase: ClusterPhase, before: (BoundRequest) -> Double, after: (BoundRequest) -> Double) -> Double {
        guard phase.speed > 0, !requests.isEmpty else { return 0 }
        let jobs = requests.map { PooledJob(release: Double($0.arrival) + before($0), work: phase.work($0)) }
        let arrivals = requests.reduce(0) { $0 + Double($1.arrival) }
        let ends = PooledMachine.leastTotalEnd(jobs, speed: phase.speed)
        let means = PooledMachine.leastTotalMeanBusyTime(jobs, speed: phase.speed) + requests.reduce(0) { $0 + phase.lead($1) }
        let rest = requests.reduce(0) { $0 + after($1) }
        // Sums of large numbers: what rounding may have added is taken off.
        return (max(ends, means) * (1 - 1e-12) + rest - arrivals) / 1e9
    }

    // MARK: - Rates

    /// The arrival rates that the phases can carry, if requests went on having these lengths: above the least of them queues grow for ever,
    /// under every policy. Empty without requests.
    ///
    /// Work comes in at the rate times its mean, and is done at most at the phase's speed; caches travel at most at the rate of all ports of a side.
    public var capacities: [Capacity] {
        guard !requests.isEmpty else { return [] }
        let count = Double(requests.count)
        var found = phases.map { phase in
            Capacity(phase: phase.name, rate: Self.rate(phase.speed * 1e9 * count, requests.reduce(0) { $0 + phase.work($1) }))
        }
        for (name, speed, work) in expertPools { found.append(Capacity(phase: name, rate: Self.rate(speed * 1e9 * count, work))) }
        if let rate = paths.cacheRate {
            found.append(Capacity(phase: "network", rate: Self.rate(rate * count, requests.reduce(0) { $0 + Double(paths.bytes($1)) })))
        }
        return found
    }

    private static func rate(_ available: Double, _ needed: Double) -> Double { needed > 0 ? available / needed : .infinity }

    /// The rate that the cluster can carry for ever, in requests a second; infinite without requests.
    public var stableRate: Double { capacities.reduce(.infinity) { min($0, $1.rate) } }

    /// Pools of expert nodes: their name, how many they are, and the nanoseconds that the experts of all requests take.
    private var expertPools: [(name: String, speed: Double, work: Double)] {
        plan.pools.compactMap { user in
            guard let mixture = user.mixture, let name = mixture.expertPool, mixture.gate.capacityFactor == nil,
                let pool = plan.pools.first(where: { $0.name == name && $0.role == .expert }),
                plan.pools.filter({ plan.duty(of: $0.role) == plan.duty(of: user.role) }).count == 1
            else { return nil }
            let cost = ExpertCost(
                model: user.model, device: pool.device, attentionParallel: pool.tensorParallel, expertParallel: pool.tensorParallel)
            let token = cost.leastExpertTime(picked: user.model.experts?.topK ?? 0)
            let tokens = requests.reduce(0.0) { sum, request in
                switch plan.duty(of: user.role) {
                case .prefill: sum + Double(request.prompt)
                case .decode: sum + Double(request.output - 1)
                default: sum + Double(request.prompt + request.output - 1)
                }
            }
            return (name, Double(pool.size), tokens * token)
        }
    }

    // MARK: - Barriers

    /// For each pool whose ranks share their iterations: the least time that they spend in iterations, in seconds, if work was balanced perfectly.
    ///
    /// The time between two barriers is that of the heaviest rank, so at least the mean over ranks; over all iterations, at least all work by the
    /// number of ranks (algorithms such as BF-IO, 2601.17855, aim at it).
    public var balancedBarriers: [(pool: String, seconds: Double)] {
        plan.pools.compactMap { pool in
            guard pool.mixture != nil, let duty = plan.duty(of: pool.role), plan.pools.filter({ plan.duty(of: $0.role) == duty }).count == 1 else {
                return nil
            }
            let part: ClusterPhase.Part = duty == .prefill ? .prompts : duty == .decode ? .outputs : .both
            let phase = ClusterPhase(name: pool.name, part: part, pools: [PoolService(pool, of: plan)]).divided(for: requests)
            return (pool.name, requests.reduce(0) { $0 + phase.work($1) } / phase.speed / 1e9)
        }
    }
}
