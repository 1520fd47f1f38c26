import Cluster
import Models
import Policies
import Quantities
import Workload

/// A small mixture: 6 layers, 5 of them with 16 experts and a shared one.
public let testMixture = ModelShape(
    name: "test-moe", layers: 6, hidden: 2048, queryHeads: 16, kvHeads: 4, headDimension: 128, feedForward: 8192, vocabulary: 32000,
    experts: ModelShape.Experts(count: 16, topK: 4, shared: 1, width: 1408, denseLayers: 1), contextLimit: 8192, source: "a shape for tests")

/// Cluster plans with gangs drawn at random, the same for the same number: shapes, ways of transfer, policies, gates, micro-batches and
/// granularities.
public func generatedGangPlan(_ number: UInt64) -> ClusterPlan {
    var random = RandomStream(seed: number, stream: 78)
    var plan = generatedPlan(number)
    plan.name = "gang-\(number)"
    plan.hosts = HostPlan(devicesPerHost: [2, 4, 8][random.below(3)], hostsPerRack: 1 + random.below(2))
    let engine = { (pool: PoolPlan) in pool.engine }
    var template = plan.pools[0]
    template.model = testMixture
    template.tensorParallel = 1
    template.pipelineParallel = 1
    if engine(template).kvMemory != nil { template.engine.kvMemory = 80_000_000 }
    func pool(_ name: String, _ role: Role, _ count: Int, _ mixture: MixturePlan?) -> PoolPlan {
        var pool = template
        pool.name = name
        pool.role = role
        pool.count = count
        pool.mixture = mixture
        return pool
    }
    let isDisaggregated = random.below(2) == 0
    let hasPrefill = random.below(2) == 0
    let mixture = gangMixture(&random, isDisaggregated: isDisaggregated)
    var pools: [PoolPlan] = []
    if hasPrefill {
        let prefill = random.below(2) == 0 ? gangMixture(&random, isDisaggregated: false) : nil
        pools.append(pool("prefill", .prefill, prefill == nil ? 1 + random.below(2) : [1, 2, 4][random.below(3)], prefill))
    }
    if isDisaggregated {
        pools.append(pool("attention", .attention, 1 + random.below(4), mixture))
        pools.append(pool("expert", .expert, [1, 2, 4][random.below(3)], nil))
    } else {
        pools.append(pool("ranks", .ep, [1, 2, 4][random.below(3)], mixture))
    }
    plan.pools = pools
    plan.records.layers = random.below(2) == 0
    plan.workload.requestLimit = 10 + random.below(15)
    plan.workload.outputTokens = .uniform(from: 1, through: 40)
    return plan
}

private func gangMixture(_ random: inout RandomStream, isDisaggregated: Bool) -> MixturePlan {
    let policies = ["contiguous", "eplb", "aebs", "token-balanced", "random-replica"]
    let gates: [GatePlan] = [
        GatePlan(), GatePlan(popularity: .zipf(exponent: 0.8)), GatePlan(popularity: .logNormal(sigma: 1), batchNoise: 0.3),
        GatePlan(selection: .groups(count: 4, kept: 2)), GatePlan(capacityFactor: 1.1), GatePlan(popularity: .dirichlet(alpha: 0.5), biasRate: 0.01),
        GatePlan(popularity: .logNormal(sigma: 0.5), drift: .init(period: 300_000_000, share: 0.3)),
    ]
    var mixture = MixturePlan(gate: gates[random.below(gates.count)])
    mixture.balance = BalancePlan(
        policy: PolicyChoice(policies[random.below(policies.count)]), redundantExperts: [0, 4, 8][random.below(3)],
        replanInterval: random.below(2) == 0 ? 200_000_000 : nil, startsInformed: random.below(2) == 0)
    mixture.granularity = [.exact, .exact, .exact, .grouped(2), .iteration][random.below(5)]
    mixture.microBatches = 1 + random.below(isDisaggregated ? 4 : 2)
    mixture.fabric = random.below(3) == 0 ? .deepEPH800 : nil
    if isDisaggregated {
        mixture.expertPool = "expert"
        mixture.transfer = ExpertTransfer.allCases[random.below(3)]
    }
    return mixture
}
