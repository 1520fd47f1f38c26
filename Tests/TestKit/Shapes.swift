import Cluster
import Models
import Policies
import Quantities
import Workload

/// A model of 8 billion parameters with grouped attention: 131,072 bytes of cache a token.
public let testModel = ModelShape(
    name: "test-7b", layers: 32, hidden: 4096, queryHeads: 32, kvHeads: 8, headDimension: 128, feedForward: 14336, vocabulary: 128256,
    contextLimit: 8192, source: "a shape for tests")

/// A device of 80 GB.
public let testDevice = DeviceShape(
    name: "test-80g", flops16: 989e12, flops8: 1978e12, memory: 80_000_000_000, memoryBandwidth: 3_350_000_000_000,
    scaleUpBandwidth: 450_000_000_000, nicBandwidth: 50_000_000_000, idlePower: 70, prefillPower: 700, decodePower: 380,
    source: "a device for tests")

/// A pool of workers of one device.
public func testPool(_ role: Role, count: Int = 1, engine: EnginePlan = EnginePlan(), pipelineParallel: Int = 1) -> PoolPlan {
    PoolPlan(
        name: role.rawValue, role: role, count: count, model: testModel, device: testDevice, pipelineParallel: pipelineParallel, engine: engine)
}

/// Links that take next to no time, so that what is left is the engines'.
public let instantLinks = LinkPlan(
    intraNode: LinkClass(latency: 1, bandwidth: 1_000_000_000_000_000), interNode: LinkClass(latency: 1, bandwidth: 1_000_000_000_000_000),
    interRack: LinkClass(latency: 1, bandwidth: 1_000_000_000_000_000), control: LinkClass(latency: 1, bandwidth: 1_000_000_000_000_000))

/// A plan of these pools for requests of one size.
public func testPlan(
    _ pools: [PoolPlan], links: LinkPlan = LinkPlan(), arrivals: WorkloadPlan.Arrivals = .constant(rate: 1), requests: Int = 1, prompt: Int = 1000,
    output: Int = 10, records: RecordPlan = RecordPlan(messages: true)
) -> ClusterPlan {
    ClusterPlan(
        name: "test", pools: pools, links: links,
        workload: WorkloadPlan(arrivals: arrivals, promptTokens: .fixed(prompt), outputTokens: .fixed(output), requestLimit: requests),
        records: records)
}

/// Pools whose workers share their layers: two ranks that hold attention and experts, and three attention nodes with two expert nodes.
public var testGangs: [PoolPlan] {
    var ranks = testPool(.ep, count: 2)
    ranks.mixture = MixturePlan()
    var attention = testPool(.attention, count: 3)
    attention.mixture = MixturePlan(expertPool: "expert")
    return [ranks, attention, testPool(.expert, count: 2)]
}

/// Plans of one gang: ranks that hold both, or attention nodes and expert nodes.
public func gangPlan(
    attention: Int, experts: Int? = nil, mixture: MixturePlan = MixturePlan(), devicesPerHost: Int = 8, links: LinkPlan = LinkPlan(),
    model: ModelShape = testMixture
) -> ClusterPlan {
    var ranks = testPool(experts == nil ? .ep : .attention, count: attention)
    ranks.name = "ranks"
    ranks.model = model
    ranks.mixture = mixture
    var pools = [ranks]
    if let experts {
        pools[0].mixture?.expertPool = "expert"
        pools.append(testPool(.expert, count: experts))
        pools[1].model = model
    }
    var plan = testPlan(pools, links: links, records: RecordPlan(messages: true, layers: true))
    plan.hosts.devicesPerHost = devicesPerHost
    return plan
}
