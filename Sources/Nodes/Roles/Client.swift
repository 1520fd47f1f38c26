import Cluster
import Quantities
import Records
import Workload

/// The users: offers requests, receives tokens, and keeps the account of both.
struct Client {
    /// A request that has been offered and has not ended.
    struct Stream {
        var spec: RequestSpec
        var isOpen: Bool
        /// Closed loop: whether one of its users sent it, and will send another.
        var isOfUser = false
        /// Place of the next token that is due.
        var nextIndex: Int32 = 0
        var lastToken: Instant = -1
        var firstToken: Instant = -1
        var prefillStart: Instant = -1
        var prefillNode: Int32 = -1
        /// Tokens that came before those of another worker, in order and apart, and the end, if it came with them: before the first one, which a
        /// prefill worker sends over another way, or where a request has moved. The user gets them with what was missing.
        var ahead: [Range<Int32>] = []
        var earlyEnd: Milestone?
        /// How often it was begun before, the place of the first token that is due this time, and whether a token has come since.
        var restarts: Int32 = 0
        var base: Int32 = 0
        var hasBegun = false
        /// Workers that it depends on, as the controller has told; -1 where it has not.
        var prefillRoute: Int32 = -1
        var decodeRoute: Int32 = -1
        /// Whether the decode worker has its cache.
        var decodes = false
        /// When it was begun again, and at which worker the time before ended; -1 if it was not.
        var restartedAt: Instant = -1
        var lostNode: Int32 = -1
        /// Who sent its latest token that was due.
        var sender: Int32 = -1
        /// From which token on `decodeRoute` produces, where a request has moved, and the worker before.
        var routeFrom: Int32 = -1
        var formerRoute: Int32 = -1
        /// The worker that has its cache, and is to go on with it; -1 if none is.
        var holder: Int32 = -1
    }

    let names: [String]
    let objective: ServiceObjective?
    let closedLoop: WorkloadPlan.ClosedLoop?
    /// Closed loop: no request is sent after this time.
    private let lastArrival: Instant
    private let source: any RequestSource
    var statistics = ClientStatistics()
    var streams: [Stream] = []
    private var freeStreams: [Int32] = []
    let retries: Int
    /// When the process was born: requests that arrive before are not its own.
    let born: Instant
    /// By request that was begun anew, the handles that it had before. Only looked up, never walked.
    var superseded: [Int64: [Int32]] = [:]
    /// By node, since when a process of it must have been born to be believed.
    var believedFrom: [Instant]
    private let idOffset: Int64
    /// When the latest event was handled.
    private(set) var lastEvent: Instant = 0
    private var upcoming: RequestSpec?
    /// Requests that came while the run went on.
    private let added = AddedRequests()
    private var lastOffer: Instant = 0
    /// Closed loop: when users who think will send their next request, in order.
    private var thinking: [Instant] = []

    /// - Parameters:
    ///   - names: the nodes' names by index, for the records.
    ///   - source: where the requests come from.
    ///   - born: when the process begins; requests that arrive earlier are passed over.
    ///   - incarnation: how many clients there were before. The users of a closed loop come back with requests of new numbers.
    init(names: [String], plan: ClusterPlan, source: any RequestSource, born: Instant = 0, incarnation: Int = 0) {
        self.names = names
        self.source = source
        self.born = born
        retries = plan.recovery.retries
        believedFrom = Array(repeating: 0, count: names.count)
        objective = plan.objective
        closedLoop = plan.workload.closedLoop
        idOffset = plan.workload.closedLoop == nil ? 0 : Int64(incarnation) * ClientNumbers.ofIncarnation
        lastArrival = plan.workload.duration ?? .never
        upcoming = source.next()
        if let closedLoop {
            thinking = Array(repeating: born, count: closedLoop.concurrency)
        } else {
            while let next = upcoming, next.arrival < born { upcoming = source.next() }
        }
    }

    /// Requests offered that have not ended.
    var open: Int { streams.count - freeStreams.count }

    /// Whether every request has ended and none is to come.
    var isFinished: Bool { open == 0 && nextArrival == .never }

    /// When the next request is sent if nothing more arrives.
    var nextArrival: Instant { min(nextPlanned, added.nextArrival) }

    private var nextPlanned: Instant {
        guard let upcoming else { return .never }
        guard closedLoop != nil else { return upcoming.arrival }
        guard let next = thinking.first, next <= lastArrival else { return .never }
        return next
    }

    mutating func start(_ effects: inout Effects) { effects.timers[.arrival] = nextArrival }

