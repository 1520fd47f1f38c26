import CSystem
import Cluster
import Glibc
import Policies
import Quantities
import Records
import TraceFiles
import Transport
import Workload

/// A run that stays up: takes commands, and carries each of them out when its time has come.
extension ProcessRun {
    /// Whether the run ends when its workload does.
    var endsByItself: Bool { cluster == nil }

    /// The earliest emulated time at which something new can happen.
    private var present: Instant { plan.clock == .virtual ? keeper.reached : wallTime(monotonicNow()) }

    /// Milliseconds to wait for events at the most.
    var clusterPatience: Int32 {
        guard let cluster, plan.clock == .wall, isUp, cluster.nextDue < .never else { return 200 }
        let machine = Double(cluster.nextDue - wallTime(monotonicNow())) * plan.dilation / 1e6
        return Int32(max(0, min(200, machine.rounded(.up))))
    }

    /// Does what is due. Under the virtual clock that is when everything before it has happened and nothing after.
    func conductCluster() throws {
        guard let cluster, isUp, !isStopping else { return }
        if plan.clock == .virtual {
            keeper.stop = cluster.isHeld ? keeper.reached : cluster.nextDue
            guard !cluster.isHeld else { return }
            while cluster.nextDue < .never, keeper.isAtStop {
                keeper.reached = max(keeper.reached, cluster.nextDue)
                guard try carryOutNext(of: cluster) else { break }
                keeper.stop = cluster.nextDue
            }
        } else {
            while cluster.nextDue <= wallTime(monotonicNow()), try carryOutNext(of: cluster) {}
        }
        if cluster.isDraining, cluster.nextDue == .never, isIdle(cluster) { stop(.ended) }
    }

    private func isIdle(_ cluster: ClusterControl) -> Bool {
        if plan.clock == .virtual { return keeper.isQuiescent }
        return progress.isFinished && progress.offered >= cluster.fed
    }

    /// Answers `false` for what must be tried again.
    private func carryOutNext(of cluster: ClusterControl) throws -> Bool {
        guard let (time, item) = cluster.takeNext() else { return false }
        switch item {
        case .command(let command):
            // Everybody has come up to here, and nobody further.
            carryOut(command.action, at: plan.clock == .virtual ? keeper.earliestChange(from: time) : max(time, followedTo + 1))
            return true
        case .feed(let feed):
            let isThrough = try self.feed(feed, cluster)
            guard isThrough else {
                cluster.schedule(item, at: time)
                return false
            }
            if let last = feed.batch.last {
                feed.advance()
                // A piece is there when the one before it has been sent; under the wall clock a second of the host's before.
                let lead = plan.clock == .virtual ? 0 : Nanoseconds(1e9 / plan.dilation)
                if !feed.batch.isEmpty { cluster.schedule(item, at: max(time, last.arrival - lead)) }
            }
            return true
        }
    }

    /// Gives the client the next piece of a submission; `false` when it has too much to read.
    private func feed(_ feed: RequestFeed, _ cluster: ClusterControl) throws -> Bool {
        guard let first = feed.batch.first else { return true }
        let requests = numbered(feed.batch, cluster)
        let offer = ControlMessage.offer(requests)
        guard let isThere = try children[ClusterLayout.client].control.offer(offer) else { return false }
        guard isThere else { return true }
        cluster.fed += Int64(feed.batch.count)
        added += requests
        if plan.clock == .virtual { keeper.note(arrivalAt: first.arrival) } else { progress.isFinished = false }
        return true
    }

    /// Requests with numbers that no other has: counted on from 0 where the workload offers none, else far beyond its own.
    private func numbered(_ requests: [RequestSpec], _ cluster: ClusterControl) -> [RequestSpec] {
        let first = cluster.fed + (plan.workload.arrivals == .nothing ? 0 : 1_000_000_000_000)
        return requests.enumerated().map { place, request in
            var request = request
            request.id = first + Int64(place)
            return request
        }
    }

    // MARK: - Commands

    /// Deals with what has come over the cluster's socket.
    func serveCluster() throws {
        try cluster?.serve { command in perform(command) }
    }

    private func perform(_ command: ClusterCommand) -> ClusterAnswer {
        guard let cluster else { return .refused("the run cannot be told anything", code: 1) }
        if case .status = command.action { return .done(status(of: cluster)) }
        if case .down(let drains, let format) = command.action {
            cluster.note("\(secondsText(present)) \(command.text)")
            cluster.isHeld = false
            if !drains { stop(.ended) }
            return .atEnd(drains: drains, format: format)
        }
        guard isUp, !isStopping else { return .refused("the cluster is about to end", code: 1) }
        if let reason = unknownName(in: command.action) { return .refused(reason, code: 2) }
        if command.holds, plan.clock == .wall { return .refused("found --hold under the wall clock, expected the virtual one", code: 2) }
        let present = present
        let time = command.at ?? present
        if time < present {
            let passed = "found \(secondsText(time)), which has passed, expected \(secondsText(present)) or later"
            return .refused("--at: " + passed, code: 2)
        }
        if command.at == nil, let reason = idle(command.action) { return .refused(reason, code: 1) }
        do {
            try accept(command, at: time, cluster)
            cluster.isHeld = command.holds
        } catch {
            return .refused("\(error)", code: 2)
        }
        return .done(["ok": .bool(true), "at": .integer(time)])
    }

