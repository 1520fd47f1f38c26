import Cluster
import Models
import Policies
import Quantities
import Workload

/// Cluster plans drawn at random, the same for the same number: shapes, policies, rates, lengths, and memory so tight that
/// requests are preempted.
public func generatedPlan(_ number: UInt64) -> ClusterPlan {
    var random = RandomStream(seed: number, stream: 77)
    let isTight = random.below(3) == 0
    let isLayerwise = random.below(3) == 0
    func engine() -> EnginePlan {
        EnginePlan(
            blockSize: [8, 16, 32][random.below(3)], tokenBudget: [512, 2048, 8192][random.below(3)], maxBatch: [2, 16, 256][random.below(3)],
            chunkedPrefill: random.below(4) != 0,
            // 131,072 bytes a token: room for about 2,300 tokens when it is tight.
            kvMemory: isTight ? 300_000_000 : nil, maxModelLength: isTight ? 1100 : nil,
            transfer: isLayerwise ? .layerwise : .afterPrefill, reportInterval: [1_000_000, 50_000_000, 500_000_000][random.below(3)])
    }
    func pool(_ name: String, _ role: Role, _ count: Int) -> PoolPlan {
        PoolPlan(
            name: name, role: role, count: count, model: testModel, device: testDevice, tensorParallel: 1 << random.below(3),
            pipelineParallel: 1 + random.below(2), engine: engine())
    }
    var pools =
        random.below(4) == 0
        ? [pool("mixed", .colocated, 1 + random.below(6))]
        : [pool("prefill", .prefill, 1 + random.below(4)), pool("decode", .decode, 1 + random.below(6))]
    for place in pools.indices { pools[place].engine.scheduling = generatedScheduling(number, pool: place, isLayerwise: isLayerwise) }
    // In turns, so that few plans have all of them.
    let policies = RoutingRegistry.descriptions.map { PolicyChoice($0.name) }
    var links = LinkPlan()
    if random.below(2) == 0 { links.control.latency = 1_000 * Int64(1 + random.below(2000)) }
    if random.below(3) == 0 { links.interNode.bandwidth = 1_000_000_000 }
    var extra = RandomStream(seed: number, stream: 79)
    func withHorizon(_ policy: PolicyChoice) -> PolicyChoice {
        var choice = policy
        if extra.below(2) == 0, RoutingRegistry.isBatched(choice) { choice.parameters["horizon"] = 40 }
        return choice
    }
    let admissions = AdmissionRegistry.descriptions.filter { $0.name != "none" }
    var admission = PolicyChoice(admissions[extra.below(admissions.count)].name)
    // Limits that are reached.
    if admission.name == "queue-limit" { admission.parameters["requests"] = 1 }
    if admission.name == "bid-price" { admission.parameters["reward"] = 0.0005 }
    let costs: [DecisionCost] = [.free, .fixed(20_000), .fixed(3_000_000), .modelled]
    let cost = costs[extra.below(costs.count)]
    _ = random.below(policies.count)
    let controller = ControllerPlan(
        routing: withHorizon(policies[Int(number % UInt64(policies.count))]), decodeRouting: withHorizon(policies[random.below(policies.count)]),
        admission: !isTight && extra.below(3) != 0 ? admission : PolicyChoice("none"), migration: generatedMigration(number))
    return ClusterPlan(
        name: "generated-\(number)", seed: number, pools: pools,
        controller: controller,
        links: links, hosts: HostPlan(devicesPerHost: 8, hostsPerRack: 1 + random.below(3), pack: number % 3 == 0 ? 4 : nil),
        workload: workload(&random, isTight: isTight),
        objective: ServiceObjective(ttft: 500_000_000, tbt: 50_000_000), records: RecordPlan(messages: true),
        predictor: generatedPredictor(number), decisionCost: cost)
}

/// Scheduling policies from a stream of their own, of which the plans that tests use have each at least three times.
private func generatedScheduling(_ number: UInt64, pool: Int, isLayerwise: Bool) -> PolicyChoice {
    var random = RandomStream(seed: number, stream: 1127)
    for _ in 0..<pool { _ = random.next() }
    // With layers pushed nobody may overtake.
    let policies = SchedulingRegistry.descriptions.filter {
        !isLayerwise || !SchedulingRegistry.traits(of: PolicyChoice($0.name)).contains(.overtakes)
    }
    let policy = policies[random.below(policies.count)]
    let parameters: [String: [String: Double]] = [
        "fcfs-protected": number % 2 == 0 ? ["protection": 0.3] : ["protection": 0.3, "clearing": 0.5],
        "wait": ["classes": 2, "first": 40, "patience": 0.03],
        "nested-wait": ["width": 20, "patience": 0.03], "priority": number % 2 == 0 ? [:] : ["aging": 1], "trail": ["limit": 0.5],
    ]
    return PolicyChoice(policy.name, parameters: parameters[policy.name] ?? [:])
}

/// Predictors in turns; the first predicts nothing.
private func generatedPredictor(_ number: UInt64) -> PolicyChoice {
    let predictors = PredictorRegistry.descriptions.dropFirst()
    return PolicyChoice(predictors[predictors.startIndex + Int(number) % predictors.count].name)
}

/// A migration policy, in most plans with limits that make it move whatever it can.
private func generatedMigration(_ number: UInt64) -> PolicyChoice {
    var random = RandomStream(seed: number, stream: 82)
    switch random.below(4) {
    case 0: return PolicyChoice("none")
    case 1: return PolicyChoice("llumnix")
    default: return PolicyChoice("llumnix", parameters: ["low": [30, 1_000, 100_000][random.below(3)], "high": -1_000, "headroom": 5])
    }
}

private func workload(_ random: inout RandomStream, isTight: Bool) -> WorkloadPlan {
    let rate = [isTight ? 200.0 : 2, 20, 80][random.below(3)]
    let arrivals: WorkloadPlan.Arrivals =
        switch random.below(5) {
        case 0: .gamma(rate: rate, burstiness: 3)
        case 1: .constant(rate: rate)
        case 2: .piecewise([.init(start: 0, rate: rate), .init(start: 1_000_000_000, rate: rate * 3)])
        case 3: .closedLoop(concurrency: 1 + random.below(20), think: Int64(random.below(3)) * 10_000_000)
        default: .poisson(rate: rate)
        }
    let lengths: [LengthDistribution] = [
        .fixed(300), .uniform(from: 1, through: isTight ? 600 : 2000), .logNormal(median: 400, sigma: 1.2, limit: isTight ? 2000 : 6000),
    ]
    let outputs: [LengthDistribution] = [
        .fixed(1), .uniform(from: 1, through: 120), .logNormal(median: isTight ? 150 : 60, sigma: isTight ? 0.7 : 1, limit: isTight ? 450 : 900),
    ]
    return WorkloadPlan(
        arrivals: arrivals, promptTokens: lengths[random.below(3)], outputTokens: outputs[isTight ? 2 : random.below(3)],
        requestLimit: 40 + random.below(50))
}
