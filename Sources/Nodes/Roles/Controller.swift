import Cluster
import Policies
import Quantities

/// The router: admits requests and decides which workers compute them, on what load reports told it.
struct Controller {
    var entry: WorkerGroup
    var decode: WorkerGroup?
    /// For each entry worker, whether its caches are pushed by layers, so that the decode worker is chosen beforehand.
    private let choosesBeforehand: [Bool]
    /// Longest prompt plus output that every worker can hold.
    private let lengthLimit: Int64
    private let predictor: OutputPredictor
    /// Where in a group each node is: positive in `entry`, negative in `decode`, both shifted by one; 0 for the others.
    let places: [Int32]
    var watch: WorkerWatch

    /// - Parameters:
    ///   - entry: workers that take new requests; never empty.
    ///   - decode: workers that take prefilled ones; empty for colocated clusters.
    init(
        entry: [(node: Int32, shape: WorkerShape)], decode: [(node: Int32, shape: WorkerShape)], routing: any RoutingPolicy,
        decodeRouting: any RoutingPolicy, predictor: OutputPredictor = .none, nodes: Int, watch: WorkerWatch
    ) {
        self.predictor = predictor
        self.entry = WorkerGroup(entry, policy: routing)
        self.decode = decode.isEmpty ? nil : WorkerGroup(decode, policy: decodeRouting)
        self.watch = watch
        choosesBeforehand = entry.map { !decode.isEmpty && $0.shape.engine.transfer == .layerwise }
        lengthLimit = (entry + decode).map { Int64($0.shape.lengthLimit) }.min() ?? 0
        var places = Array(repeating: Int32(0), count: nodes)
        for (place, worker) in entry.enumerated() { places[Int(worker.node)] = Int32(place + 1) }
        for (place, worker) in decode.enumerated() { places[Int(worker.node)] = -Int32(place + 1) }
        self.places = places
    }

    mutating func handle(_ envelope: Envelope, at now: Instant, _ effects: inout Effects) {
        guard watch.believes(envelope) else {
            effects.fenced += 1
            return
        }
        switch envelope.message {
        case .submit(let request): route(request, at: now, &effects)
        case .prefilled(let placement): place(placement, at: now, &effects)
        case .status(let load): update(envelope.source, with: load, sent: envelope.sent)
        case .hello: welcome(envelope.source, born: envelope.born, at: now, &effects)
        case .assign, .place, .tokens, .milestone, .rejected, .routed, .pull, .cache, .release, .wake, .fence, .fenced, .takeover, .cancel, .layer:
            break
        }
    }

    private mutating func update(_ source: Int32, with load: LoadReport, sent: Instant) {
        guard source >= 0, Int(source) < places.count else { return }
        let place = Int(places[Int(source)])
        if place > 0 { entry.update(place - 1, with: load, sent: sent) }
        if place < 0 { decode?.update(-place - 1, with: load, sent: sent) }
    }

    mutating func route(_ request: Assignment, at now: Instant, _ effects: inout Effects) {
        guard Int64(request.promptTokens) + Int64(request.outputTokens) <= lengthLimit else { return reject(request, &effects) }
        var request = request
        let prediction = prediction(of: request)
        guard let choice = entry.choose(for: request, prediction) else { return watch.hold(.assign(request), at: now, &effects) }
        let worker = entry.nodes[choice]
        if choosesBeforehand[choice] {
            guard let decodeNode = chooseDecode(for: request) else {
                entry.takeBack(request, from: choice)
                return watch.hold(.assign(request), at: now, &effects)
            }
            request.decodeNode = decodeNode
            send(Placement(request: request, prefillNode: worker, prefillSlot: -1), to: decodeNode, &effects)
        }
        effects.send(.assign(request), to: worker, bytes: MessageSize.prompt(request.knownTokens))
        tellClient(request, sentTo: worker, decodes: false, &effects)
    }

    mutating func place(_ placement: Placement, at now: Instant, _ effects: inout Effects) {
        guard let node = chooseDecode(for: placement.request) else { return watch.hold(.place(placement), at: now, &effects) }
        send(placement, to: node, &effects)
    }

    private func send(_ placement: Placement, to node: Int32, _ effects: inout Effects) {
        effects.send(.place(placement), to: node, bytes: MessageSize.header)
        tellClient(placement.request, sentTo: node, decodes: true, &effects)
    }

    private func tellClient(_ request: Assignment, sentTo node: Int32, decodes: Bool, _ effects: inout Effects) {
        let routed = Routed(id: request.id, stream: request.stream, node: node, decodes: decodes)
        effects.send(.routed(routed), to: Int32(ClusterLayout.client), bytes: MessageSize.header)
    }

    func reject(_ request: Assignment, _ effects: inout Effects) {
        effects.send(.rejected(id: request.id, stream: request.stream), to: Int32(ClusterLayout.client), bytes: MessageSize.header)
    }

    private mutating func chooseDecode(for request: Assignment) -> Int32? {
        let prediction = prediction(of: request)
        guard let choice = decode?.choose(for: request, prediction) else { return nil }
        return decode?.nodes[choice]
    }

    /// What is predicted of a request as the controller knows it: with the tokens that it had produced when a worker failed.
    private func prediction(of request: Assignment) -> Prediction {
        predictor.predict(id: request.id, promptTokens: request.promptTokens, truth: request.outputTokens, generated: request.produced)
    }
}