    private func accept(_ command: ClusterCommand, at time: Instant, _ cluster: ClusterControl) throws {
        cluster.note("\(secondsText(time)) \(command.text)")
        if case .submit(let submission) = command.action {
            cluster.schedule(.feed(RequestFeed(try source(of: submission, cluster), base: time)), at: time)
        } else if command.at == nil {
            // What is to happen now happens where nobody has come yet.
            carryOut(command.action, at: plan.clock == .virtual ? max(time, keeper.horizon) : max(time, followedTo + 1))
            if plan.clock == .wall { try followTable(monotonicNow()) }
        } else {
            cluster.schedule(.command(command), at: time)
        }
    }

    private func source(of submission: ClusterCommand.Submission, _ cluster: ClusterControl) throws -> any RequestSource {
        cluster.submissions += 1
        switch submission {
        case .generated(let rate, let requests, let promptTokens, let outputTokens, let seed):
            let workload = WorkloadPlan(
                arrivals: .poisson(rate: rate), promptTokens: promptTokens, outputTokens: outputTokens, requestLimit: requests)
            return try requestSource(for: workload, seed: seed ?? plan.seed &+ cluster.submissions)
        case .trace(let trace, let requests):
            return try requestSource(for: WorkloadPlan(arrivals: .trace(trace), requestLimit: requests), seed: plan.seed)
        }
    }

    /// Carries a command out, now.
    private func carryOut(_ action: ClusterCommand.Action, at time: Instant) {
        func later(_ span: Nanoseconds?) -> Instant { span.map { time + min($0, .never - time) } ?? .never }
        switch action {
        case .kill(let names): end(indices(names), at: time)
        case .restart(let names, let delay): end(indices(names), at: time, until: later(delay))
        case .pause(let names, let span):
            for node in numbers(names) { announce(UnplannedFault(kind: .hang, node: node, at: time, until: later(span))) }
        case .unpause(let names): for node in indices(names) where faults.isUp(node, at: time) { resume(node, at: time) }
        case .slow(let names, let factor, let span):
            let thousandths = max(1000, Int64((factor * 1000).rounded()))
            announce(UnplannedFault(kind: .slow, nodes: numbers(names), at: time, until: later(span), factor: thousandths))
        case .partition(let left, let right, let span):
            announce(UnplannedFault(kind: .partition, nodes: numbers(left), peers: numbers(right), at: time, until: later(span)))
        case .heal: announce(UnplannedFault(kind: .heal, nodes: [], at: time, until: time))
        case .scale(let name, let count): scale(name, to: count, at: time)
        case .status, .submit, .down: break
        }
    }

    /// Has the first workers of a pool be up and serve, and ends the others. One that has rested from the start begins anew, cold, and serves; one that
    /// still rests is left to.
    private func scale(_ pool: String, to count: Int, at time: Instant) {
        for worker in layout.nodes where worker.pool.map({ plan.pools[$0].name }) == pool {
            let isUp = faults.isUp(worker.index, at: time)
            let rests = plan.isSpare(worker) && !faults.outages[worker.index].contains { $0.from <= time }
            if worker.ordinal < count {
                if !isUp { resume(worker.index, at: time) } else if rests { end([worker.index], at: time, until: time + 1) }
            } else if isUp, !rests {
                end([worker.index], at: time)
            }
        }
    }

    private func numbers(_ names: [String]) -> [Int32] { indices(names).map { Int32($0) } }

    /// Ends processes at a time that nobody has come to.
    private func end(_ nodes: [Int], at time: Instant, until back: Instant = .never) {
        for node in nodes {
            var until = back
            if node == ClusterLayout.controller, plan.recovery.hasStandby { until = min(until, time + plan.recovery.timeout) }
            announce(UnplannedFault(kind: .end, node: Int32(node), at: time, until: until))
        }
    }

    /// Has a process that is stopped go on, or one that is gone begin anew.
    private func resume(_ node: Int, at time: Instant) {
        guard let span = (faults.outages[node] + faults.freezes[node]).first(where: { $0.until > time && $0.from <= time }) else { return }
        let end = max(time, span.from + 1)
        announce(UnplannedFault(kind: .resume, node: Int32(node), at: end, until: end))
    }

    // MARK: - Names

