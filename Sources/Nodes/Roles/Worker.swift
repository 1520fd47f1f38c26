import Cluster
import Models
import Policies
import Quantities
import Records

/// A worker: an engine and its conversations. Prefill, decode and colocated workers differ in where requests come from and go to
/// (`Worker+Prefill.swift`, `Worker+Decode.swift`); the engine loop is one.
struct Worker {
    let node: Int32
    let duty: Duty
    let shape: WorkerShape
    let name: [UInt8]
    let records: RecordPlan
    var engine: Engine
    var statistics = WorkerStatistics()
    var reporting: Reporting
    /// With pipeline stages: when the next iteration can start, if that is before the oldest one ends.
    var nextStart: Instant = .never
    /// Tokens of the iteration that ends, before they are sent.
    var outbox: [StreamToken] = []
    /// Decode: placed requests that wait for room, in the scheduler's order, or first come first; and how many there ever were.
    var placed = WaitingQueue()
    var placements: Int64 = 0
    /// Decode: requests whose cache is on its way, in no order.
    var pulling: [Int32] = []
    /// Prefill, layer-wise: slots by request, for pulls that do not know the slot; and pulls that overtook their assignment.
    var slots: [Int64: Int32] = [:]
    var earlyPulls: [Int64: CacheMessage] = [:]
    /// For a worker that shares its layers with others.
    var gang: GangRank?
    let crew: GangCrew?
    /// What it counted in gangs with other members.
    var earlierBarriers: BarrierStatistics?
    /// The iteration that its gang computes at present, by its place in the engine's ring; `nil` for an empty batch.
    var openPlace: Int?
    /// Requests and caches on their way from here and to here.
    var moves = Moves()
    /// How long before its end the worker says that it leaves, and hands back what is left; `nil` when it does nothing about its end.
    let leaving: (lead: Nanoseconds, margin: Nanoseconds)?
    /// For one that will be ended, or is to rest.
    var departure: LeaveTaking?
    /// Whether it rests: its process is there, and serves nothing.
    var isOff = false
    var offSince: Instant = 0
    /// How long the latest iteration took.
    var latestIteration: Nanoseconds = 0
    /// Whether weights are still being loaded: requests wait.
    var isLoading: Bool { loadedAt < .never }
    /// When they are loaded; `Instant.never` once they are.
    var loadedAt: Instant = .never

    init(
        plan: NodePlan, duty: Duty, shape: WorkerShape, records: RecordPlan, scheduler: any SchedulingPolicy,
        predictor: OutputPredictor = .none, gang: GangRank?, crew: GangCrew?, decisionCost: DecisionCost = .free, probe: DecisionProbe? = nil,
        leaving: (lead: Nanoseconds, margin: Nanoseconds)? = nil
    ) {
        self.leaving = leaving
        node = Int32(plan.index)
        self.duty = duty
        self.gang = gang
        self.crew = crew
        self.shape = shape
        self.records = records
        name = Array(plan.name.utf8)
        engine = Engine(
            plan: shape.engine, cost: shape.cost, stages: shape.stages, blocks: shape.blocks, scheduler: scheduler, predictor: predictor, duty: duty)
        engine.decisionCost = decisionCost
        engine.probe = probe
        reporting = Reporting(interval: shape.engine.reportInterval)
        statistics.kvTotalBlocks = shape.blocks
    }

