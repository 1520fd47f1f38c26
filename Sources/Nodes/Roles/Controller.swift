import Cluster
import Policies
import Quantities

/// The router: admits requests and decides which workers compute them, on what load reports told it.
struct Controller {
    var entry: WorkerGroup
    var decode: WorkerGroup?
    var admission: (any AdmissionPolicy)?
    /// For each entry worker, whether its caches are pushed by layers, so that the decode worker is chosen beforehand.
    private let choosesBeforehand: [Bool]
    /// Longest prompt plus output that every worker can hold.
    private let lengthLimit: Int64
    /// Where in a group each node is: positive in `entry`, negative in `decode`, both shifted by one; 0 for the others.
    let places: [Int32]
    var watch: WorkerWatch
    /// Has caches of leaving workers moved; `nil` where nobody does that.
    var desk: EvacuationDesk?
    /// The workers that come and go; `nil` where none do.
    var entryFleet: Fleet?
    var decodeFleet: Fleet?
    private let predictor: OutputPredictor
    /// What decisions take on the emulated clock, and until when the controller is busy with those made so far.
    let decisionCost: DecisionCost
    var busyUntil: Instant = 0
    /// `nil`: nothing moves.
    var migration: (any MigrationPolicy)?
    let recovery: any RecoveryPolicy
    /// Whether workers have dealings with each other that end when one of them dies.
    let tellsWorkers: Bool
    /// What they take on the host.
    let probe: DecisionProbe?

    /// - Parameters:
    ///   - entry: workers that take new requests; never empty.
    ///   - decode: workers that take prefilled ones; empty for colocated clusters.
    ///   - admission: `nil`: every request is taken, and nothing decided.
    init(
        entry: [(node: Int32, shape: WorkerShape)], decode: [(node: Int32, shape: WorkerShape)], routing: any RoutingPolicy,
        decodeRouting: any RoutingPolicy, admission: (any AdmissionPolicy)? = nil, predictor: OutputPredictor = .none, nodes: Int,
        watch: WorkerWatch, decisionCost: DecisionCost = .free, migration: (any MigrationPolicy)? = nil,
        recovery: any RecoveryPolicy = Recompute(parameters: PolicyParameters(PolicyChoice("recompute"), for: Recompute.description)),
        probe: DecisionProbe? = nil
    ) {
        self.migration = migration
        self.recovery = recovery
        tellsWorkers = migration != nil || recovery.copyInterval > 0
        self.predictor = predictor
        self.admission = admission
        self.decisionCost = decisionCost
        self.probe = probe
        self.entry = WorkerGroup(entry, decode.isEmpty ? .colocated : .prefill, policy: routing)
        self.decode = decode.isEmpty ? nil : WorkerGroup(decode, .decode, policy: decodeRouting)
        self.watch = watch
        choosesBeforehand = entry.map { !decode.isEmpty && $0.shape.engine.transfer == .layerwise }
        lengthLimit = (entry + decode).map { Int64($0.shape.lengthLimit) }.min() ?? 0
        var places = Array(repeating: Int32(0), count: nodes)
        for (place, worker) in entry.enumerated() { places[Int(worker.node)] = Int32(place + 1) }
        for (place, worker) in decode.enumerated() { places[Int(worker.node)] = -Int32(place + 1) }
        self.places = places
    }

    mutating func handle(_ envelope: Envelope, at now: Instant, _ effects: inout Effects) {
        guard envelope.source >= 0, Int(envelope.source) < places.count else { return }
        guard watch.believes(envelope) else {
            effects.fenced += 1
            return
        }
        switch envelope.message {
        case .submit(let request):
            route(request, at: now, &effects)
            scale(at: now, &effects)
        case .prefilled(let placement): place(placement, at: now, &effects)
        case .status(let load): update(envelope.source, with: load, sent: envelope.sent, at: now, &effects)
        case .hello:
            note(.serving, of: envelope.source)
            welcome(envelope.source, born: envelope.born, at: now, &effects)
        case .leaving(let leaving): release(leaving, from: envelope.source, at: now, &effects)
        case .retired: noteRetired(envelope.source, at: now, &effects)
        case .assign, .place, .tokens, .milestone, .rejected, .routed, .pull, .cache, .release, .wake, .fence, .fenced, .takeover, .cancel, .layer,
            .handback, .evacuate, .move, .adopt, .activate, .deactivate, .migration, .rebuild:
            break
        }
        // What is decided leaves when the decisions are made, one after the other.
        effects.delay = max(0, busyUntil - now)
    }

