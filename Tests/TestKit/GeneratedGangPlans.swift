import Cluster
import Models
import Policies
import Quantities
import Workload

/// A small mixture: 4 layers, 3 of them with 16 experts and a shared one.
public let testMixture = ModelShape(
    name: "test-moe", layers: 4, hidden: 2048, queryHeads: 16, kvHeads: 4, headDimension: 128, feedForward: 8192, vocabulary: 32000,
    experts: ModelShape.Experts(count: 16, topK: 4, shared: 1, width: 1408, denseLayers: 1), contextLimit: 8192, source: "a shape for tests")

/// How many plans there are of `generatedGangPlan`. Among so many each way of transfer meets each balancing policy.
public let generatedGangPlans = 24

/// Cluster plans with gangs, the same for the same number: shapes, gates and rates are drawn; ways of transfer, policies, micro-batches and
/// granularities come in turns, so that a few plans have all of them.
public func generatedGangPlan(_ number: UInt64) -> ClusterPlan {
    var random = RandomStream(seed: number, stream: 78)
    var plan = generatedPlan(number)
    plan.name = "gang-\(number)"
    // Nothing moves between ranks.
    plan.controller.migration = PolicyChoice("none")
    plan.hosts = HostPlan(devicesPerHost: [2, 4, 8][random.below(3)], hostsPerRack: 1 + random.below(2))
    var template = plan.pools[0]
    template.model = testMixture
    template.tensorParallel = 1
    template.pipelineParallel = 1
    let isTight = template.engine.kvMemory != nil
    // 8,192 bytes a token: room for about 120 tokens.
    if isTight { template.engine.kvMemory = 1_000_000 }
    func pool(_ name: String, _ role: Role, _ count: Int, _ mixture: MixturePlan?) -> PoolPlan {
        var pool = template
        pool.name = name
        pool.role = role
        pool.count = count
        pool.mixture = mixture
        return pool
    }
    let transfer: ExpertTransfer? = number % 4 == 0 ? nil : ExpertTransfer.allCases[Int(number % 4) - 1]
    let ranks = [2, 4, 2, 1][random.below(4)]
    let mixture = gangMixture(&random, number: number, transfer: transfer, ranks: ranks)
    var pools: [PoolPlan] = []
    if random.below(2) == 0 {
        let prefillRanks = [1, 2, 4][random.below(3)]
        let prefill = random.below(2) == 0 ? gangMixture(&random, number: number + 5, transfer: nil, ranks: prefillRanks) : nil
        pools.append(pool("prefill", .prefill, prefill == nil ? 1 + random.below(2) : prefillRanks, prefill))
    }
    if transfer != nil {
        pools.append(pool("attention", .attention, 1 + random.below(4), mixture))
        pools.append(pool("expert", .expert, ranks, nil))
    } else {
        pools.append(pool("ranks", .ep, ranks, mixture))
    }
    plan.pools = pools
    plan.records.layers = random.below(4) != 0
    plan.workload.requestLimit = 8 + random.below(9)
    plan.workload.promptTokens = .uniform(from: 1, through: isTight ? 80 : 250)
    plan.workload.outputTokens = .uniform(from: 1, through: isTight ? 40 : 15)
    return plan
}

private func gangMixture(_ random: inout RandomStream, number: UInt64, transfer: ExpertTransfer?, ranks: Int) -> MixturePlan {
    let turn = Int(number / 4 + number % 4)
    let policies = ["contiguous", "eplb", "aebs", "lplb", "token-balanced", "random-replica"]
    let gates: [GatePlan] = [
        GatePlan(), GatePlan(popularity: .zipf(exponent: 0.8)), GatePlan(popularity: .logNormal(sigma: 1), batchNoise: 0.3),
        GatePlan(selection: .groups(count: 4, kept: 2)), GatePlan(capacityFactor: 1.1), GatePlan(popularity: .dirichlet(alpha: 0.5), biasRate: 0.01),
        GatePlan(popularity: .logNormal(sigma: 0.5), drift: .init(period: 300_000_000, share: 0.3)),
    ]
    var mixture = MixturePlan(gate: gates[random.below(gates.count)])
    var policy = PolicyChoice(policies[turn % policies.count])
    var redundant = [4, 0, 8][random.below(3)]
    if policy.name == "lplb" {
        // A ring of the ranks that there are, and a slot more on each; a single rank has nobody to hold its copies.
        if ranks > 1 { policy.parameters = ["graph": 3, "ring": Double(ranks)] } else { policy = PolicyChoice("aebs") }
        redundant = max(redundant, 4)
    }
    mixture.balance = BalancePlan(
        policy: policy, redundantExperts: redundant, replanInterval: random.below(2) == 0 ? 20_000_000 : nil, startsInformed: random.below(2) == 0)
    mixture.granularity = [.exact, .exact, .grouped(2), .exact, .iteration, .grouped(1)][Int(number / 4 + 2 * (number % 4)) % 6]
    mixture.microBatches = 1 + Int(number / 4) % (transfer == nil ? 2 : 4)
    mixture.fabric = random.below(3) == 0 ? .deepEPH800 : nil
    if transfer == nil, number % 12 == 8 || number % 16 == 4, mixture.gate.capacityFactor == nil {
        mixture.kernel = .perHost
        if mixture.fabric != nil { mixture.fabric = .deepEPH100Normal }
    }
    if let transfer {
        mixture.expertPool = "expert"
        mixture.transfer = transfer
    }
    return mixture
}