    mutating func handle(_ envelope: Envelope, at now: Instant, _ effects: inout Effects) {
        switch envelope.message {
        case .assign(let request): if !refuses(request, &effects) { accept(request) }
        case .place(let placement): if !refuses(placement.request, &effects) { accept(placement) }
        case .adopt(let request): if !refuses(request, &effects) { adopt(request) }
        case .move(let cache): receive(cache, &effects)
        case .evacuate(let evacuation): prepare(evacuation, at: now, &effects)
        case .activate(let time): activate(after: time, at: now, &effects)
        case .deactivate: deactivate(at: now, &effects)
        case .pull(let message): sendCache(for: message, to: envelope.source, at: now, &effects)
        case .cache(let message): receiveCache(message, sent: envelope.sent, from: envelope.source, at: now, &effects)
        case .release(let message): release(message)
        case .cancel(let id, let stream): cancel(id, stream, &effects)
        case .migration(let step): receive(step, in: envelope, at: now, &effects)
        case .rebuild(let request):
            if !refuses(request, &effects) { rebuild(request, at: now) }
            if crew != nil, !isLoading { noteWork(at: now, &effects) }
        case .fence(let fence): lose(fence, &effects)
        case .takeover:
            announceParked(&effects)
            if !isOff { sendReport(at: now, &effects) }
            announceStanding(&effects)
        case .fenced:
            effects.wantsReset = true
            return
        case .wake(let start, let epoch): return wake(for: start, epoch: Int(epoch), at: now, &effects)
        case .submit, .prefilled, .status, .tokens, .milestone, .rejected, .routed, .hello, .layer, .leaving, .handback, .retired: return
        }
        guard !isLoading, !isOff else { return }
        if crew != nil, [.assign, .cache, .release, .cancel].contains(envelope.message.channel) { noteWork(at: now, &effects) }
        run(at: now, &effects)
        report(at: now, &effects)
        restIfDone(at: now, &effects)
    }

    mutating func handle(_ timer: TimerKind, at now: Instant, _ effects: inout Effects) {
        switch timer {
        case .iterationEnd:
            endIteration(at: now, &effects)
            countDown(&effects)
        case .report:
            sendReport(at: now, &effects)
            return
        case .gangStart:
            startLayers(at: now, &effects)
            return
        case .ready:
            loadedAt = .never
            effects.send(.hello, to: Int32(ClusterLayout.controller), bytes: MessageSize.header)
            if departure != nil { announceStanding(&effects) }
        case .departure:
            depart(at: now, &effects)
            return
        case .decision:
            engine.decidesAgain = .never
            if gang != nil { noteWork(at: now, &effects) }
        case .membership:
            noteMembership(at: now, &effects)
            return
        case .stageFree, .arrival, .verdict, .patience, .notice: break
        }
        run(at: now, &effects)
        report(at: now, &effects)
        restIfDone(at: now, &effects)
    }

    /// Starts what can be started and sets the timers.
    private mutating func run(at now: Instant, _ effects: inout Effects) {
        if duty == .decode { pullCaches(at: now, &effects) }
        defer { tendMove(&effects) }
        if crew != nil {
            effects.timers[.iterationEnd] = engine.nextEnd
            return
        }
        while engine.isStageFree(at: now), let place = engine.startIteration(at: now) {
            if shape.engine.transfer == .layerwise, duty == .prefill { pushLayers(of: place, &effects) }
        }
        effects.timers[.iterationEnd] = engine.nextEnd
        let mayStart = engine.stages > 1 && engine.inFlight > 0 && engine.inFlight < engine.stages
        nextStart = mayStart && engine.stageFree[0] > now ? engine.stageFree[0] : .never
        effects.timers[.stageFree] = nextStart
        effects.timers[.decision] = engine.decidesAgain
    }

    private mutating func endIteration(at now: Instant, _ effects: inout Effects) {
        let place = engine.endIteration()
        for chunk in engine.ring[place].chunks {
            if engine.requests[chunk.slot].isCancelled {
                engine.requests[chunk.slot].isCancelled = false
                engine.cancel(chunk.slot)
            } else if engine.hasFullCache(chunk.slot) {
                produceToken(of: chunk.slot, at: now, &effects)
            }
        }
        if !outbox.isEmpty {
            let bytes = MessageSize.header + MessageSize.streamToken * ByteCount(outbox.count)
            effects.send(.tokens(outbox), to: Int32(ClusterLayout.client), bytes: bytes)
            outbox = []
        }
        stopForMove(at: now, &effects)
        copyToBuddy(place, &effects)
        count(place, end: now, &effects)
    }

