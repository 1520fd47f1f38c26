import CSystem
import Cluster
import Glibc
import Nodes
import Quantities
import Time
import Transport
import Workload

/// What a run tells while it goes on.
public struct RunStatus: Sendable, Equatable {
    /// How far the emulated clock has come.
    public var now: Instant
    public var progress: Progress
}

/// How a run came to its end.
enum RunOutcome: Equatable {
    case finished
    /// By a signal; the records end where the run was.
    case interrupted
    /// By `down`, or by a signal to the launcher of a detached cluster.
    case ended
    /// Why, with the node's name.
    case failed(String)
}

/// A run with one process for each node: starts them, keeps the clock, and sees every one of them to its end.
final class ProcessRun {
    let plan: ClusterPlan
    let layout: ClusterLayout
    let folder: RunFolder
    private let executable: String
    private let onStatus: (RunStatus) -> Void
    let events: Events
    var children: [Child] = []
    var keeper: Timekeeper
    let faults: FaultTable
    private var grants: [Grant] = []
    /// Nodes whose windows are out.
    private var granted: [Int] = []
    private var nextLook: Int64 = 0
    private var happened: [Events.Event] = []
    private var readyCount = 0
    /// Whether every node is bound and the clock runs.
    var isUp: Bool { epoch != 0 }
    var finished: Set<Int> = []
    /// Nodes without a process, by a fault.
    var gone: Set<Int> = []
    /// Nodes whose process stands still because a planned fault says so.
    var planned: Set<Int> = []
    /// Since when on the machine's clock a report is waited for while processes stand still, and whether they go on for that.
    var silentSince: Int64?
    var isRelieved = false
    /// Under `wall`, up to where the table has been followed.
    var followedTo: Instant = 0
    var nextStopLook: Int64 = 0
    /// Told of processes that fail unplanned.
    var onFault: ((String) -> Void)?
    /// What failed that nobody had planned, for processes that begin later.
    var unplanned: [UnplannedFault] = []
    /// Processes that somebody has stopped, and since when on the machine's clock.
    var stopped: [Int: Int64] = [:]
    var isStopping = false
    private var outcome: RunOutcome?
    var progress = Progress(ended: 0, offered: 0, isFinished: false)
    private var lastStatus: Int64 = 0
    /// Under `wall`, the client's last word that told of something new, and when it came on the machine's clock.
    var lastProgress = Progress(ended: -1, offered: -1, isFinished: false)
    var progressed: Int64 = 0
    var epoch: Int64 = 0
    private var stopDeadline: Int64 = .max
    let socketDirectory: String
    /// Requests that the cluster was given while the run went on.
    var added: [RequestSpec] = []
    /// The nodes' hosts, where those are not this one.
    let hosts: RemoteHosts?
    /// Told whom the run waits for.
    var onWait: ((String) -> Void)?
    /// What a detached cluster is told; `nil` for a run that ends by itself.
    let cluster: ClusterControl?

    /// Host time from the start of the first process until every node was ready.
    private(set) var startUp: Nanoseconds = 0
    private let made = monotonicNow()

    /// Windows granted, for benchmarks.
    var grantCount: Int64 { keeper.grants }

    init(
        plan: ClusterPlan, layout: ClusterLayout, folder: RunFolder, executable: String, events: Events, cluster: ClusterControl? = nil,
        hosts: RemoteHosts? = nil, onStatus: @escaping (RunStatus) -> Void
    ) throws(SystemError) {
        self.plan = plan
        self.layout = layout
        self.folder = folder
        self.executable = executable
        self.onStatus = onStatus
        faults = FaultTable(plan, layout)
        keeper = Timekeeper(layout, Lookahead(plan, layout), faults: faults)
        self.events = events
        self.cluster = cluster
        self.hosts = hosts
        keeper.staysUp = cluster != nil
        socketDirectory = try Files.makePrivateDirectory()
    }

    deinit { Files.remove(socketDirectory) }

    /// Runs to the end. Whatever happens, no process is left when it returns.
    func run() -> RunOutcome {
        defer { killAll() }
        do {
            try start()
            while outcome == nil || !isOver { try turn() }
        } catch {
            return .failed("\(error)")
        }
        return outcome ?? .finished
    }

    private var isOver: Bool { children.allSatisfy { $0.ending != nil } }

    private func start() throws {
        if let hosts, try !waitForHosts(hosts) { return }
        if let cluster { try events.add(cluster.listen(in: socketDirectory), number: ClusterControl.eventNumber) }
        for node in layout.nodes { children.append(try launch(node)) }
    }

    /// Starts a node's process.
    /// - Parameter born: when it begins, in emulated time.
    func launch(_ node: NodePlan, born: Instant = 0) throws -> Child {
        if let hosts { return try hosts.launch(node, born: born) }
        var arguments = ["node", folder.path, "--index", "\(node.index)", "--sockets", socketDirectory, "--parent", "\(getpid())"]
        if born > 0 { arguments += ["--born", "\(born)"] }
        let child = try Child(node: node, executable: executable, arguments: arguments, log: folder.log(of: node))
        try events.add(child.control.descriptor, number: 2 * node.index)
        try events.add(child.pidDescriptor, number: 2 * node.index + 1)
        return child
    }

    /// Deals with what has happened and lets the clock go on.
    private func turn() throws {
        var isBusy = false
        try conductCluster()
        if !isStopping, readyCount == children.count, plan.clock == .virtual {
            try keepTime()
            isBusy = !granted.isEmpty
            try takeReports()
            relieve(monotonicNow(), isWaiting: !granted.isEmpty)
        }
        let machine = monotonicNow()
        if plan.clock == .wall, readyCount == children.count, !isStopping {
            try followTable(machine)
            endWithoutHope(machine)
        }
        // While windows come and go their reports are waited for one by one, and all else is looked at now and then.
        if !isBusy || machine >= nextLook {
            nextLook = machine + 50_000_000
            try look(milliseconds: isBusy ? 0 : clusterPatience)
        }
        try lookForStopped(machine)
        if machine > stopDeadline { killAll() }
        showStatus(machine)
    }

