import Cluster
import Quantities

/// Adds the nodes' statistics up to a summary.
public struct SummaryBuilder {
    private let plan: ClusterPlan
    private let layout: ClusterLayout

    public init(_ plan: ClusterPlan, _ layout: ClusterLayout) {
        self.plan = plan
        self.layout = layout
    }

    /// The summary of a run in which nothing happened: what figures there will be.
    public var blank: Summary {
        let statistics = layout.nodes.map { node in
            var counted = NodeStatistics()
            if node.role.isWorker { counted.worker = WorkerStatistics() }
            if layout.gang(of: node.index) != nil { counted.worker?.barrier = BarrierStatistics() }
            return counted
        }
        var summary = build(statistics, wall: 0, incomplete: false, digest: "", energy: { _, _, _ in 0 })
        // Which of them happen before the end is not known yet.
        summary.faults = FaultAccount(plan, layout, FaultTable(plan, layout)).faults(ClientStatistics(), until: .never)
        return summary
    }

    /// Adds up.
    /// - Parameters:
    ///   - statistics: by node; `nil` for a node that left none.
    ///   - wall: host time that the run took, seconds.
    ///   - faults: what went wrong; `nil`: nothing did.
    ///   - clockUncertainty: by how much the clocks of the nodes' hosts may have differed, in nanoseconds of theirs; `nil`: there was one clock.
    ///   - energy: joules that a worker of a node took over the run, from what it counted and the run's length.
    public func build(
        _ statistics: [NodeStatistics?], wall: Double, incomplete: Bool, digest: String, faults: FaultTable? = nil,
        clockUncertainty: Nanoseconds? = nil, energy: (NodePlan, WorkerStatistics, Nanoseconds) -> Double
    ) -> Summary {
        var summary = Summary(name: plan.name, clock: plan.clock.rawValue, seed: plan.seed, nodes: layout.nodes.count)
        summary.wall = wall
        summary.incomplete = incomplete
        summary.digest = digest
        var client = statistics[ClusterLayout.client]?.client ?? ClientStatistics()
        let duration = client.lastEnd
        addRequests(&client, duration: duration, to: &summary)
        var slip = LogLinearHistogram()
        var iterations = LogLinearHistogram()
        var barrier = BarrierStatistics()
        var moved = WorkerStatistics()
        var decisions = DecisionKind.allCases.map { _ in LogLinearHistogram() }
        var external: [ExternalStatistics] = []
        for (node, counted) in zip(layout.nodes, statistics) {
            guard let counted else { continue }
            for (kind, counted) in counted.external.enumerated() {
                if kind < external.count { external[kind].merge(counted) } else { external.append(counted) }
            }
            summary.network.messages = summary.network.messages.addingClamped(counted.messages)
            summary.network.bytesModelled = summary.network.bytesModelled.addingClamped(counted.bytes)
            slip.merge(counted.slip)
            for (kind, times) in counted.decisions.enumerated() where kind < decisions.count { decisions[kind].merge(times) }
            guard let worker = counted.worker else { continue }
            iterations.merge(worker.iterationTimes)
            if let counted = worker.barrier { barrier.merge(counted) }
            moved.merge(worker)
            summary.workers.append(describe(node, worker, duration: duration, energy: energy(node, worker, duration)))
        }
        summary.energy = summary.workers.reduce(0) { $0 + $1.energy }
        if client.outputTokens > 0 { summary.energyPerOutputToken = summary.energy / Double(client.outputTokens) }
        summary.medianIteration = iterations.summary()?.scaled(by: 1e-9).p50
        summary.migrations = Summary.Migrations(moved)
        addSlip(slip, clockUncertainty, to: &summary)
        summary.decisions = describe(decisions)
        summary.external = describe(external)
        if let faults, !faults.isEmpty { addFaults(faults, client, statistics, to: &summary) }
        if !layout.gangs.isEmpty {
            summary.barrier = describe(barrier)
            summary.experts = Summary.Experts(barrier)
        }
        return summary
    }