    /// A request has produced a token: sends it on its way and ends the request, or its stay here, when it was the last.
    private mutating func produceToken(of slot: Int32, at now: Instant, _ effects: inout Effects) {
        engine.requests[slot].generated += 1
        engine.requests[slot].lastToken = now
        if !moves.landed.isEmpty { noteLanded(slot, at: now, &effects) }
        let entry = engine.requests[slot]
        let isLast = entry.remaining <= 0
        if isLast || entry.hasJustBegun {
            effects.send(
                .milestone(milestone(entry, isLast: isLast)), to: Int32(ClusterLayout.client), bytes: MessageSize.header + MessageSize.streamToken)
        } else {
            outbox.append(StreamToken(id: entry.request.id, stream: entry.request.stream, index: entry.generated - 1))
        }
        if duty == .prefill {
            finishPrefill(of: slot, isLast: isLast, &effects)
        } else if isLast {
            forgetReplica(of: entry, &effects)
            engine.leave(slot)
            engine.freeBlocks(of: slot)
            engine.requests.remove(slot)
        }
    }

    private func milestone(_ entry: EngineRequest, isLast: Bool) -> Milestone {
        Milestone(
            id: entry.request.id, stream: entry.request.stream, index: entry.generated - 1, isLast: isLast,
            prefillNode: duty == .decode ? entry.prefillNode : node, decodeNode: duty == .prefill ? -1 : node, prefillStart: entry.prefillStart,
            preemptions: entry.preemptions, kvTransfer: entry.kvTransfer)
    }

    private mutating func count(_ place: Int, end: Instant, _ effects: inout Effects) {
        let start = engine.ring[place].start
        let shape = engine.ring[place].shape
        let time = end - start
        latestIteration = time
        statistics.iterations += 1
        statistics.iterationTimes.add(time)
        // Stages overlap: each iteration accounts for its share of the worker. A rank of a gang counts what it computes.
        let shares = gang?.tally.shares
        let busy = shares.map { $0.attention + $0.experts } ?? (engine.stages == 1 ? time : time / Nanoseconds(engine.stages))
        if shape.prefillTokens > 0 { statistics.busyPrefill += busy } else { statistics.busyDecode += busy }
        guard records.iterations else { return }
        var row = IterationRow(
            iteration: engine.ring[place].number, start: start, end: end, prefillTokens: shape.prefillTokens, decodeTokens: shape.decodeRequests,
            requests: Int64(engine.ring[place].chunks.count), waiting: engine.ring[place].waiting, kvBlocks: engine.ring[place].usedBlocks,
            kvBlocksTotal: engine.pool.total, preemptions: engine.ring[place].preemptions)
        row.shares = shares
        row.write(to: &effects.records.iterations, node: name)
    }

    /// What the worker counted so far.
    func finalStatistics() -> WorkerStatistics {
        var result = statistics
        result.kvPeakBlocks = engine.pool.peak
        result.preemptions = engine.preemptions
        result.restsSince = isOff ? offSince : -1
        result.blocksAtEnd = engine.pool.used
        result.barrier = gang?.tally.statistics
        result.barrier.merge(earlierBarriers)
        return result
    }
}

/// When a worker last told the controller of its load, and what it has received.
struct Reporting {
    let interval: Nanoseconds
    var last: Instant?
    var isDirty = false
    var receivedRequests: Int64 = 0
    var receivedTokens: Int64 = 0
    var receivedPredicted: Int64 = 0

    init(interval: Nanoseconds) { self.interval = interval }

    /// The controller begins to count anew.
    mutating func forget() {
        isDirty = false
        receivedRequests = 0
        receivedTokens = 0
        receivedPredicted = 0
    }

    /// Counts a request that the controller sent.
    mutating func count(_ request: Assignment, _ engine: Engine) {
        receivedRequests += 1
        receivedTokens += Int64(request.knownTokens)
        guard engine.predictor.isPresent else { return }
        let expected = engine.prediction(of: EngineRequest(request, phase: .waiting)).expected
        receivedPredicted += Int64(max(1, expected - request.produced))
    }