    /// Waits for the report of each node that was granted a window, the last one first: by then the others are mostly done, and
    /// this process has slept once. A node that stays silent is left to `look`. The client is waited for when nobody else is.
    private func takeReports() throws {
        var isAlone = true
        for node in granted.reversed() where !isStopping && keeper.isRunning(node) {
            let waits = node != ClusterLayout.client || isAlone
            isAlone = false
            if case .message(let message) = hear(node, waits: waits) { try take(message, from: node) }
        }
        // A process that is gone says nothing more.
        granted.removeAll { !keeper.isRunning($0) || children[$0].ending != nil }
    }

    /// Takes note of what has happened to the processes, to this one, and of what nodes say unasked.
    func look(milliseconds: Int32) throws {
        happened.removeAll(keepingCapacity: true)
        try lookAtHosts()
        try events.wait(milliseconds: milliseconds, into: &happened)
        try lookAtHosts()
        for event in happened {
            switch event {
            case .interrupted: interrupt()
            case .readable(ClusterControl.eventNumber): try serveCluster()
            case .readable(RemoteHosts.eventNumber): break
            case .readable(let number) where number % 2 == 0: try readControl(of: number / 2)
            case .readable(let number): childEnded(number / 2)
            }
        }
    }

    private func showStatus(_ machine: Int64) {
        guard machine - lastStatus > 100_000_000 else { return }
        lastStatus = machine
        let now = plan.clock == .virtual ? keeper.now : wallTime(machine)
        onStatus(RunStatus(now: min(now, .never - 1), progress: plan.clock == .virtual ? keeper.progress : progress))
    }

    /// Emulated time under the wall clock.
    func wallTime(_ machine: Int64) -> Instant { epoch == 0 ? 0 : Instant(Double(max(machine - epoch, 0)) / plan.dilation) }

    private func keepTime() throws {
        grants.removeAll(keepingCapacity: true)
        keeper.grant(into: &grants)
        // The client is first in the list, and so the last to be waited for.
        for grant in grants {
            granted.insert(Int(grant.node), at: grant.node == ClusterLayout.client ? 0 : granted.count)
            _ = try children[Int(grant.node)].control.send(.grant(until: grant.until, ahead: grant.ahead, awaited: grant.awaited))
        }
        guard grants.isEmpty, !settle() else { return }
        let (time, changes) = keeper.takeChanges()
        for change in changes { try carryOut(change, at: time) }
        if changes.isEmpty, keeper.isQuiescent, endsByItself { stop(.finished) }
    }

    /// Takes everything that a node has to say.
    func readControl(of node: Int) throws {
        while true {
            switch hear(node, waits: false) {
            case .nothing: return
            case .closed:
                events.remove(children[node].control.descriptor)
                return
            case .message(let message): try take(message, from: node)
            }
        }
    }

    func take(_ message: ControlMessage, from node: Int) throws {
        switch message {
        case .ready:
            guard epoch == 0 else {
                // A new process, in the middle of the run.
                _ = try children[node].control.send(.start(epoch: epoch))
                return
            }
            readyCount += 1
            if readyCount == children.count { try startAll() }
        case .report(let report):
            guard isPlausible(report) else { return endImplausible(node) }
            keeper.take(report, from: node)
            silentSince = nil
            hold()
        case .progress(let report):
            progress = report
            if report.isFinished, endsByItself { stop(.finished) }
        case .finished: finished.insert(node)
        case .failed(let reason): stop(.failed("node \(layout.nodes[node].name): \(reason.printable)"))
        case .accused(let other): endAccused(Int(other), by: node)
        case .start, .grant, .offer, .stop, .farewell, .failure: break
        }
    }

    private func startAll() throws {
        startUp = monotonicNow() - made
        // A moment ahead, so that every process is waiting for it.
        epoch = monotonicNow() + (hosts == nil ? 50_000_000 : 500_000_000)
        for child in children { _ = try child.control.send(.start(epoch: epoch)) }
        // One that was ready, and is stopped, is seen anew: from now on that is a fault.
        stopped.removeAll()
        if let cluster, let refusal = cluster.announce() { stop(.failed(refusal)) }
    }

    func childEnded(_ node: Int) {
        let child = children[node]
        guard child.reap() else { return }
        events.remove(child.pidDescriptor)
        if gone.contains(node) { return }
        if child.ending == .exited(0), finished.contains(node) { return }
        // What it said last may still be unread, and may say why.
        if (try? readControl(of: node)) != nil, child.ending == .exited(0), finished.contains(node) { return }
        if case .signalled(SIGKILL) = child.ending, epoch != 0 { return takeAsFault(node) }
        stop(.failed("node \(child.node.name) \(child.ending?.description ?? "ended")"))
    }

    private func interrupt() {
        if isStopping { killAll() }
        stop(cluster == nil ? .interrupted : .ended)
    }

    /// Tells every node to write its records and end. The first reason counts.
    func stop(_ reason: RunOutcome) {
        guard !isStopping else { return }
        isStopping = true
        outcome = reason
        stopDeadline = monotonicNow() + 20_000_000_000
        for child in children where child.ending == nil {
            child.kill(SIGCONT)
            _ = try? child.control.send(.stop)
        }
    }

    /// Ends every process at once and waits until it is gone.
    private func killAll() {
        for child in children { child.kill(SIGKILL) }
        for child in children { _ = child.reap(waits: true) }
    }
}
