import Cluster
import Policies
import Quantities
import Records
import Workload

/// A message on its way out of a node.
public struct Outgoing: Sendable {
    public var target: Int32
    public var envelope: Envelope

    /// The message, held up by so much: whoever was to send it stood still.
    func later(by time: Nanoseconds) -> Outgoing {
        var later = self
        later.envelope.head += time
        later.envelope.tail += time
        return later
    }
}

/// A node with its queue of events: the same for every clock.
///
/// The clock's owner delivers messages with `receive`, lets the node act with `advance`, and carries what it sends. Events are
/// handled in the order (time, kind, source, sequence), which depends on nothing but the events.
public final class NodeHost {
    /// Boxed, so that a node changes in place: taking a payload out of an enum and putting it back would copy it at every event.
    enum State {
        case client(Box<Client>)
        case controller(Box<Controller>)
        case worker(Box<Worker>)
        case expert(Box<ExpertNode>)

        /// For a node that shares its layers with others.
        var gang: GangRank? {
            switch self {
            case .client, .controller: nil
            case .worker(let box): box.node.gang
            case .expert(let box): box.node.gang
            }
        }
    }

    final class Box<Node> {
        var node: Node

        init(_ node: Node) { self.node = node }
    }

    public let plan: NodePlan
    var state: State
    var network: NodeNetwork
    /// What goes wrong, and when; the node itself knows nothing of it.
    public let faults: FaultTable
    /// When the node's present process, or what took its place, began to be.
    public internal(set) var born: Instant
    /// When its process began to be.
    public let started: Instant
    /// Makes the node anew, as one that was born at a time.
    let remake: (Instant) -> State?
    /// Up to when notices of its end have been taken.
    var noticedTo: Instant = -1
    /// Whether the process has ended.
    public internal(set) var isDead = false
    /// What earlier incarnations in this process counted.
    var retired = NodeStatistics()
    var effects: Effects
    /// Messages whose head has not reached the node's port.
    private var inbox = EventHeap<Envelope>()
    /// Messages that the port has begun to take in, by the time that they are there as a whole.
    private var ready = EventHeap<Envelope>()
    /// What the node has decided to send, and is not done deciding.
    var outbox = Outbox()
    private let recordsMessages: Bool
    var counters = NodeStatistics()
    /// For a node that shares its layers with others.
    var gang: GangRank?
    /// Messages of a gang with other members than this node knows of yet.
    var laterLayers: [LayerMessage] = []
    private let probe: DecisionProbe?
    private let desk: ExternalDesk?

    init(
        plan: NodePlan, state: State, network: NodeNetwork, faults: FaultTable, born: Instant, recordsMessages: Bool, records: RecordBuffers,
        probe: DecisionProbe? = nil, desk: ExternalDesk? = nil, remake: @escaping (Instant) -> State?
    ) {
        self.probe = probe
        self.desk = desk
        effects = Effects(records: records)
        self.plan = plan
        self.state = state
        self.network = network
        self.faults = faults
        self.born = born
        started = born
        self.recordsMessages = recordsMessages
        self.remake = remake
        gang = state.gang
    }

    /// When the node can act next: its earliest timer or message. While it waits for messages of its gang: when these have come.
    public var next: Instant {
        if isDead { return .never }
        if let gang, let next = nextOfGang(gang) { return next }
        return faults.thaw(plan.index, min(min(outbox.firstTime, inbox.firstTime), min(ready.firstTime, effects.timers.first.time)))
    }

    /// Hands a message to the node.
    @inline(__always)
    public func receive(_ envelope: Envelope) {
        if case .layer(let message) = envelope.message {
            let isAsPlanned = faults.isEmpty && message.iteration >> GangCrew.epochBits == 0
            if isAsPlanned { gang?.receive(message) } else { receiveLayer(message) }
            return
        }
        inbox.push(envelope, at: EventKey(time: envelope.head, source: envelope.source, sequence: envelope.sequence))
    }