    /// Nodes by their names, or by those of their pools; each once, in order.
    private func indices(_ names: [String]) -> [Int] {
        layout.nodes.filter { node in names.contains(node.name) || node.pool.map { names.contains(plan.pools[$0].name) } == true }.map(\.index)
    }

    /// What is wrong with the names in a command; `nil` for nothing.
    private func unknownName(in action: ClusterCommand.Action) -> String? {
        let nodes = layout.nodes.map(\.name)
        let pools = plan.pools.map(\.name)
        switch action {
        case .kill(let names), .pause(let names, _), .unpause(let names), .restart(let names, _), .slow(let names, _, _):
            return unknown(names, "node", among: nodes)
        case .partition(let left, let right, _):
            if let problem = unknown(left + right, "node or pool", among: nodes + pools) { return problem }
            let both = Set(indices(left)).intersection(indices(right)).min()
            return both.map { "found \(layout.nodes[$0].name) on both sides, expected it on one" }
        case .scale(let name, let count):
            if let problem = unknown([name], "pool", among: pools) { return problem }
            guard let pool = plan.pools.first(where: { $0.name == name }), count > pool.count else { return nil }
            let policy = plan.controller.scaling.name
            if pool.size > pool.count, !NoScaling.description.answers(to: policy) {
                return "found \(count) workers for '\(name)', expected 0 to \(pool.count): the scaling policy '\(policy)' says when the others serve"
            }
            guard count > pool.size else { return nil }
            return "found \(count) workers for '\(name)', expected 0 to \(pool.size): the key 'max' of the pool says how many there may be"
        case .status, .heal, .submit, .down: return nil
        }
    }

    private func unknown(_ names: [String], _ what: String, among known: [String]) -> String? {
        guard let name = names.first(where: { !known.contains($0) }) else { return nil }
        return "unknown \(what) '\(name)'" + (nearest(name, among: known).map { ", did you mean '\($0)'?" } ?? "")
    }

    /// Why a command would do nothing now; `nil` when it would do something.
    private func idle(_ action: ClusterCommand.Action) -> String? {
        switch action {
        case .kill(let names), .pause(let names, _), .restart(let names, _):
            return indices(names).first { children[$0].ending != nil }.map { "\(layout.nodes[$0].name) is down" }
        case .unpause(let names):
            return indices(names).first { ProcessFigures(children[$0])?.isStopped != true }.map { "\(layout.nodes[$0].name) is not stopped" }
        default: return nil
        }
    }
}

// MARK: - How the cluster is

extension ProcessRun {
    private func status(of cluster: ClusterControl) -> JSONValue {
        let isVirtual = plan.clock == .virtual
        let now = isVirtual ? min(keeper.now, keeper.reached) : present
        let progress = isVirtual ? keeper.progress : self.progress
        return [
            "name": .string(cluster.name), "clock": .string(plan.clock.rawValue), "now_s": .number(seconds(now)),
            "launcher": .integer(Int64(getpid())), "folder": .string(cluster.folder),
            "requests": [
                "offered": .integer(progress.offered), "ended": .integer(progress.ended), "open": .integer(progress.offered - progress.ended),
            ],
            "scheduled": .integer(Int64(cluster.pendingCount)), "held": .bool(cluster.isHeld), "ending": .bool(isStopping || cluster.isDraining),
            "nodes": .array(children.map { self.status(of: $0, at: now) }),
        ]
    }

    private func status(of child: Child, at now: Instant) -> JSONValue {
        let figures = ProcessFigures(child)
        let incarnation = Int64(faults.outages[child.node.index].count { $0.until <= now })
        let state = child.ending != nil ? "down" : figures?.isStopped == true ? "stopped" : "up"
        return [
            "name": .string(child.node.name), "role": .string(child.node.role.rawValue),
            "pid": child.ending == nil ? .integer(Int64(child.pid)) : .null, "state": .string(state),
            "why": child.ending.map { .string($0.description) } ?? .null, "incarnation": .integer(incarnation),
            "age_s": .number(seconds(monotonicNow() - child.started)), "cpu_s": .number(orNull: figures?.processorTime),
            "memory_bytes": figures.map { .integer($0.memory) } ?? .null,
        ]
    }
}

/// What the system says of a process.
private struct ProcessFigures {
    var isStopped: Bool
    /// Seconds of a processor.
    var processorTime: Double
    /// Bytes in memory.
    var memory: Int64

    /// `nil` for a process that has ended.
    init?(_ child: Child) {
        guard child.ending == nil, child.pid > 0, let bytes = (try? Files.read("/proc/\(child.pid)/stat", limit: 4096)) ?? nil else { return nil }
        // The program's name stands in parentheses and may hold anything.
        guard let name = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = bytes[(name + 1)...].split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
        guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]), let pages = Int64(fields[21]) else { return nil }
        isStopped = fields[0] == "T" || fields[0] == "t"
        processorTime = (user + system) / Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
        memory = pages * Int64(getpagesize())
    }
}
