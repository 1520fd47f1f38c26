import Cluster
import Quantities
import Records

/// What becomes of a node's host when processes fail.
extension NodeHost {
    /// Whether a message does not arrive after all: it was sent to what was here before, or its sender did not live to send it.
    func isVoid(_ envelope: Envelope) -> Bool {
        envelope.sent < born || faults.isCutShort(from: Int(envelope.source), sent: envelope.sent, leaves: envelope.sent)
    }

    /// When the machine next says that the process will be ended; `Instant.never` when it does not, or the worker does not listen.
    func noteNotice(after time: Instant) {
        guard case .worker(let box) = state, let lead = box.node.leaving?.lead else { return }
        let next = notices(lead).filter { $0.at > noticedTo && $0.deadline > time }.min { $0.at < $1.at }
        effects.timers[.notice] = next.map { max($0.at, time) } ?? .never
    }

    /// The notices to this process, at the times at which it does something about them.
    private func notices(_ lead: Nanoseconds) -> [FaultTable.Notice] {
        faults.notices[plan.index].filter { $0.at >= started }.map { notice in
            var notice = notice
            notice.at = max(notice.at, notice.deadline - min(lead, notice.deadline))
            return notice
        }
    }

    /// The machine says that the process will be ended.
    func takeNotice(at now: Instant, into out: inout [Outgoing]) {
        guard case .worker(let box) = state, let lead = box.node.leaving?.lead else { return }
        for notice in notices(lead) where notice.at > noticedTo && notice.at <= now {
            box.node.takeNotice(deadline: notice.deadline, at: now, &effects)
        }
        noticedTo = now
        noteNotice(after: now)
        depart(at: now, into: &out)
    }

    /// Tells a worker how slow its machine is at present.
    func slow(at now: Instant) {
        if case .worker(let box) = state { box.node.engine.slowdown = faults.slowdown(plan.index, at: now) }
    }

    /// The node, which counts as dead and is not, throws away what it has and begins as a new one. Its machine has its weights.
    func beginAnew(at now: Instant, into out: inout [Outgoing]) {
        effects.wantsReset = false
        retire()
        guard let fresh = remake(now) else { return }
        state = fresh
        born = now
        effects.timers = TimerTable()
        if case .worker(let box) = state {
            effects.timers[.membership] = box.node.crew?.nextChange ?? .never
            box.node.start(servingFrom: now, &effects)
            noticedTo = -1
            noteNotice(after: now)
        }
        followGang()
    }

    /// A message of a gang. It may be of one with other members than now: later ones wait, and nobody needs earlier ones.
    func receiveLayer(_ message: LayerMessage) {
        guard message.iteration >= 0 else { return }
        let epoch = Int(message.iteration >> GangCrew.epochBits)
        switch state {
        case .client, .controller: return
        case .worker(let box):
            guard let crew = box.node.crew else { return }
            if epoch == crew.epoch { gang?.receive(message) } else if epoch > crew.epoch { laterLayers.append(message) }
        case .expert(let box):
            // The word of what has changed comes another way.
            guard box.node.crew.knows(epoch) else { return laterLayers.append(message) }
            if epoch > box.node.crew.epoch || gang == nil && epoch == box.node.crew.epoch {
                box.node.enter(epoch, at: message.start)
                gang = box.node.gang
            }
            if epoch == box.node.crew.epoch { gang?.receive(message) }
        }
    }

    /// The node may have entered a gang with other members.
    func followGang() {
        guard case .worker(let box) = state, let crew = box.node.crew, gang !== box.node.gang else { return }
        gang = box.node.gang
        let waiting = laterLayers
        laterLayers = []
        for message in waiting where Int(message.iteration >> GangCrew.epochBits) >= crew.epoch { receiveLayer(message) }
    }

    /// Takes over what the present incarnation has counted. What it held is gone with it.
    private func retire() {
        let fenced = effects.fenced
        switch state {
        case .worker(let box):
            var counted = NodeStatistics()
            counted.worker = box.node.finalStatistics()
            counted.worker?.blocksAtEnd = 0
            retired.merge(counted)
        case .client, .controller, .expert: break
        }
        effects.fenced = fenced
    }

    /// The process ends at `time`, after everything before. A client's requests end with it; what a worker held is nowhere any more.
    public func die(at time: Instant) {
        switch state {
        case .client(let box): box.node.die(at: time, &effects)
        case .worker(let box):
            box.node.endRest(at: time)
            retire()
        case .controller, .expert: break
        }
        effects.sends.removeAll()
        isDead = true
    }

    /// The table of faults has changed.
    /// - Parameter lost: whose process has just died, if one has, and from when on.
    public func faultsChanged(lost: (node: Int, at: Instant)? = nil) {
        switch state {
        case .controller(let box): effects.timers[.verdict] = box.node.watch.nextVerdict()
        case .worker(let box):
            box.node.faultsChanged(lost: lost, &effects)
            noteNotice(after: noticedTo)
        case .expert(let box):
            box.node.crew.refresh()
            let waiting = laterLayers
            laterLayers = []
            for message in waiting { receiveLayer(message) }
        case .client: break
        }
        let (found, lost) = network.retry()
        for item in found { outbox.push(.onItsWay(item.outgoing), at: item.opens) }
        counters.lostMessages += Int64(lost)
    }

    /// For the client: whether it has what it came for, or is gone for good, so that nothing that goes wrong at `time` is seen by anybody.
    public func isOver(with faults: FaultTable, after time: Instant) -> Bool {
        guard isDead else { return progress.isFinished }
        return !faults.returns(plan.index, at: time)
    }

    /// When the present iteration is given up: a rank of the gang that the node waits for dies, or, under the wall clock, others have gone on with
    /// other members, late as they may be, and left this one behind. `Instant.never` where neither comes.
    public var doom: Instant {
        guard isWaiting, let gang else { return .never }
        let death = gang.weather?.doom ?? .never
        guard gang.shape.startsDiffer, !laterLayers.isEmpty, case .worker(let box) = state, let crew = box.node.crew else { return death }
        return min(death, crew.nextChange + min(crew.patience, .never - crew.nextChange))
    }

    /// Whoever the node waits for in the present iteration has died meanwhile.
    public func giveUpIteration() {
        if case .worker(let box) = state { box.node.giveUp(&effects) }
    }

    /// The run is over: what is open fails.
    public func finish() {
        guard !isDead, case .client(let box) = state else { return }
        box.node.abandon(at: box.node.lastEvent, &effects)
        effects.sends.removeAll()
    }
}
