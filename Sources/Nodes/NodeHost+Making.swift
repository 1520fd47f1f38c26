import Cluster
import Policies
import Quantities
import Records
import Workload

extension NodeHost {
    /// Makes a node of a plan, or its new process after a fault.
    ///
    /// - Parameters:
    ///   - records: where the node's rows go.
    ///   - faults: what goes wrong in the run; the same table at every host.
    ///   - born: when the process begins to be; 0 for the one that is there from the start.
    ///   - source: where the client's requests come from; not used by other nodes.
    /// - Returns: `nil` when the plan names a policy that does not exist, which a checked plan never does.
    public static func make(
        _ node: NodePlan, of plan: ClusterPlan, layout: ClusterLayout, records: RecordBuffers, faults: FaultTable, born: Instant = 0,
        source: @escaping () -> any RequestSource
    ) -> NodeHost? {
        let make = { (born: Instant) in makeState(node, of: plan, layout, faults, born: born, source: source) }
        guard let state = make(born) else { return nil }
        let host = NodeHost(
            plan: node, state: state, network: NodeNetwork(node: node.index, plan: plan, layout: layout, faults: faults), faults: faults, born: born,
            recordsMessages: plan.records.messages, records: records, remake: make)
        switch state {
        case .client(let box): box.node.start(&host.effects)
        case .controller(let box): box.node.start(&host.effects)
        case .worker(let box):
            guard born > 0 else { break }
            box.node.start(servingFrom: StartUps(plan, layout).end(of: node.index, born: born, faults), &host.effects)
        case .expert: break
        }
        return host
    }

    private static func makeState(
        _ node: NodePlan, of plan: ClusterPlan, _ layout: ClusterLayout, _ faults: FaultTable, born: Instant, source: () -> any RequestSource
    ) -> State? {
        switch node.role {
        case .client:
            .client(
                Box(
                    Client(
                        names: layout.nodes.map(\.name), plan: plan, source: source(), born: born,
                        incarnation: faults.outages[node.index].count { $0.until <= born })))
        case .controller: makeController(plan, layout, WorkerWatch(plan, layout, table: faults, born: born)).map { .controller(Box($0)) }
        case .prefill, .decode, .colocated, .ep, .attention: makeWorker(node, of: plan, layout).map { .worker(Box($0)) }
        case .expert:
            makeGang(node, of: plan, layout).map { .expert(Box(ExpertNode(plan: node, records: plan.records, gang: $0))) }
        }
    }

    private static func makeController(_ plan: ClusterPlan, _ layout: ClusterLayout, _ watch: WorkerWatch) -> Controller? {
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
        guard !entry.isEmpty, let predictor = makePredictor(plan) else { return nil }
        return Controller(
            entry: entry, decode: workers(.decode), routing: routing, decodeRouting: decodeRouting, predictor: predictor,
            nodes: layout.nodes.count, watch: watch)
    }

    /// The plan's predictor, the same at every node.
    private static func makePredictor(_ plan: ClusterPlan) -> OutputPredictor? {
        let serving = plan.pools.filter { $0.role.servesRequests }
        let limit = serving.map { Int64(WorkerShape($0, of: plan).lengthLimit) }.min() ?? 0
        return OutputPredictor(plan.predictor, seed: plan.seed, lengthLimit: limit)
    }

    private static func makeGang(_ node: NodePlan, of plan: ClusterPlan, _ layout: ClusterLayout) -> GangRank? {
        guard let gang = layout.gang(of: node.index), let shape = GangShape(gang, plan: plan, layout: layout),
            let member = gang.members.firstIndex(of: node.index)
        else { return nil }
        return GangRank(shape, member: member, nodes: layout.nodes.count, seed: plan.seed)
    }

    private static func makeWorker(_ node: NodePlan, of plan: ClusterPlan, _ layout: ClusterLayout) -> Worker? {
        guard let poolIndex = node.pool, let duty = plan.duty(of: node.role) else { return nil }
        let pool = plan.pools[poolIndex]
        let random = RandomStream(seed: plan.seed, stream: RandomPurpose.worker(node.index))
        guard let scheduler = SchedulingRegistry.make(pool.engine.scheduling, random: random), let predictor = makePredictor(plan) else { return nil }
        var gang: GangRank?
        if pool.mixture != nil {
            gang = makeGang(node, of: plan, layout)
            guard gang != nil else { return nil }
        }
        return Worker(
            plan: node, duty: duty, shape: WorkerShape(pool, of: plan), records: plan.records, scheduler: scheduler, predictor: predictor,
            gang: gang)
    }
}