    private mutating func update(_ source: Int32, with load: LoadReport, sent: Instant, at now: Instant, _ effects: inout Effects) {
        guard source >= 0, Int(source) < places.count else { return }
        let place = Int(places[Int(source)])
        noteServing(source)
        if place > 0 {
            entry.update(place - 1, with: load, sent: sent)
            decideAfterReport(ofEntry: true, at: now, &effects)
            if decode == nil { orderMoves(from: place - 1, &effects) }
        }
        if place < 0 {
            decode?.update(-place - 1, with: load, sent: sent)
            decideAfterReport(ofEntry: false, at: now, &effects)
            orderMoves(from: -place - 1, &effects)
        }
        scale(at: now, &effects)
    }

    private mutating func route(_ request: Assignment, at now: Instant, _ effects: inout Effects) {
        guard Int64(request.promptTokens) + Int64(request.outputTokens) <= lengthLimit else { return reject(request, &effects) }
        let view = view(of: request, at: now)
        // What has begun once is not refused for what happened to it since.
        guard request.produced > 0 || admits(view, at: now) else { return reject(request, &effects) }
        if request.produced > 0, request.holder < 0, goesOn(request, view, &effects) { return }
        dispatch(request, view, isNew: request.produced == 0, at: now, &effects)
    }

    /// Finds a worker for a request that is taken; one that is not new cannot be refused any more.
    mutating func dispatch(_ request: Assignment, _ view: RequestView, isNew: Bool, at now: Instant, _ effects: inout Effects) {
        if sendToHolder(request, view, &effects) { return }
        guard !entry.live.isEmpty else { return watch.hold(.assign(request), at: now, &effects) }
        if entry.isBatched {
            entry.held.append(Placement(request: request, prefillNode: -1, prefillSlot: -1), view)
            return sendHeld(at: now, &effects)
        }
        busyUntil = decided(at: now, entry.decisionTime)
        guard let choice = chooseEntry(for: view, mayRefuse: isNew) else { return reject(request, &effects) }
        send(request, view, to: choice, at: now, &effects)
    }

    /// Sends a request to a worker of the entry group that it counts for already.
    mutating func send(_ request: Assignment, _ view: RequestView, to choice: Int, at now: Instant, _ effects: inout Effects) {
        var request = request
        let worker = entry.nodes[choice]
        if choosesBeforehand[choice] {
            guard let decodeNode = chooseDecode(for: view, at: now) else {
                entry.note(view, sentTo: choice, times: -1)
                return watch.hold(.assign(request), at: now, &effects)
            }
            request.decodeNode = decodeNode
            send(Placement(request: request, prefillNode: worker, prefillSlot: -1), to: decodeNode, &effects)
        }
        effects.send(.assign(request), to: worker, bytes: MessageSize.prompt(request.knownTokens))
        tellClient(request, sentTo: worker, decodes: false, &effects)
    }

    mutating func place(_ placement: Placement, at now: Instant, _ effects: inout Effects) {
        let view = view(of: placement.request, at: now)
        if decode?.isBatched == true, decode?.live.isEmpty == false {
            decode?.held.append(placement, view)
            return placeHeld(at: now, &effects)
        }
        guard let node = chooseDecode(for: view, at: now) else { return watch.hold(.place(placement), at: now, &effects) }
        send(placement, to: node, &effects)
    }

    func send(_ placement: Placement, to node: Int32, _ effects: inout Effects) {
        effects.send(.place(placement), to: node, bytes: MessageSize.header)
        tellClient(placement.request, sentTo: node, decodes: true, &effects)
    }

    func tellClient(_ request: Assignment, sentTo node: Int32, decodes: Bool, _ effects: inout Effects) {
        let routed = Routed(id: request.id, stream: request.stream, node: node, decodes: decodes)
        effects.send(.routed(routed), to: Int32(ClusterLayout.client), bytes: MessageSize.header)
    }

    func reject(_ request: Assignment, _ effects: inout Effects) {
        effects.send(.rejected(id: request.id, stream: request.stream), to: Int32(ClusterLayout.client), bytes: MessageSize.header)
    }

    private mutating func chooseDecode(for view: RequestView, at now: Instant) -> Int32? {
        guard decode?.live.isEmpty == false else { return nil }
        busyUntil = decided(at: now, decode?.decisionTime ?? 0)
        let probe = probe
        guard let choice = probe.measure(.decodeRouting, { self.decode?.choose(for: view) }) ?? nil else { return nil }
        return decode?.nodes[choice]
    }

    /// A request as policies may see it, with what is predicted of it before it has produced anything that the controller has seen.
    func view(of request: Assignment, at now: Instant) -> RequestView {
        let prediction = predictor.predict(
            id: request.id, promptTokens: request.promptTokens, truth: request.outputTokens, generated: request.produced)
        var view = RequestView(id: request.id, promptTokens: request.knownTokens, priority: request.priority, prediction: prediction)
        view.generated = request.produced
        view.arrival = request.arrival
        view.now = now
        return view
    }
}