    /// Handles every event before `bound`; what the node sends is appended to `out`.
    ///
    /// - Parameter clock: what the node's owner says the time is, for a clock that runs by itself: an event is handled then, or
    ///   when it is due, whichever is later. `nil` for clocks that stand still until everything has happened.
    public func advance(until bound: Instant, clock: Instant? = nil, into out: inout [Outgoing]) {
        while true {
            if let gang, !goOnWithLayers(gang, into: &out) { return }
            let timer = effects.timers.first
            let heads = inbox.firstTime
            let readyTime = ready.firstTime
            let due = min(min(outbox.firstTime, heads), min(readyTime, timer.time))
            let thawed = faults.thaw(plan.index, due)
            guard thawed < bound else { return }
            let now = clock.map { max($0, thawed) } ?? thawed
            if outbox.firstTime == due {
                switch outbox.pop() {
                case .decided(let send): depart(send, at: now, into: &out)
                case .onItsWay(let outgoing): out.append(outgoing.later(by: now - due))
                case nil: return
                }
            } else if heads == due {
                takeIn(until: bound, othersFrom: min(min(readyTime, timer.time), outbox.firstTime), clock: clock, into: &out)
            } else if readyTime == due {
                guard let event = ready.pop() else { return }
                noteSlip(due: due, now: now)
                handle(event.payload, at: now, into: &out)
            } else {
                noteSlip(due: due, now: now)
                effects.timers[timer.kind] = .never
                // All ranks of a gang begin at one time, however late some of their processes are.
                handle(timer.kind, at: timer.kind == .gangStart ? thawed : now, into: &out)
            }
        }
    }

    /// Sends the requests of an open loop that arrive before `bound`, whatever else has happened by then: nothing that reaches the
    /// client changes them. Does nothing for other nodes.
    public func sendArrivals(before bound: Instant, into out: inout [Outgoing]) {
        guard case .client(let box) = state, box.node.closedLoop == nil else { return }
        while case let due = faults.thaw(plan.index, effects.timers[.arrival]), due < bound {
            counters.events += 1
            handle(.arrival, at: due, into: &out)
        }
    }

    /// Has the client offer more requests, each when it arrives. Does nothing for other nodes.
    public func offer(_ requests: [RequestSpec]) {
        guard case .client(let box) = state else { return }
        box.node.add(requests)
        effects.timers[.arrival] = box.node.nextArrival
    }

    /// The earliest head reaches the port. If nothing comes between it and its delivery, it is handled at once.
    @inline(__always)
    private func takeIn(until bound: Instant, othersFrom: Instant, clock: Instant?, into out: inout [Outgoing]) {
        guard let event = inbox.pop() else { return }
        let done = network.deliver(event.payload)
        if faults.thaw(plan.index, done) < bound, done < othersFrom, done < inbox.firstTime {
            let thawed = faults.thaw(plan.index, done)
            let now = clock.map { max($0, thawed) } ?? thawed
            noteSlip(due: done, now: now)
            handle(event.payload, at: now, into: &out)
        } else {
            ready.push(event.payload, at: EventKey(time: done, source: event.key.source, sequence: event.key.sequence))
        }
    }

    @inline(__always)
    private func noteSlip(due: Instant, now: Instant) {
        if now > due { counters.slip.add(now - due) }
        counters.events += 1
    }

    private func handle(_ envelope: Envelope, at now: Instant, into out: inout [Outgoing]) {
        if born > 0 || !faults.isEmpty {
            guard !isVoid(envelope) else {
                counters.lostMessages += 1
                return
            }
            slow(at: now)
        }
        if recordsMessages { record(envelope, delivered: now) }
        switch state {
        case .client(let box): box.node.handle(envelope, at: now, &effects)
        case .controller(let box): box.node.handle(envelope, at: now, &effects)
        case .worker(let box): box.node.handle(envelope, at: now, &effects)
        case .expert: break
        }
        depart(at: now, into: &out)
        if effects.wantsReset { beginAnew(at: now, into: &out) }
    }

    private func handle(_ timer: TimerKind, at now: Instant, into out: inout [Outgoing]) {
        if !faults.isEmpty { slow(at: now) }
        if timer == .notice { return takeNotice(at: now, into: &out) }
        switch state {
        case .client(let box): box.node.handle(timer, at: now, &effects)
        case .controller(let box): box.node.handle(timer, at: now, &effects)
        case .worker(let box): box.node.handle(timer, at: now, &effects)
        case .expert(let box): box.node.handle(timer, &effects)
        }
        depart(at: now, into: &out)
        if !faults.isEmpty { followGang() }
    }

    @inline(__always)
    func depart(at now: Instant, into out: inout [Outgoing]) {
        guard !effects.sends.isEmpty else { return }
        if effects.delay > 0 {
            for send in effects.sends { outbox.push(.decided(send), at: now + effects.delay) }
        } else {
            for send in effects.sends { depart(send, at: now, into: &out) }
        }
        effects.sends.removeAll(keepingCapacity: true)
    }

    @inline(__always)
    private func depart(_ send: Effects.Send, at now: Instant, into out: inout [Outgoing]) {
        counters.messages += 1
        counters.bytes += send.bytes
        switch network.depart(send, at: now, born: born) {
        case .onItsWay(let envelope): out.append(Outgoing(target: send.target, envelope: envelope))
        // It is counted as lost when it is.
        case .stalled: break
        case .lost: counters.lostMessages += 1
        }
    }

