import CSystem
import Cluster
import Glibc
import Nodes
import Quantities
import Time

/// Takes what a node has recorded; called between the node's turns.
public protocol RecordSink: AnyObject {
    /// Writes out what is due of the rows held, and of what the node has counted so far.
    func drain(_ host: NodeHost) throws
    /// Writes out the last rows and what the node counted: its process ends.
    func close(_ host: NodeHost) throws
}

/// The shell of a node in a process of its own: sockets on one side, the launcher on the other, the node in between.
public final class NodeShell {
    let host: NodeHost
    let sockets: DataSockets
    let control: ControlChannel
    private let sink: any RecordSink
    let encoder = FrameEncoder()
    private let decoder: FrameDecoder
    var out: [Outgoing] = []
    private var departures: Departures
    /// For each node, its place among the batches being formed, or -1.
    private var batchOf: [Int32]
    private var batches: [(target: Int32, envelopes: [Envelope])] = []
    private var arrivals: Arrivals
    var relay: GangRelay?
    /// Whether messages of the gang go through its first rank, as it passes them on or is who they are for: not where any of the gang may die.
    var passesHub: Bool
    /// How messages of the gang travel between processes of one host, as long as none of them may die.
    let line: GangLine?
    private let isWall: Bool
    private var unreadable: Int64 = 0
    /// When the process is to be killed, as it has been told.
    private var leave: Instant?
    /// For frames within frames.
    let innerDecoder: FrameDecoder
    var bundle: [UInt8] = []
    /// By node, since when its process must have been born: what earlier ones sent, which died unplanned, is not counted on.
    private var believedFrom: [Instant]
    /// Envelopes in a frame at the most, so that a long window does not become one huge message.
    private static let frameLimit = 512

    /// - Parameters:
    ///   - plan: of the run; it says whether messages of a gang are passed on.
    ///   - line: for messages of the gang; `nil` where all go through `sockets`.
    public init(
        host: NodeHost, plan: ClusterPlan, layout: ClusterLayout, sockets: DataSockets, line: GangLine? = nil, control: ControlChannel,
        sink: any RecordSink
    ) {
        let nodes = layout.nodes.count
        departures = Departures(plan)
        relay = sockets.tellsSenders ? nil : GangRelay(host.plan, of: plan, layout)
        passesHub = (relay != nil || line?.isEnd == false) && host.faults.isEmpty
        isWall = plan.clock == .wall
        innerDecoder = FrameDecoder(nodes: nodes)
        self.host = host
        self.sockets = sockets
        self.line = line
        self.control = control
        self.sink = sink
        decoder = FrameDecoder(nodes: nodes)
        batchOf = Array(repeating: -1, count: nodes)
        arrivals = Arrivals(nodes: nodes)
        believedFrom = Array(repeating: 0, count: nodes)
    }

    /// Says that it is bound, and waits for the start. Answers the epoch, or `nil` when there will be none.
    public func waitForStart() throws -> Int64? {
        guard try control.send(.ready) else { return nil }
        while true {
            switch try control.receive(waits: true) {
            case .message(.start(let epoch)):
                try line?.connect()
                return epoch
            case .message(.stop), .closed: return nil
            case .message(.failure(let fault)): learn(fault)
            case .message, .nothing: continue
            }
        }
    }

    /// Runs the node under the virtual clock until it is told to stop.
    public func runVirtual() throws {
        var notes = SentNotes()
        guard try control.send(.report(WindowReport(of: host, sent: []))) else { return }
        while true {
            if let line, line.isEnd { try line.wait(for: control.descriptor, consume) }
            switch try control.receive(waits: true) {
            case .message(.grant(let until, let ahead, let awaited)):
                arrivals.announce(awaited)
                guard try waitForMessages() else { return }
                guard try advance(until: until) else { return }
                if ahead > 0 { host.sendArrivals(before: ahead, into: &out) }
                departures.sort(&out, next: host.next, faults: host.faults, flushes: ahead == Grant.flush)
                notes.removeAll()
                for outgoing in out { notes.add(outgoing) }
                try sendAll()
                try sink.drain(host)
                guard try control.send(.report(WindowReport(of: host, sent: notes.notes, heldFrom: departures.heldFrom))) else { return }
            case .message(.offer(let requests)): host.offer(requests)
            case .message(.stop), .closed: return
            case .message(.failure(let fault)):
                learn(fault)
                // What was sent before it must not be held back past it.
                departures.sort(&out, next: .never, faults: host.faults)
                notes.removeAll()
                for outgoing in out { notes.add(outgoing) }
                try sendAll()
                guard try control.send(.report(WindowReport(of: host, sent: notes.notes, heldFrom: departures.heldFrom))) else { return }
            case .message(.farewell(let time)): return try takeLeave(at: time)
            case .message, .nothing: continue
            }
        }
    }