    /// The earliest time of the next report.
    var due: Instant { last.map { $0 + interval } ?? 0 }
}

extension Worker {
    /// Sends a load report, or has it sent when the interval is over.
    func shouldReport(at now: Instant) -> Bool { now >= reporting.due }

    private mutating func report(at now: Instant, _ effects: inout Effects) {
        if shouldReport(at: now) {
            sendReport(at: now, &effects)
        } else if !reporting.isDirty {
            reporting.isDirty = true
            effects.timers[.report] = reporting.due
        }
    }

    mutating func sendReport(at now: Instant, _ effects: inout Effects) {
        var load = LoadReport()
        load.waitingRequests = Int32(clamping: engine.waiting.count + placed.count + pulling.count)
        load.runningRequests = Int32(clamping: engine.running.count)
        load.waitingTokens = engine.waitingTokens
        load.usedBlocks = engine.pool.used - engine.replicaBlocks
        load.receivedRequests = reporting.receivedRequests
        load.receivedTokens = reporting.receivedTokens
        load.receivedPredicted = reporting.receivedPredicted
        engine.addContexts(to: &load, predicts: duty != .prefill)
        load.isMigrating = moves.outgoing != nil
        if load.headBlocks == 0, !placed.isEmpty { load.headBlocks = engine.pool.blocks(for: Int64(engine.requests[placed[0].slot].total)) }
        effects.send(.status(load), to: Int32(ClusterLayout.controller), bytes: MessageSize.report(load))
        reporting.last = now
        reporting.isDirty = false
        effects.timers[.report] = .never
    }

    /// By channel, the earliest time at which the worker may send if nothing more arrives.
    var earliestSends: ChannelTimes {
        var times = ChannelTimes()
        if isOff { return times }
        if isLoading {
            times[.hello] = loadedAt
            times[.leave] = loadedAt
            times[.status] = max(loadedAt, reporting.due)
            return times
        }
        // What a scheduler does that decides again may be anything.
        let decision = engine.decidesAgain
        let iterationEnd = min(crew == nil ? engine.nextEnd : nextGangEnd, decision)
        let nextEvent = min(
            crew == nil ? min(iterationEnd, nextStart) : min(engine.nextEnd, min(gang?.nextStart ?? .never, nextMembership)), decision)
        for channel in Channel.allCases { times[channel] = earliestSend(on: channel, iterationEnd: iterationEnd, nextEvent: nextEvent) }
        return times
    }

    /// - Parameters:
    ///   - iterationEnd: when an iteration may end.
    ///   - nextEvent: when one may end or begin.
    private func earliestSend(on channel: Channel, iterationEnd: Instant, nextEvent: Instant) -> Instant {
        switch channel {
        case .stream: return iterationEnd
        case .prefilled: return duty == .prefill ? iterationEnd : .never
        case .status: return reporting.isDirty ? reporting.due : max(nextEvent, reporting.due)
        case .cache: return duty == .prefill && shape.engine.transfer == .layerwise ? nextEvent : .never
        case .pull: return duty == .decode && !placed.isEmpty ? nextEvent : .never
        case .wake:
            guard let gang else { return nextMembership }
            // A scheduler that lets requests wait may put a time to it whenever an iteration begins.
            let mayWake = gang.sleepsNext && gang.hasNews || engine.traits.contains(.waits)
            return min(mayWake ? gang.nextStart : .never, min(engine.decidesAgain, nextMembership))
        // A request that moves stops, or ends, with an iteration; copies are sent after one.
        case .copy: return moves.outgoing != nil || moves.copyInterval > 0 ? nextEvent : .never
        case .cancel: return moves.outgoing != nil ? nextEvent : .never
        case .leave, .move: return departure == nil ? .never : nextEvent
        case .submit, .assign, .place, .release, .fence, .hello, .migrate, .reserve, .moved, .command, .layer: return .never
        }
    }
}