    private func record(_ envelope: Envelope, delivered: Instant) {
        MessageRow(
            target: Int64(plan.index), source: Int64(envelope.source), sequence: Int64(envelope.sequence), channel: envelope.message.channel.name,
            sent: envelope.sent, delivered: delivered, bytes: envelope.bytes
        ).write(to: &effects.records.messages)
    }
}

// MARK: - Layers of a gang

extension NodeHost {
    /// Whether the node has begun an iteration and waits for messages of its gang to know how it ends. Nothing else can be handled before.
    public var isWaiting: Bool { gang.map { $0.isUnderWay && $0.hasAttention } ?? false }

    private func nextOfGang(_ gang: GangRank) -> Instant? {
        if gang.hasAttention { return gang.isUnderWay ? (gang.isReady ? gang.start : .never) : nil }
        return gang.isReady && effects.timers.first.time == .never ? gang.lastStart : nil
    }

    /// Takes the node through its layers as far as messages allow. Answers whether other events can be handled.
    private func goOnWithLayers(_ gang: GangRank, into out: inout [Outgoing]) -> Bool {
        switch state {
        case .worker(let box):
            guard gang.isUnderWay else { return true }
            guard gang.isReady else { return false }
            box.node.runLayers(&effects)
            departLayers(into: &out)
            depart(at: gang.start, into: &out)
            return !gang.isUnderWay
        case .expert(let box):
            // The end of an iteration is handled before the next one begins; one without tokens has no end to handle.
            while gang.isReady, effects.timers.first.time == .never {
                box.node.runLayers(&effects)
                departLayers(into: &out)
            }
            return true
        case .client, .controller: return true
        }
    }

    private func departLayers(into out: inout [Outgoing]) {
        counters.messages += effects.traffic.messages
        counters.bytes += effects.traffic.bytes
        effects.traffic = Traffic()
        for send in effects.layerSends {
            out.append(
                Outgoing(
                    target: send.target,
                    envelope: Envelope(
                        source: Int32(plan.index), sequence: 0, sent: send.message.start, head: send.message.start, tail: send.message.start,
                        bytes: 0, link: LinkIndex(LinkKind.intraNode.rawValue),
                        isBulk: false, message: .layer(send.message))))
        }
        effects.layerSends.removeAll(keepingCapacity: true)
    }
}

// MARK: - What the owner of the clock asks

extension NodeHost {
    /// By channel, the earliest time at which the node may send if it gets no message that it has not got yet, apart from what the messages that it
    /// holds may set off: those are told by `held`.
    public var earliestSends: ChannelTimes {
        var times = ChannelTimes()
        switch state {
        case .client(let box): times[.submit] = box.node.nextArrival
        case .controller(let box): for channel in Channel.allCases { times[channel] = box.node.earliestSend(on: channel, effects.timers) }
        case .expert: return times
        case .worker(let box):
            times = box.node.earliestSends
            // What timers set off that only the worker's end sets.
            times.lower(.leave, to: min(effects.timers[.notice], effects.timers[.departure]))
            times.lower(.move, to: effects.timers[.departure])
        }
        for channel in Channel.allCases {
            times[channel] = faults.thaw(plan.index, min(times[channel], outbox.earliest(on: channel)))
        }
        return times
    }

    /// The earliest time of the messages of each channel that the node holds and has not handled; `Instant.never` for none.
    public var held: ChannelTimes {
        var times = ChannelTimes()
        inbox.forEach { key, envelope in times.lower(envelope.message.channel, to: key.time) }
        ready.forEach { key, envelope in times.lower(envelope.message.channel, to: key.time) }
        return times
    }

    /// For the client: requests that have ended, and whether none is open or to come.
    public var progress: Progress {
        guard case .client(let box) = state else { return Progress(ended: 0, offered: 0, isFinished: false) }
        let counts = box.node.statistics
        return Progress(
            ended: counts.done + counts.rejected + counts.failed, offered: counts.offered, isFinished: box.node.isFinished)
    }

    /// What the node counted so far.
    public var statistics: NodeStatistics {
        var result = counters
        result.decisions = probe?.times ?? []
        result.external = desk?.statistics ?? []
        result.fencedMessages = effects.fenced
        switch state {
        case .client(let box): result.client = box.node.statistics
        case .controller: break
        case .worker(let box): if !isDead { result.worker = box.node.finalStatistics() }
        case .expert(let box): result.worker = box.node.finalStatistics
        }
        result.merge(retired)
        return result
    }
}

/// How far the client is.
public struct Progress: Sendable, Equatable {
    public var ended: Int64
    public var offered: Int64
    public var isFinished: Bool

    public init(ended: Int64, offered: Int64, isFinished: Bool) {
        self.ended = ended
        self.offered = offered
        self.isFinished = isFinished
    }
}
