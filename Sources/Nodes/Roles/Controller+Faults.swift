import Cluster
import Quantities

/// Which workers the controller believes, and what waits for one of them to live.
struct WorkerWatch {
    /// What waits.
    enum Held {
        case assign(Assignment)
        case place(Placement)
    }

    /// When the controller's own process was born.
    let born: Instant
    private let heartbeats: Heartbeats
    private let table: FaultTable
    private let layout: ClusterLayout
    private var version = -1
    private var verdicts: [Heartbeats.Verdict] = []
    /// Verdicts up to here are spoken.
    private var spokenTo: Instant
    /// By node: the birth of the process that is known, and whether that counts as dead.
    private(set) var known: [Instant]
    private(set) var isDead: [Bool]
    private let patience: Nanoseconds
    /// What waits, by when it stops to.
    private(set) var held: [(until: Instant, item: Held)] = []

    init(_ plan: ClusterPlan, _ layout: ClusterLayout, table: FaultTable, born: Instant) {
        self.born = born
        self.table = table
        self.layout = layout
        heartbeats = Heartbeats(plan)
        patience = plan.recovery.patience
        known = Array(repeating: 0, count: layout.nodes.count)
        isDead = Array(repeating: false, count: layout.nodes.count)
        spokenTo = born - 1
    }

    /// Whether a message comes from a process that does not count as dead.
    @inline(__always)
    mutating func believes(_ envelope: Envelope) -> Bool {
        let source = Int(envelope.source)
        // Nobody but a node of the cluster says anything.
        guard known.indices.contains(source) else { return false }
        guard envelope.born == known[source], !isDead[source] else { return knows(envelope) }
        return true
    }

    private mutating func knows(_ envelope: Envelope) -> Bool {
        let source = Int(envelope.source)
        guard layout.nodes[source].role.servesRequests else {
            // A new client; nobody buries the old one.
            known[source] = max(known[source], envelope.born)
            return envelope.born == known[source]
        }
        if case .hello = envelope.message { return envelope.born > known[source] }
        // A controller that has taken over meets workers whose birth it does not know.
        if born > 0, envelope.born > known[source], !isDead[source] {
            known[source] = envelope.born
            return true
        }
        return false
    }

    mutating func hold(_ item: Held, at now: Instant, _ effects: inout Effects) {
        held.append((now + patience, item))
        effects.timers[.patience] = held[0].until
    }

    mutating func takeHeld(before time: Instant = .never) -> [Held] {
        let count = held.prefix { $0.until < time }.count
        defer { held.removeFirst(count) }
        return held[..<count].map(\.item)
    }

    /// What waits for a decode worker and is nowhere any more.
    mutating func forget(prefilledAt node: Int32) {
        held.removeAll { item in if case .place(let placement) = item.item { placement.prefillNode == node } else { false } }
    }

    /// When the failure detector speaks next.
    mutating func nextVerdict() -> Instant {
        refresh()
        return verdicts.first?.at ?? .never
    }

    private mutating func refresh() {
        guard version != table.version else { return }
        version = table.version
        verdicts = heartbeats.verdicts(table, layout, born: born).filter { $0.at > spokenTo }
    }

    /// What the detector says at `now`.
    mutating func takeVerdicts(at now: Instant) -> [Heartbeats.Verdict] {
        refresh()
        spokenTo = now
        let count = verdicts.prefix { $0.at <= now }.count
        defer { verdicts.removeFirst(count) }
        return Array(verdicts[..<count])
    }

    /// A node's process counts as dead. Answers what is void from now on; `nil` when it counted so before.
    mutating func bury(_ node: Int) -> Fence? {
        guard !isDead[node] else { return nil }
        isDead[node] = true
        return Fence(node: Int32(node), before: known[node] + 1)
    }

    /// A new process of a node lives.
    mutating func meet(_ node: Int, born: Instant) {
        known[node] = born
        isDead[node] = false
    }
}