    mutating func handle(_ timer: TimerKind, at now: Instant, _ effects: inout Effects) {
        lastEvent = max(lastEvent, now)
        while nextArrival <= now {
            if added.nextArrival < nextPlanned, let spec = added.next() {
                offer(spec, isOfUser: false, &effects)
                continue
            }
            guard var spec = upcoming else { break }
            if closedLoop != nil {
                spec.id += idOffset
                spec.arrival = now
                thinking.removeFirst()
            }
            offer(spec, isOfUser: closedLoop != nil, &effects)
            upcoming = source.next()
        }
        effects.timers[.arrival] = nextArrival
    }

    /// Takes requests to be offered beside the source's. None is offered before one that has been offered already.
    func add(_ requests: [RequestSpec]) { for request in requests { added.add(request, notBefore: lastOffer) } }

    private mutating func offer(_ spec: RequestSpec, isOfUser: Bool, _ effects: inout Effects) {
        lastOffer = spec.arrival
        statistics.offered += 1
        submit(Stream(spec: spec, isOpen: true, isOfUser: isOfUser), &effects)
    }

    /// Opens a stream and sends its request to the controller.
    mutating func submit(_ stream: Stream, _ effects: inout Effects) {
        let handle: Int32
        if let free = freeStreams.popLast() {
            handle = free
            streams[Int(free)] = stream
        } else {
            handle = Int32(streams.count)
            streams.append(stream)
        }
        let spec = stream.spec
        var request = Assignment(
            id: spec.id, stream: handle, promptTokens: spec.promptTokens, outputTokens: spec.outputTokens, priority: spec.priority,
            arrival: spec.arrival, produced: stream.base, restarts: stream.restarts,
            holder: stream.holder)
        request.lostNode = stream.base > 0 ? stream.lostNode : -1
        effects.send(.submit(request), to: Int32(ClusterLayout.controller), bytes: MessageSize.prompt(request.knownTokens))
    }

    mutating func handle(_ envelope: Envelope, at now: Instant, _ effects: inout Effects) {
        lastEvent = max(lastEvent, now)
        if envelope.born < believedFrom[Int(envelope.source)] {
            statistics.staleTokens += dropFenced(envelope.message, &effects)
            return
        }
        switch envelope.message {
        case .tokens(let tokens):
            for token in tokens { receive(index: token.index, of: token.stream, id: token.id, from: envelope.source, at: now, &effects) }
        case .milestone(let milestone): receive(milestone, from: envelope.source, at: now, &effects)
        case .rejected(let id, let stream): reject(id, stream, at: now, &effects)
        case .routed(let routed): note(routed)
        case .fence(let fence): react(to: fence, at: now, &effects)
        case .takeover: askAgain(at: now, &effects)
        case .migration(let step): note(step, at: now, &effects)
        case .handback(let id, let stream, let holder): takeBack(id, stream, holder, from: envelope.source, at: now, &effects)
        case .submit, .assign, .place, .prefilled, .status, .pull, .cache, .release, .wake, .fenced, .hello, .cancel, .layer, .leaving,
            .evacuate, .move, .adopt, .activate, .deactivate, .retired, .rebuild:
            break
        }
    }

    /// Counts a token. Answers whether the user has it now: not when it came before, and not while the first token is missing.
    @discardableResult
    @inline(__always)
    private mutating func receive(
        index: Int32, of handle: Int32, id: Int64, from source: Int32, at now: Instant, _ effects: inout Effects
    ) -> Bool {
        guard let place = find(handle, id: id), index >= streams[place].nextIndex, streams[place].ahead.isEmpty || !streams[place].has(index) else {
            if isStale(handle, id: id) { statistics.staleTokens += 1 } else { statistics.duplicatedTokens += 1 }
            return false
        }
        if source == streams[place].decodeRoute { streams[place].decodes = true } else { streams[place].follow(source, at: index) }
        if !streams[place].hasBegun {
            if index > streams[place].base {
                streams[place].keep(index)
                return false
            }
            streams[place].hasBegun = true
            if streams[place].restartedAt >= 0 { noteResumed(place, at: now, &effects) }
        }
        if index > streams[place].nextIndex {
            guard source == streams[place].sender else {
                streams[place].keep(index)
                return false
            }
            statistics.missingTokens += Int64(index - streams[place].nextIndex)
        }
        streams[place].sender = source
        streams[place].nextIndex = index + 1
        if streams[place].lastToken >= 0 { statistics.tbt.add(now - streams[place].lastToken) }
        streams[place].lastToken = now
        statistics.outputTokens += 1
        statistics.series.addTokens(at: now)
        // With the first token its milestone is noted before.
        if index > streams[place].base, !streams[place].ahead.isEmpty { releaseAhead(of: place, at: now, &effects) }
        return true
    }

