import Cluster
import Policies
import Quantities
import Records
import Workload

extension NodeHost {
    /// Makes a node of a plan.
    ///
    /// - Parameters:
    ///   - records: where the node's rows go.
    ///   - commons: the same for all nodes that one thread runs; `nil` for a node alone.
    ///   - source: where the client's requests come from; not used by other nodes.
    /// - Returns: `nil` when the plan names a policy that does not exist, which a checked plan never does.
    public static func make(
        _ node: NodePlan, of plan: ClusterPlan, layout: ClusterLayout, records: RecordBuffers, commons: GangCommons? = nil,
        source: () -> any RequestSource
    ) -> NodeHost? {
        let state: State
        switch node.role {
        case .client:
            state = .client(Box(Client(names: layout.nodes.map(\.name), plan: plan, source: source())))
        case .controller:
            guard let controller = makeController(plan, layout) else { return nil }
            state = .controller(Box(controller))
        case .prefill, .decode, .colocated, .ep, .attention:
            guard let worker = makeWorker(node, of: plan, layout, commons) else { return nil }
            state = .worker(Box(worker))
        case .expert:
            guard let gang = makeGang(node, of: plan, layout, commons) else { return nil }
            state = .expert(Box(ExpertNode(plan: node, records: plan.records, gang: gang)))
        }
        let host = NodeHost(
            plan: node, state: state, network: NodeNetwork(node: node.index, plan: plan, layout: layout), recordsMessages: plan.records.messages,
            records: records)
        if case .client(let box) = state { box.node.start(&host.effects) }
        return host
    }

    private static func makeController(_ plan: ClusterPlan, _ layout: ClusterLayout) -> Controller? {
        let shapes = plan.pools.map { WorkerShape($0, of: plan) }
        func workers(_ duties: Duty...) -> [(node: Int32, shape: WorkerShape)] {
            layout.nodes.compactMap { node in
                guard let duty = plan.duty(of: node.role), duties.contains(duty), let pool = node.pool else { return nil }
                return (Int32(node.index), shapes[pool])
            }
        }
        let random = { RandomStream(seed: plan.seed, stream: $0) }
        guard let routing = RoutingRegistry.make(plan.controller.routing, random: random(RandomPurpose.prefillRouting)),
            let decodeRouting = RoutingRegistry.make(plan.controller.decodeRouting, random: random(RandomPurpose.decodeRouting))
        else { return nil }
        let entry = workers(.prefill, .colocated)
        guard !entry.isEmpty else { return nil }
        return Controller(
            entry: entry, decode: workers(.decode), routing: routing, decodeRouting: decodeRouting, nodes: layout.nodes.count)
    }

    private static func makeGang(_ node: NodePlan, of plan: ClusterPlan, _ layout: ClusterLayout, _ commons: GangCommons?) -> GangRank? {
        guard let gang = layout.gang(of: node.index) else { return nil }
        let make = { GangShape(gang, plan: plan, layout: layout) }
        guard let shape = commons.map({ $0.shape(gang.members[0], make) }) ?? make(),
            let member = gang.members.firstIndex(of: node.index)
        else { return nil }
        return GangRank(shape, member: member, nodes: layout.nodes.count, seed: plan.seed, commons: commons)
    }

    private static func makeWorker(_ node: NodePlan, of plan: ClusterPlan, _ layout: ClusterLayout, _ commons: GangCommons?) -> Worker? {
        guard let poolIndex = node.pool, let duty = plan.duty(of: node.role) else { return nil }
        let pool = plan.pools[poolIndex]
        let random = RandomStream(seed: plan.seed, stream: RandomPurpose.worker(node.index))
        guard let scheduler = SchedulingRegistry.make(pool.engine.scheduling, random: random) else { return nil }
        var gang: GangRank?
        if pool.mixture != nil {
            gang = makeGang(node, of: plan, layout, commons)
            guard gang != nil else { return nil }
        }
        return Worker(
            plan: node, duty: duty, shape: WorkerShape(pool, of: plan), records: plan.records, scheduler: scheduler, gang: gang)
    }
}