extension Controller {
    /// Sets the timers of a new process.
    mutating func start(_ effects: inout Effects) {
        if watch.born > 0 { effects.timers[.ready] = watch.born }
        effects.timers[.verdict] = watch.nextVerdict()
    }

    mutating func handle(_ timer: TimerKind, at now: Instant, _ effects: inout Effects) {
        switch timer {
        case .ready: takeOver(&effects)
        case .verdict:
            for verdict in watch.takeVerdicts(at: now) {
                if verdict.isSilent { bury(verdict.node, at: now, &effects) } else { fence(verdict.node, &effects) }
            }
            effects.timers[.verdict] = watch.nextVerdict()
        case .patience:
            for item in watch.takeHeld(before: now + 1) {
                switch item {
                case .assign(let request): reject(request, &effects)
                case .place(let placement): reject(placement.request, &effects)
                }
            }
            effects.timers[.patience] = watch.held.first?.until ?? .never
        case .decision: decideOnGathered(at: now, &effects)
        case .iterationEnd, .stageFree, .report, .arrival, .gangStart, .membership, .notice, .departure: break
        }
        effects.delay = max(0, busyUntil - now)
    }

    /// A new controller tells everybody that the old one is gone. Workers answer with their load and what waits to be placed, the client with what
    /// has not been routed.
    private func takeOver(_ effects: inout Effects) {
        effects.send(.takeover, to: Int32(ClusterLayout.client), bytes: MessageSize.header)
        for node in entry.nodes + (decode?.nodes ?? []) { effects.send(.takeover, to: node, bytes: MessageSize.header) }
    }

    private mutating func bury(_ node: Int, at now: Instant, _ effects: inout Effects) {
        guard let fence = watch.bury(node) else { return }
        let place = Int(places[node])
        if place > 0 { entry.lose(place - 1) }
        if place < 0 { decode?.lose(-place - 1) }
        // The client begins anew what its process had prefilled.
        watch.forget(prefilledAt: Int32(node))
        decode?.held.remove(prefilledAt: Int32(node))
        holdWithoutWorkers(at: now, &effects)
        effects.timers[.patience] = watch.held.first?.until ?? .never
        effects.send(.fence(fence), to: Int32(ClusterLayout.client), bytes: MessageSize.header)
        tellWorkers(of: fence, &effects)
    }

    /// A process is heard that counts as dead: it is to begin anew.
    private func fence(_ node: Int, _ effects: inout Effects) {
        guard watch.isDead[node], places[node] != 0 else { return }
        effects.send(.fenced, to: Int32(node), bytes: MessageSize.header)
    }

    /// A new process of a worker serves.
    mutating func welcome(_ node: Int32, born: Instant, at now: Instant, _ effects: inout Effects) {
        let place = Int(places[Int(node)])
        guard place != 0 else { return }
        // It is back before anybody has missed the old one; unless it is the same process, which has rested.
        if born != watch.known[Int(node)] || watch.isDead[Int(node)] {
            bury(Int(node), at: now, &effects)
            watch.meet(Int(node), born: born)
        }
        if place > 0 { entry.gain(place - 1) } else { decode?.gain(-place - 1) }
        giveBuddy(to: place, &effects)
        for item in watch.takeHeld() {
            switch item {
            case .assign(let request): dispatch(request, view(of: request, at: now), isNew: false, at: now, &effects)
            case .place(let placement): self.place(placement, at: now, &effects)
            }
        }
        effects.timers[.patience] = watch.held.first?.until ?? .never
        if place > 0 { sendHeld(at: now, &effects) } else { placeHeld(at: now, &effects) }
    }

    func earliestSend(on channel: Channel, _ timers: TimerTable) -> Instant {
        switch channel {
        case .fence, .migrate: min(timers[.verdict], timers[.ready])
        case .stream: min(timers[.patience], timers[.decision])
        case .assign, .place: timers[.decision]
        case .submit, .prefilled, .status, .pull, .cache, .release, .wake, .hello, .cancel, .leave, .command,
            .move, .reserve, .copy, .moved, .layer:
            .never
        }
    }
}