    @inline(__always)
    func find(_ handle: Int32, id: Int64) -> Int? {
        let place = Int(handle)
        guard place >= 0, place < streams.count, streams[place].isOpen, streams[place].spec.id == id else { return nil }
        return place
    }

    private mutating func receive(_ milestone: Milestone, from source: Int32, at now: Instant, _ effects: inout Effects) {
        guard receive(index: milestone.index, of: milestone.stream, id: milestone.id, from: source, at: now, &effects) else {
            let place = find(milestone.stream, id: milestone.id)
            if milestone.isLast, let place, streams[place].has(milestone.index), milestone.index >= streams[place].nextIndex {
                streams[place].earlyEnd = milestone
            }
            return
        }
        let place = Int(milestone.stream)
        if milestone.index == 0 {
            streams[place].firstToken = now
            streams[place].prefillStart = milestone.prefillStart
            streams[place].prefillNode = milestone.prefillNode
        }
        if milestone.isLast {
            finish(milestone, at: now, &effects)
        } else if milestone.index == streams[place].base {
            releaseAhead(of: place, at: now, &effects)
        }
    }

    mutating func finish(_ milestone: Milestone, at now: Instant, _ effects: inout Effects) {
        let stream = streams[Int(milestone.stream)]
        let spec = stream.spec
        let ttft = stream.firstToken - spec.arrival
        let e2e = now - spec.arrival
        statistics.done += 1
        statistics.promptTokens += Int64(spec.promptTokens)
        statistics.ttft.add(ttft)
        statistics.e2e.add(e2e)
        if milestone.kvTransfer > 0 { statistics.kvTransfer.add(milestone.kvTransfer) }
        let gaps = Int64(max(1, milestone.index))
        let isMet = objective?.isMet(ttft: ttft, meanTBT: (now - stream.firstToken) / gaps, e2e: e2e) == true
        if isMet { statistics.withinObjective += 1 }
        statistics.series.addDone(isWithinObjective: isMet, at: now)
        var row = RequestRow(
            id: spec.id, arrival: spec.arrival, promptTokens: spec.promptTokens, outputTokens: milestone.index + 1, finish: now, status: .done)
        row.prefillNode = name(stream.prefillNode)
        row.decodeNode = name(milestone.decodeNode)
        row.prefillStart = stream.prefillStart
        row.firstToken = stream.firstToken
        row.restarts = stream.restarts
        row.preemptions = milestone.preemptions
        row.kvTransfer = milestone.kvTransfer
        row.write(to: &effects.records.requests)
        close(milestone.stream, at: now, &effects)
    }

    private func name(_ node: Int32) -> String { node >= 0 && Int(node) < names.count ? names[Int(node)] : "" }

    private mutating func reject(_ id: Int64, _ handle: Int32, at now: Instant, _ effects: inout Effects) {
        guard let place = find(handle, id: id) else { return }
        // Whose answer has begun was not turned away: it was let down.
        guard streams[place].restarts == 0 else { return fail(place, at: now, &effects) }
        let spec = streams[place].spec
        statistics.rejected += 1
        RequestRow(id: id, arrival: spec.arrival, promptTokens: spec.promptTokens, outputTokens: 0, finish: now, status: .rejected)
            .write(to: &effects.records.requests)
        close(handle, at: now, &effects)
    }

    /// A request has ended: its handles, those of earlier attempts too, can be used for others.
    mutating func close(_ handle: Int32, at now: Instant, _ effects: inout Effects) {
        streams[Int(handle)].isOpen = false
        freeStreams.append(handle)
        let id = streams[Int(handle)].spec.id
        if !superseded.isEmpty, let earlier = superseded[id] {
            freeStreams.append(contentsOf: earlier)
            superseded[id] = []
        }
        statistics.lastEnd = now
        guard let closedLoop, streams[Int(handle)].isOfUser else { return }
        thinking.append(now + closedLoop.think)
        effects.timers[.arrival] = nextArrival
    }
}

/// How requests of a closed loop are numbered.
public enum ClientNumbers {
    /// Numbers that the users of one client's process have for their requests; the next process goes on beyond.
    public static let ofIncarnation: Int64 = 1_000_000_000
}

extension ServiceObjective {
    /// Whether a request with these times was served well.
    public func isMet(ttft: Nanoseconds, meanTBT: Nanoseconds, e2e: Nanoseconds) -> Bool {
        ttft <= self.ttft ?? .never && meanTBT <= self.tbt ?? .never && e2e <= self.e2e ?? .never
    }
}
