import Cluster
import Policies
import Quantities

/// The router: admits requests and decides which workers compute them, on what load reports told it.
struct Controller {
    /// The workers of one phase, as the controller knows them.
    struct Group {
        var nodes: [Int32]
        var views: [WorkerView]
        /// Requests and prompt tokens sent to each, in all.
        var sentRequests: [Int64]
        var sentTokens: [Int64]
        /// Output tokens that these were predicted to produce.
        var sentPredicted: [Int64]
        var policy: any RoutingPolicy
        /// Whether requests wait here for a worker with room until the policy has decided on them together, and those that wait.
        let isBatched: Bool
        var held = HeldRequests()

        init(_ workers: [(node: Int32, shape: WorkerShape)], _ duty: Duty, policy: any RoutingPolicy) {
            nodes = workers.map(\.node)
            views = workers.map { node, shape in
                WorkerView(totalBlocks: shape.blocks, blockSize: Int64(shape.engine.blockSize), traits: shape.traits(of: node, duty))
            }
            sentRequests = Array(repeating: 0, count: workers.count)
            sentTokens = sentRequests
            sentPredicted = sentRequests
            self.policy = policy
            isBatched = policy is any BatchRoutingPolicy
        }

        mutating func choose(for view: RequestView) -> Int {
            let choice = min(max(policy.choose(for: view, among: views), 0), nodes.count - 1)
            note(view, sentTo: choice)
            return choice
        }

        /// Counts a request that is sent to a worker.
        mutating func note(_ view: RequestView, sentTo choice: Int) {
            let predicted = view.prediction.isKnown ? Int64(view.prediction.expected) : 0
            sentRequests[choice] += 1
            sentTokens[choice] += Int64(view.promptTokens)
            sentPredicted[choice] += predicted
            views[choice].unseenRequests += 1
            views[choice].unseenTokens += Int64(view.promptTokens)
            views[choice].unseenPredicted += predicted
        }

        mutating func update(_ place: Int, with load: LoadReport, sent: Instant) {
            views[place].reportedAt = sent
            views[place].waitingRequests = Int64(load.waitingRequests)
            views[place].runningRequests = Int64(load.runningRequests)
            views[place].waitingTokens = load.waitingTokens
            views[place].usedBlocks = load.usedBlocks
            views[place].contextTokens = load.contextTokens
            views[place].predictedTokens = load.predictedTokens
            views[place].endingRequests = load.endingRequests.map(Int64.init)
            views[place].endingTokens = load.endingTokens
            // No worker can have received more than was sent: a report that says so says nothing.
            views[place].unseenRequests = sentRequests[place] - min(max(load.receivedRequests, 0), sentRequests[place])
            views[place].unseenTokens = sentTokens[place] - min(max(load.receivedTokens, 0), sentTokens[place])
            views[place].unseenPredicted = sentPredicted[place] - min(max(load.receivedPredicted, 0), sentPredicted[place])
        }
    }

    var entry: Group
    var decode: Group?
    var admission: (any AdmissionPolicy)?
    /// For each entry worker, whether its caches are pushed by layers, so that the decode worker is chosen beforehand.
    private let choosesBeforehand: [Bool]
    /// Longest prompt plus output that every worker can hold.
    private let lengthLimit: Int64
    private let predictor: OutputPredictor
    /// Where in a group each node is: positive in `entry`, negative in `decode`, both shifted by one; 0 for the others.
    private var places: [Int32]
    /// What decisions take on the emulated clock, and until when the controller is busy with those made so far.
    let decisionCost: DecisionCost
    var busyUntil: Instant = 0
    /// What they take on the host.
    let probe: DecisionProbe?

    /// - Parameters:
    ///   - entry: workers that take new requests; never empty.
    ///   - decode: workers that take prefilled ones; empty for colocated clusters.
    ///   - admission: `nil`: every request is taken, and nothing decided.
    init(
        entry: [(node: Int32, shape: WorkerShape)], decode: [(node: Int32, shape: WorkerShape)], routing: any RoutingPolicy,
        decodeRouting: any RoutingPolicy, admission: (any AdmissionPolicy)? = nil, predictor: OutputPredictor = .none, nodes: Int,
        decisionCost: DecisionCost = .free, probe: DecisionProbe? = nil
    ) {
        self.predictor = predictor
        self.admission = admission
        self.decisionCost = decisionCost
        self.probe = probe
        self.entry = Group(entry, decode.isEmpty ? .colocated : .prefill, policy: routing)
        self.decode = decode.isEmpty ? nil : Group(decode, .decode, policy: decodeRouting)
        choosesBeforehand = entry.map { !decode.isEmpty && $0.shape.engine.transfer == .layerwise }
        lengthLimit = (entry + decode).map { Int64($0.shape.lengthLimit) }.min() ?? 0
        places = Array(repeating: 0, count: nodes)
        for (place, worker) in entry.enumerated() { places[Int(worker.node)] = Int32(place + 1) }
        for (place, worker) in decode.enumerated() { places[Int(worker.node)] = -Int32(place + 1) }
    }