    private func addRequests(_ client: inout ClientStatistics, duration: Nanoseconds, to summary: inout Summary) {
        summary.duration = seconds(duration)
        summary.requests.offered = Int(client.offered)
        summary.requests.done = Int(client.done)
        summary.requests.rejected = Int(client.rejected)
        summary.requests.failed = Int(client.failed)
        summary.requests.duplicated = Int(client.duplicatedTokens)
        summary.ttft = client.ttft.summary()?.scaled(by: 1e-9)
        summary.tbt = client.tbt.summary()?.scaled(by: 1e-9)
        summary.e2e = client.e2e.summary()?.scaled(by: 1e-9)
        summary.network.kvTransfer = client.kvTransfer.summary()?.scaled(by: 1e-9)
        let perSecond = duration > 0 ? 1 / seconds(duration) : 0
        summary.throughput.requestsPerSecond = Double(client.done) * perSecond
        summary.throughput.outputTokensPerSecond = Double(client.outputTokens) * perSecond
        summary.throughput.totalTokensPerSecond = Double(client.outputTokens + client.promptTokens) * perSecond
        guard let objective = plan.objective else { return }
        summary.goodput = Summary.Goodput(
            objective: objective.description, requestsPerSecond: Double(client.withinObjective) * perSecond,
            attainment: client.offered > 0 ? Double(client.withinObjective) / Double(client.offered) : 0)
    }

    private func addFaults(_ faults: FaultTable, _ client: ClientStatistics, _ statistics: [NodeStatistics?], to summary: inout Summary) {
        let salvages = statistics.flatMap { $0?.worker?.salvages ?? [] }
        summary.faults = FaultAccount(plan, layout, faults).faults(
            client, statistics.map { $0?.worker?.evacuations ?? [] }, salvages, until: client.lastEnd)
        var recovery = Summary.Recovery()
        recovery.restarts = client.restarts
        recovery.recomputedTokens = max(0, salvages.reduce(client.recomputedTokens) { $0 - $1.tokens })
        recovery.staleTokens = client.staleTokens
        recovery.fencedMessages = statistics.reduce(0) { $0.addingClamped($1?.fencedMessages ?? 0) }
        recovery.lostMessages = statistics.reduce(0) { $0.addingClamped($1?.lostMessages ?? 0) }
        summary.recovery = recovery
    }

    private func describe(_ node: NodePlan, _ counted: WorkerStatistics, duration: Nanoseconds, energy: Double) -> Summary.Worker {
        var worker = Summary.Worker(name: node.name, role: node.role.rawValue)
        // Of the time in which it did not rest.
        let present = counted.present(of: duration)
        if present > 0 {
            let (prefill, decode) = counted.computing
            worker.busyFraction = seconds(prefill + decode) / seconds(present)
            worker.barrierIdleFraction = seconds(counted.barrier?.awaited ?? 0) / seconds(present)
        }
        if counted.kvTotalBlocks > 0 { worker.kvPeakFraction = Double(counted.kvPeakBlocks) / Double(counted.kvTotalBlocks) }
        worker.preemptions = counted.preemptions
        worker.iterations = counted.iterations
        worker.energy = energy
        return worker
    }

    private func describe(_ counted: BarrierStatistics) -> Summary.Barrier {
        var barrier = Summary.Barrier()
        barrier.count = counted.count
        if counted.span > 0 {
            func share(_ time: Nanoseconds) -> Double { Double(time) / Double(counted.span) }
            barrier.idleFraction = share(counted.awaited)
            barrier.attentionStragglerFraction = share(counted.awaitingAttention)
            barrier.expertStragglerFraction = share(counted.awaitingExperts)
            barrier.networkFraction = share(counted.awaitingNetwork)
            barrier.computeFraction = share(counted.attention.addingClamped(counted.experts))
        }
        barrier.wait = counted.waits.summary()?.scaled(by: 1e-9)
        for node in layout.nodes where layout.gang(of: node.index) != nil {
            barrier.last.append(.init(name: node.name, times: node.index < counted.last.count ? counted.last[node.index] : 0))
        }
        return barrier
    }

