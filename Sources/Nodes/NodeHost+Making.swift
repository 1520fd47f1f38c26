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
    ///   - probe: what measures its decisions.
    ///   - desk: its way to programs outside that decide in policies' places; without one their fallbacks decide.
    ///   - commons: the same for all nodes that one thread runs; `nil` for a node alone.
    ///   - source: where the client's requests come from; not used by other nodes.
    /// - Returns: `nil` when the plan names a policy that does not exist, which a checked plan never does.
    public static func make(
        _ node: NodePlan, of plan: ClusterPlan, layout: ClusterLayout, records: RecordBuffers, faults: FaultTable, born: Instant = 0,
        probe: DecisionProbe? = nil, desk: ExternalDesk? = nil, commons: GangCommons? = nil, source: @escaping () -> any RequestSource
    ) -> NodeHost? {
        let make = { (born: Instant) in
            let state = makeState(node, of: plan, layout, faults, born: born, probe, commons, source: source)
            if let desk { state?.ask(desk, for: node, of: plan, born: born) }
            return state
        }
        guard let state = make(born) else { return nil }
        let host = NodeHost(
            plan: node, state: state, network: NodeNetwork(node: node.index, plan: plan, layout: layout, faults: faults), faults: faults, born: born,
            recordsMessages: plan.records.messages, records: records, probe: probe, desk: desk, remake: make)
        switch state {
        case .client(let box): box.node.start(&host.effects)
        case .controller(let box): box.node.start(&host.effects)
        case .worker(let box):
            host.effects.timers[.membership] = box.node.crew?.nextChange ?? .never
            host.noteNotice(after: born)
            guard born > 0 else {
                if plan.isSpare(node) { box.node.rest(at: 0) }
                break
            }
            box.node.start(servingFrom: StartUps(plan, layout).end(of: node.index, born: born, faults), &host.effects)
        case .expert: break
        }
        return host
    }

    private static func makeState(
        _ node: NodePlan, of plan: ClusterPlan, _ layout: ClusterLayout, _ faults: FaultTable, born: Instant, _ probe: DecisionProbe?,
        _ commons: GangCommons?, source: () -> any RequestSource
    ) -> State? {
        switch node.role {
        case .client:
            .client(
                Box(
                    Client(
                        names: layout.nodes.map(\.name), plan: plan, source: source(), born: born,
                        incarnation: faults.outages[node.index].count { $0.until <= born })))
        case .controller: makeController(plan, layout, WorkerWatch(plan, layout, table: faults, born: born), probe).map { .controller(Box($0)) }
        case .prefill, .decode, .colocated, .ep, .attention:
            makeWorker(node, of: plan, layout, faults, born: born, probe, commons).map { .worker(Box($0)) }
        case .expert:
            makeCrew(node, of: plan, layout, faults, commons).map { crew in
                .expert(Box(ExpertNode(plan: node, records: plan.records, gang: crew.enter(at: born), crew: crew)))
            }
        }
    }

    private static func makeController(_ plan: ClusterPlan, _ layout: ClusterLayout, _ watch: WorkerWatch, _ probe: DecisionProbe?) -> Controller? {
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
        guard !entry.isEmpty, let predictor = makePredictor(plan),
            let admission = AdmissionRegistry.make(plan.controller.admission, firstTokenBound: plan.objective?.ttft),
            let migration = MigrationRegistry.make(plan.controller.migration), let recovery = RecoveryRegistry.make(plan.recovery.policy)
        else { return nil }
        guard let preemption = PreemptionRegistry.make(plan.recovery.preemption, random: random(RandomPurpose.preemption)) else { return nil }
        var controller = Controller(
            entry: entry, decode: workers(.decode), routing: routing, decodeRouting: decodeRouting,
            admission: admission is AdmitAll ? nil : admission, predictor: predictor, nodes: layout.nodes.count,
            watch: watch, decisionCost: plan.chargedDecisionCost, migration: migration is NoMigration ? nil : migration, recovery: recovery,
            probe: probe)
        if PreemptionRegistry.moves(plan.recovery.preemption) { controller.desk = EvacuationDesk(preemption, plan, layout, shapes: shapes) }
        controller.gatherReports(ofGangsIn: layout)
        return controller.scaling(plan, layout) ? controller : nil
    }

    /// The plan's predictor, the same at every node.
    private static func makePredictor(_ plan: ClusterPlan) -> OutputPredictor? {
        let serving = plan.pools.filter { $0.role.servesRequests }
        let limit = serving.map { Int64(WorkerShape($0, of: plan).lengthLimit) }.min() ?? 0
        return OutputPredictor(plan.predictor, seed: plan.seed, lengthLimit: limit)
    }

    private static func makeCrew(
        _ node: NodePlan, of plan: ClusterPlan, _ layout: ClusterLayout, _ faults: FaultTable, _ commons: GangCommons?
    ) -> GangCrew? {
        layout.gang(of: node.index).map { GangCrew($0, node: node.index, plan, layout, faults, commons) }
    }

    private static func makeWorker(
        _ node: NodePlan, of plan: ClusterPlan, _ layout: ClusterLayout, _ faults: FaultTable, born: Instant, _ probe: DecisionProbe?,
        _ commons: GangCommons?
    ) -> Worker? {
        guard let poolIndex = node.pool, let duty = plan.duty(of: node.role) else { return nil }
        let pool = plan.pools[poolIndex]
        let random = RandomStream(seed: plan.seed, stream: RandomPurpose.worker(node.index))
        guard let scheduler = SchedulingRegistry.make(pool.engine.scheduling, random: random), let predictor = makePredictor(plan) else { return nil }
        var crew: GangCrew?
        var gang: GangRank?
        if pool.mixture != nil {
            crew = makeCrew(node, of: plan, layout, faults, commons)
            gang = crew?.enter(at: born)
            guard gang != nil || born > 0 else { return nil }
        }
        var worker = Worker(
            plan: node, duty: duty, shape: WorkerShape(pool, of: plan), records: plan.records, scheduler: scheduler, predictor: predictor,
            gang: gang, crew: crew, decisionCost: plan.chargedDecisionCost, probe: probe,
            leaving: PreemptionRegistry.times(plan.recovery.preemption))
        worker.moves.stageLimit = MigrationRegistry.make(plan.controller.migration)?.stages ?? 0
        if plan.copiesCaches, crew == nil, duty != .prefill, let recovery = RecoveryRegistry.make(plan.recovery.policy) {
            worker.moves.copyInterval = recovery.copyInterval
            // The ring as it is while everybody lives; the controller tells of changes.
            let ring = layout.nodes.filter {
                $0.pool.map { plan.pools[$0].model == pool.model && plan.duty(of: plan.pools[$0].role) == duty } ?? false
            }
            let others = ring.map(\.index).filter { $0 != node.index }
            worker.moves.buddy = Int32(others.first { $0 > node.index } ?? others.first ?? -1)
        }
        return worker
    }
}

extension NodeHost.State {
    /// Has programs outside decide where the plan says so.
    fileprivate func ask(_ desk: ExternalDesk, for node: NodePlan, of plan: ClusterPlan, born: Instant) {
        func program(_ choice: PolicyChoice, _ kind: DecisionKind) -> ExternalPolicy? {
            desk.policy(choice, kind, node: node.name, seed: plan.seed, born: born)
        }
        switch self {
        case .controller(let box):
            box.node.entry.program = program(plan.controller.routing, .routing)
            if box.node.decode != nil { box.node.decode?.program = program(plan.controller.decodeRouting, .decodeRouting) }
        case .worker(let box):
            if let pool = node.pool { box.node.engine.program = program(plan.pools[pool].engine.scheduling, .scheduling) }
        case .client, .expert: break
        }
    }
}