    mutating func handle(_ envelope: Envelope, at now: Instant, _ effects: inout Effects) {
        switch envelope.message {
        case .submit(let request): route(request, at: now, &effects)
        case .prefilled(let placement): place(placement, at: now, &effects)
        case .status(let load):
            guard envelope.source >= 0, Int(envelope.source) < places.count else { return }
            let place = Int(places[Int(envelope.source)])
            if place > 0 {
                entry.update(place - 1, with: load, sent: envelope.sent)
                sendHeld(at: now, &effects)
            }
            if place < 0 {
                decode?.update(-place - 1, with: load, sent: envelope.sent)
                placeHeld(at: now, &effects)
            }
        case .assign, .place, .tokens, .milestone, .rejected, .pull, .cache, .release, .wake, .layer: break
        }
        // What is decided leaves when the decisions are made, one after the other.
        effects.delay = max(0, busyUntil - now)
    }

    private mutating func route(_ request: Assignment, at now: Instant, _ effects: inout Effects) {
        guard Int64(request.promptTokens) + Int64(request.outputTokens) <= lengthLimit else { return reject(request, &effects) }
        let view = view(of: request, at: now)
        guard admits(view, at: now) else { return reject(request, &effects) }
        if entry.isBatched {
            entry.held.append(Placement(request: request, prefillNode: -1, prefillSlot: -1), view)
            return sendHeld(at: now, &effects)
        }
        busyUntil = decided(at: now, entry.decisionTime)
        guard let choice = chooseEntry(for: view) else { return reject(request, &effects) }
        send(request, to: choice, at: now, &effects)
    }

    private func reject(_ request: Assignment, _ effects: inout Effects) {
        effects.send(.rejected(id: request.id, stream: request.stream), to: Int32(ClusterLayout.client), bytes: MessageSize.header)
    }

    /// Sends a new request to a worker of the entry group, and if its cache is to be pushed by layers tells the worker that gets it.
    mutating func send(_ request: Assignment, to choice: Int, at now: Instant, _ effects: inout Effects) {
        var request = request
        let worker = entry.nodes[choice]
        if choosesBeforehand[choice], let decodeNode = chooseDecode(for: request, at: now) {
            request.decodeNode = decodeNode
            let placement = Placement(request: request, prefillNode: worker, prefillSlot: -1)
            effects.send(.place(placement), to: decodeNode, bytes: MessageSize.header)
        }
        effects.send(.assign(request), to: worker, bytes: MessageSize.prompt(request.promptTokens))
    }

    private mutating func place(_ placement: Placement, at now: Instant, _ effects: inout Effects) {
        if decode?.isBatched == true {
            let view = view(of: placement.request, at: now)
            decode?.held.append(placement, view)
            return placeHeld(at: now, &effects)
        }
        guard let node = chooseDecode(for: placement.request, at: now) else { return }
        effects.send(.place(placement), to: node, bytes: MessageSize.header)
    }

    private mutating func chooseDecode(for request: Assignment, at now: Instant) -> Int32? {
        guard decode != nil else { return nil }
        let view = view(of: request, at: now)
        busyUntil = decided(at: now, decode?.decisionTime ?? 0)
        let probe = probe
        guard let choice = probe.measure(.decodeRouting, { self.decode?.choose(for: view) }) else { return nil }
        return decode?.nodes[choice]
    }

    /// A request as policies may see it, with what is predicted of it before it has produced anything that the controller has seen.
    private func view(of request: Assignment, at now: Instant) -> RequestView {
        let prediction = predictor.predict(
            id: request.id, promptTokens: request.promptTokens, truth: request.outputTokens, generated: 0)
        var view = RequestView(id: request.id, promptTokens: request.promptTokens, priority: request.priority, prediction: prediction)
        view.arrival = request.arrival
        view.now = now
        return view
    }
}