    private func describe(_ decisions: [LogLinearHistogram]) -> [Summary.Decisions] {
        DecisionKind.allCases.compactMap { kind in
            guard let policy = plan.policy(of: kind) else { return nil }
            var described = Summary.Decisions(kind: kind, policy: policy)
            guard let times = decisions[kind.rawValue].summary()?.scaled(by: 1e-9) else { return described }
            described.count = times.count
            (described.p50, described.p99) = (times.p50, times.p99)
            return described
        }
    }

    private func describe(_ external: [ExternalStatistics]) -> [Summary.External] {
        DecisionKind.allCases.compactMap { kind in
            let fallbacks = plan.fallbacks(of: kind)
            guard !fallbacks.isEmpty else { return nil }
            var described = Summary.External(kind: kind, fallbackPolicy: fallbacks.joined(separator: ", "))
            if kind.rawValue < external.count { described.take(external[kind.rawValue]) }
            return described
        }
    }

    /// What a node calls in time is late by as much as its clock is behind: nobody can tell which part of the uncertainty that is, so all of it counts.
    private func addSlip(_ slip: LogLinearHistogram, _ clockUncertainty: Nanoseconds?, to summary: inout Summary) {
        guard plan.clock == .wall else { return }
        summary.slip.clockUncertainty = clockUncertainty.map { seconds($0) / plan.dilation }
        let distribution = slip.summary()?.scaled(by: 1e-9)
        guard distribution != nil || clockUncertainty != nil else { return }
        let clock = summary.slip.clockUncertainty ?? 0
        summary.slip.p50 = (distribution?.p50 ?? 0) + clock
        summary.slip.p99 = (distribution?.p99 ?? 0) + clock
        summary.slip.max = (distribution?.max ?? 0) + clock
        if let median = summary.medianIteration, median > 0 { summary.slip.shareOfMedianIteration = summary.slip.p99 / median }
    }
}

extension ClusterPlan {
    /// The policy that makes the decisions of a kind, pools' ones in the order of the pools; `nil` where none are made.
    fileprivate func policy(of kind: DecisionKind) -> String? {
        switch kind {
        case .routing: return controller.routing.name
        case .decodeRouting: return pools.contains { duty(of: $0.role) == .decode } ? controller.decodeRouting.name : nil
        case .admission: return controller.admission.name == "none" ? nil : controller.admission.name
        case .scheduling:
            var names: [String] = []
            for name in pools.filter(\.role.servesRequests).map(\.engine.scheduling.name) where !names.contains(name) { names.append(name) }
            return names.joined(separator: ", ")
        }
    }
}

extension ClusterPlan {
    /// The fallbacks of programs that make the decisions of a kind; empty where none does.
    fileprivate func fallbacks(of kind: DecisionKind) -> [String] {
        let all: [String?]
        switch kind {
        case .routing: all = [controller.routing.program?.fallback.name]
        case .decodeRouting: all = pools.contains { duty(of: $0.role) == .decode } ? [controller.decodeRouting.program?.fallback.name] : []
        case .admission: all = []
        case .scheduling: all = pools.filter(\.role.servesRequests).map(\.engine.scheduling.program?.fallback.name)
        }
        var names: [String] = []
        for case let name? in all where !names.contains(name) { names.append(name) }
        return names
    }
}

extension Summary.Migrations {
    init(_ counted: WorkerStatistics) {
        count = counted.migrations
        aborted = counted.abortedMigrations
        bytes = counted.migratedBytes
        copiedBytes = counted.copiedBytes
        downtime = counted.downtimes.summary()?.scaled(by: 1e-9)
    }
}

extension Summary.Experts {
    init(_ counted: BarrierStatistics) {
        // Counted in millionths.
        imbalance = counted.imbalance.summary()?.scaled(by: 1e-6)
        routedTokens = counted.routedTokens
        droppedTokens = counted.droppedTokens
        replans = counted.replans
        fetchedBytes = counted.fetchedBytes
    }
}

extension ServiceObjective {
    /// The bounds in words, such as `ttft<=1s tbt<=50ms`.
    var description: String {
        [("ttft", ttft), ("tbt", tbt), ("e2e", e2e)]
            .compactMap { name, bound in bound.map { "\(name)<=\(UnitScale.duration.format($0))" } }
            .joined(separator: " ")
    }
}
