import Cluster
import Glibc
import Nodes
import Quantities
import Time
import Transport

/// Faults are done to real processes: planned ones when the clock stands at their time, and what happens unplanned is taken as one.
extension ProcessRun {
    /// Does to a process what the table of faults says.
    func carryOut(_ change: FaultTable.Change, at time: Instant) throws {
        switch change {
        case .end(let node): try end(node, at: time)
        case .begin(let node, let born): try begin(node, born: born)
        case .stop(let node):
            planned.insert(node)
            children[node].kill(SIGSTOP)
        case .goOn(let node):
            planned.remove(node)
            children[node].kill(SIGCONT)
        }
    }

    /// Lets a process write what it has recorded and see off what it has sent, and kills it.
    private func end(_ node: Int, at time: Instant) throws {
        let child = children[node]
        gone.insert(node)
        planned.remove(node)
        // Those that stand still could not take what it has sent them.
        for node in planned { children[node].kill(SIGCONT) }
        defer { for node in planned { children[node].kill(SIGSTOP) } }
        child.kill(SIGCONT)
        _ = try child.control.send(.farewell(at: time))
        let deadline = monotonicNow() + 10_000_000_000
        waiting: while monotonicNow() < deadline {
            switch hear(node, waits: true) {
            case .message(.finished), .closed: break waiting
            case .message(.failed(let reason)):
                stop(.failed("node \(child.node.name): \(reason)"))
                break waiting
            case .message, .nothing: continue
            }
        }
        child.kill(SIGKILL)
        _ = child.reap(waits: true)
        events.remove(child.control.descriptor)
        events.remove(child.pidDescriptor)
    }

    /// A process that stands still may not have got rid of what it had sent, if the receiver stood still at the time and the two had not spoken before. When
    /// a report does not come, whoever stands still goes on for that, without a window: nothing in the model comes of it.
    func relieve(_ machine: Int64, isWaiting: Bool) {
        guard isWaiting, !planned.isEmpty else {
            silentSince = nil
            return hold()
        }
        guard let since = silentSince else { return silentSince = machine }
        guard !isRelieved, machine - since > 200_000_000 else { return }
        isRelieved = true
        for node in planned { children[node].kill(SIGCONT) }
    }

    /// What was to come has come: processes stand still again.
    func hold() {
        guard isRelieved else { return }
        isRelieved = false
        for node in planned { children[node].kill(SIGSTOP) }
    }

    private func begin(_ node: Int, born: Instant) throws {
        gone.remove(node)
        finished.remove(node)
        children[node] = try launch(layout.nodes[node], born: born)
        for fault in unplanned { _ = try children[node].control.send(.failure(fault)) }
    }

    /// Under `wall`, does what is due.
    func followTable(_ machine: Int64) throws {
        guard !faults.isEmpty, epoch != 0 else { return }
        let now = wallTime(machine)
        while case let time = faults.nextTransition(after: followedTo), time <= now {
            followedTo = time
            for change in faults.changes(at: time) where isToBeDone(change) { try carryOut(change, at: time) }
        }
    }

    private func isToBeDone(_ change: FaultTable.Change) -> Bool {
        switch change {
        case .end(let node), .stop(let node): !gone.contains(node)
        case .begin(let node, _): gone.contains(node)
        case .goOn(let node): planned.contains(node)
        }
    }

    /// A process was killed, and nobody had planned it: it is a fault like any other, at a time that nobody has come to yet.
    func takeAsFault(_ node: Int) {
        let now = plan.clock == .wall ? wallTime(monotonicNow()) : keeper.horizon
        gone.insert(node)
        events.remove(children[node].control.descriptor)
        do {
            try LostAccount.trim(folder, layout.nodes[node])
            if node == ClusterLayout.client { try completeAccount(at: now) }
        } catch {
            return stop(.failed("\(error)"))
        }
        // What ends now is not missed any more.
        guard !isStopping else { return }
        var until = Instant.never
        if node == ClusterLayout.controller, plan.recovery.hasStandby, hosts?.isReachable(node) != false {
            until = now + plan.recovery.timeout
        }
        announce(UnplannedFault(kind: .kill, node: Int32(node), at: now, until: until))
        keeper.lose(node)
        onFault?(layout.nodes[node].name)
    }

