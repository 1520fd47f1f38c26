import Cluster
import Nodes
import Quantities

/// When processes begin, end, are stopped and go on: between windows, when everybody has done everything before.
extension Timekeeper {
    /// What is to be done now, in order: processes that end come first. Call it when no window is out; what comes back must be done before the next
    /// one is granted. Answers nothing while somebody has something to do before.
    public mutating func takeChanges() -> (time: Instant, changes: [FaultTable.Change]) {
        let time = nextChange
        guard !isOver, runningCount == 0, time < .never, pending.first >= time else { return (0, []) }
        guard staysUp || !isClientDone(at: time) else {
            isOver = true
            return (0, [])
        }
        changedTo = time
        reached = max(reached, time)
        nextChange = faults.nextTransition(after: time)
        let changes = faults.changes(at: time).filter { change in
            switch change {
            case .end(let node):
                guard !nodes[node].isDead else { return false }
                remove(node)
            case .begin(let node, let born):
                guard nodes[node].isDead else { return false }
                insert(node, at: born)
            case .stop(let node), .goOn(let node): return !nodes[node].isDead
            }
            return true
        }
        return (time, changes)
    }

    /// Whether the client has what it came for, or is gone for good.
    private func isClientDone(at time: Instant) -> Bool {
        guard nodes[ClusterLayout.client].isDead else { return progress.isFinished }
        return !faults.returns(ClusterLayout.client, at: time)
    }

    /// A time that no node has gone past, and where the clock is not yet: when something happens that nobody had planned, it happens then.
    public var horizon: Instant {
        nodes.reduce(changedTo) { max($0, $1.grantedTo) } + 1
    }

    /// The earliest time from `time` on at which a process may change, when nobody has come to `time`.
    public func earliestChange(from time: Instant) -> Instant { max(time, changedTo + 1) }

    /// A process has ended that was not to. Nobody is granted a window before every node knows.
    public mutating func lose(_ node: Int) {
        remove(node)
        // Nobody waits any more for what it had sent: some of it may have died with it.
        for place in nodes.indices {
            nodes[place].awaited.removeAll { $0.source == Int32(node) }
            nodes[place].awaitedCount = nodes[place].awaited.reduce(0) { $0 + Int($1.count) }
        }
        faultsChanged()
    }

    /// The table has changed.
    public mutating func faultsChanged() {
        isSettling = true
        nextChange = faults.nextTransition(after: changedTo)
    }

    /// Whether all nodes have reported since they know of the latest fault.
    public mutating func isSettled(version: Int64, except gone: Set<Int>) -> Bool {
        guard isSettling else { return true }
        guard runningCount == 0, nodes.indices.allSatisfy({ nodes[$0].isDead || nodes[$0].version == version || nodes[$0].role == .expert }) else {
            return false
        }
        isSettling = false
        return true
    }

    /// A process has ended: nothing comes from it any more, and nothing gets to it.
    mutating func remove(_ node: Int) {
        if nodes[node].isRunning { runningCount -= 1 }
        nodes[node] = Node(role: nodes[node].role)
        nodes[node].isRunning = false
        nodes[node].isDead = true
        nodes[node].next = .never
        nodes[node].arrival = .never
        nodes[node].earliest = ChannelTimes()
        update(node)
    }

    /// A new process owes its first report.
    private mutating func insert(_ node: Int, at time: Instant) {
        if node == ClusterLayout.client { sentAhead = 0 }
        nodes[node] = Node(role: nodes[node].role)
        nodes[node].next = time
        nodes[node].arrival = time
        nodes[node].version = Int64(faults.version)
        nodes[node].earliest = ChannelTimes(repeating: time)
        runningCount += 1
        update(node)
    }
}