    /// Takes note of a process that has failed.
    private func learn(_ fault: UnplannedFault) {
        guard Int(fault.node) < believedFrom.count else { return }
        fault.apply(to: host.faults)
        if fault.kind == .kill {
            believedFrom[Int(fault.node)] = fault.at
            arrivals.forgive(fault.node)
        }
        passesHub = false
        // One that ends by command is there until its time; under the wall clock that is now.
        let isGone = fault.kind == .kill || fault.kind == .end && isWall
        host.faultsChanged(lost: isGone ? (Int(fault.node), fault.at) : nil)
    }

    /// The process is about to be killed: what it has recorded is written, and what it has sent leaves.
    private func takeLeave(at time: Instant) throws {
        host.die(at: time)
        try sink.close(host)
        sockets.flush()
        _ = try control.send(.finished)
        // SIGKILL ends the wait.
        while case .message = try control.receive(waits: true) {}
    }

    /// Runs a node whose doings depend on the messages of its gang alone: it needs no clock.
    public func runFree() throws {
        guard try control.send(.report(WindowReport(of: host, sent: []))) else { return }
        while try waitForFrame() {
            if let leave { return try takeLeave(at: leave) }
            while try receiveFrame() {}
            host.advance(until: .never, into: &out)
            try sendAll()
            try sink.drain(host)
        }
    }

    /// Waits for a frame. Answers `false` when the node is told to stop instead.
    private func waitForFrame() throws -> Bool {
        while true {
            if try receiveFrame() { return true }
            try sockets.wait(or: [control.descriptor])
            guard try listen() else { return false }
            if leave != nil { return true }
        }
    }

    /// Looks whether the launcher has a word. Answers `false` when the node is to stop.
    func listen() throws -> Bool {
        while true {
            switch try control.receive(waits: false) {
            case .message(.stop), .closed: return false
            case .message(.failure(let fault)): learn(fault)
            case .message(.farewell(let time)): leave = time
            case .message(.offer(let requests)): host.offer(requests)
            case .message: break
            case .nothing: return true
            }
        }
    }

    /// Waits until the node holds every message announced. Answers `false` when it is told to stop instead.
    private func waitForMessages() throws -> Bool {
        var deadline = monotonicNow() + Self.messagePatience
        while arrivals.missing > 0 {
            if try receiveFrame() {
                deadline = monotonicNow() + Self.messagePatience
                continue
            }
            try sockets.wait(or: otherWays, milliseconds: mayLose ? 1000 : -1)
            guard try listen() else { return false }
            if mayLose, arrivals.missing > 0, monotonicNow() > deadline { try giveUp() }
        }
        return true
    }

    /// What tells of the launcher's word, and of messages that do not come through `sockets`.
    private var otherWays: [Int32] {
        guard let line, line.isEnd, let descriptor = line.descriptor else { return [control.descriptor] }
        return [control.descriptor, descriptor]
    }

    /// Whether a message that was sent may never come.
    private var mayLose: Bool { sockets.tellsSenders || unreadable > 0 }
    /// Messages that were sent do not come: the connection to their sender was lost, and nobody can be asked for them again. So this process ends as one
    /// that somebody has killed, which is a fault like any other.
    private func giveUp() throws {
        logLine("messages that were sent to \(host.plan.name) have not come in \(Self.messagePatience / 1_000_000_000) s: it ends itself")
        kill(getpid(), SIGKILL)
    }

    /// How long messages that were sent are waited for without any coming, in nanoseconds.
    private static let messagePatience: Int64 = 30_000_000_000

    func receiveFrame() throws -> Bool {
        if try sockets.receive(consume) { return true }
        return try line?.receiveWaiting(consume) ?? false
    }

    func consume(_ bytes: UnsafeRawBufferPointer) throws {
        do {
            if let sender = sockets.sender { decoder.expectedSource = Int32(sender) }
            try decoder.decode(bytes, parcels: relay == nil ? nil : { try self.consume($2, for: $1, from: $0) }) { envelope in
                if envelope.message.channel != .layer {
                    // Of a process that has died, or to the one that was here before.
                    guard envelope.born >= believedFrom[Int(envelope.source)], envelope.sent >= host.started else { return }
                    arrivals.count(from: envelope.source)
                }
                host.receive(envelope)
            }
        } catch let error as FrameError {
            try refuse(error)
        }
    }