    /// The client's process has not closed its account.
    private func completeAccount(at time: Instant) throws {
        try LostAccount(folder: folder, plan: plan, layout: layout, faults: faults, added: added).complete(at: time)
    }

    /// Under `wall`, a run whose client is gone for good is over; so is one without a controller in which nothing happens any more.
    func endWithoutHope(_ machine: Int64) {
        guard endsByItself, epoch != 0 else { return }
        if isGoneForGood(ClusterLayout.client) { return stop(.finished) }
        guard isGoneForGood(ClusterLayout.controller), progress == lastProgress else {
            lastProgress = progress
            progressed = machine
            return
        }
        if Double(machine - progressed) > Double(plan.recovery.patience) * plan.dilation { stop(.finished) }
    }

    private func isGoneForGood(_ node: Int) -> Bool {
        gone.contains(node) && !faults.outages[node].contains { $0.until > followedTo && $0.until < .never }
    }

    func announce(_ fault: UnplannedFault) {
        unplanned.append(fault)
        fault.apply(to: faults)
        keeper.faultsChanged()
        for node in layout.nodes.indices where !gone.contains(node) { _ = try? children[node].control.send(.failure(fault)) }
        // Those that stand still are to take note too.
        if plan.clock == .virtual { for node in planned { children[node].kill(SIGCONT) } }
    }

    /// Whether some node has not taken note of a fault yet: nobody goes on before.
    func settle() -> Bool {
        let wasSettling = keeper.isSettling
        guard keeper.isSettled(version: Int64(faults.version), except: gone) else { return true }
        if wasSettling { for node in planned { children[node].kill(SIGSTOP) } }
        return false
    }

    /// Processes that somebody has stopped. Under `wall` they hang until they go on. A stopped process would stop the virtual clock, a rank its gang, and one
    /// that is not ready yet the start of all: after some time it is killed, which is a fault like any other, or the end of a run that has not begun.
    func lookForStopped(_ machine: Int64) throws {
        guard !isStopping, machine >= nextStopLook else { return }
        nextStopLook = machine + 100_000_000
        for (node, child) in children.enumerated() where child.ending == nil && !planned.contains(node) && !gone.contains(node) {
            let holdsOthers = epoch == 0 || plan.clock == .virtual || layout.gang(of: node) != nil
            if child.isStopped {
                guard let since = stopped[node] else {
                    stopped[node] = machine
                    if !holdsOthers { noteStopped(UnplannedFault(kind: .hang, node: Int32(node), at: wallTime(machine), until: .never)) }
                    continue
                }
                if holdsOthers, machine - since > stopLimit { child.kill(SIGKILL) }
            } else if let since = stopped.removeValue(forKey: node), plan.clock == .wall, epoch != 0 {
                let (from, now) = (wallTime(since), wallTime(machine))
                let kind: UnplannedFault.Kind = holdsOthers ? .held : .resume
                noteStopped(
                    UnplannedFault(kind: kind, node: Int32(node), at: holdsOthers ? from : faults.freezes[node].last?.from ?? from, until: now))
            }
        }
    }

    /// A process has been stopped, or goes on, by somebody else: it is not to be done once more.
    private func noteStopped(_ fault: UnplannedFault) {
        announce(fault)
        followedTo = max(followedTo, fault.kind == .hang ? fault.at : fault.until)
    }

    /// How long a stopped process may hold others up, on the machine's clock.
    private var stopLimit: Int64 {
        plan.clock == .virtual || epoch == 0 ? 2_000_000_000 : Int64(min(Double(plan.recovery.timeout) * plan.dilation, 60e9))
    }
}