    /// A frame cannot be read, or says that it is of somebody else than its sender: that ends the conversation with its sender and nothing else.
    /// Where connections do not tell who sent it, what the frame says of that is not believed either.
    private func refuse(_ error: FrameError) throws {
        unreadable += 1
        guard let sender = sockets.sender else {
            if unreadable & (unreadable - 1) == 0 { logLine("dropped \(unreadable) frames that cannot be read, the last one: \(error)") }
            return
        }
        guard sockets.castOut(sender) else { return }
        logLine("a frame of node \(sender) that cannot be read: \(error); nothing more of it is taken")
        _ = try control.send(.accused(Int32(sender)))
    }

    /// Sends what the node has to say: one frame for each target, cut where it grows too long.
    private func sendAll() throws {
        for outgoing in out {
            let target = Int(outgoing.target)
            if batchOf[target] < 0 {
                batchOf[target] = Int32(batches.count)
                batches.append((outgoing.target, []))
            }
            let place = Int(batchOf[target])
            batches[place].envelopes.append(outgoing.envelope)
            if batches[place].envelopes.count == Self.frameLimit {
                try send(batches[place].envelopes, to: target)
                batches[place].envelopes.removeAll(keepingCapacity: true)
            }
        }
        out.removeAll(keepingCapacity: true)
        for batch in batches {
            batchOf[Int(batch.target)] = -1
            if !batch.envelopes.isEmpty { try send(batch.envelopes, to: Int(batch.target)) }
        }
        batches.removeAll(keepingCapacity: true)
    }

    private func send(_ envelopes: [Envelope], to target: Int) throws {
        let sent: Void? = try encoder.encode(source: Int32(host.plan.index), envelopes) { frame in
            // By one way or the other for good: what comes by the faster one would be taken for what is still on the other.
            if let line, line.leadsToEnd(target), try line.send(frame, to: target) { return }
            try sockets.send(frame, to: target)
        }
        guard sent != nil else { throw SystemError("a frame of \(envelopes.count) messages does not fit in memory") }
    }
}

// MARK: - The wall clock

extension NodeShell {
    /// Runs the node on the machine's clock until it is told to stop.
    ///
    /// - Parameters:
    ///   - epoch: when emulated time starts, on the monotonic clock in nanoseconds.
    ///   - dilation: real time for a unit of emulated time.
    public func runWall(epoch: Int64, dilation: Double) throws {
        let timer = timerfd_create(CLOCK_MONOTONIC, Int32(TFD_CLOEXEC) | Int32(TFD_NONBLOCK))
        guard timer >= 0 else { throw SystemError("timerfd_create", code: errno) }
        defer { close(timer) }
        var lastProgress = Progress(ended: -1, offered: -1, isFinished: false)
        var nextProgress: Int64 = 0
        while true {
            while try receiveFrame() {}
            let machine = monotonicNow()
            let now = Instant(Double(max(machine - epoch, 0)) / dilation)
            if host.doom <= now { host.giveUpIteration() }
            host.advance(until: now + 1, clock: now, into: &out)
            try sendAll()
            try sink.drain(host)
            if host.plan.role == .client, host.progress != lastProgress, machine >= nextProgress || host.progress.isFinished {
                lastProgress = host.progress
                nextProgress = machine + 100_000_000
                guard try control.send(.progress(lastProgress)) else { return }
            }
            try arm(timer, at: min(host.next, host.doom), epoch: epoch, dilation: dilation)
            try sockets.wait(or: [control.descriptor, timer])
            guard try listen() else { return }
            if let leave { return try takeLeave(at: leave) }
        }
    }

    /// Has the timer fire when the node can act next; never, when it has nothing to do.
    private func arm(_ timer: Int32, at next: Instant, epoch: Int64, dilation: Double) throws {
        var setting = itimerspec()
        let due = Double(next) * dilation
        if next < .never, due < 9e18 {
            let machine = max(epoch + Int64(due.rounded(.up)), 1)
            setting.it_value = timespec(tv_sec: Int(machine / 1_000_000_000), tv_nsec: Int(machine % 1_000_000_000))
        }
        guard timerfd_settime(timer, Int32(TFD_TIMER_ABSTIME), &setting, nil) == 0 else { throw SystemError("timerfd_settime", code: errno) }
    }
}
