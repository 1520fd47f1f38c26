import Cluster
import Policies
import Quantities

/// The router: admits requests and decides which workers compute them, on what load reports told it.
struct Controller {
    /// The workers of one phase, as the controller knows them.
    private struct Group {
        var nodes: [Int32]
        var views: [WorkerView]
        /// Requests and prompt tokens sent to each, in all.
        var sentRequests: [Int64]
        var sentTokens: [Int64]
        var policy: any RoutingPolicy

        init(_ workers: [(node: Int32, shape: WorkerShape)], policy: any RoutingPolicy) {
            nodes = workers.map(\.node)
            views = workers.map { WorkerView(totalBlocks: $0.shape.blocks, blockSize: Int64($0.shape.engine.blockSize)) }
            sentRequests = Array(repeating: 0, count: workers.count)
            sentTokens = sentRequests
            self.policy = policy
        }

        mutating func choose(for request: Assignment, _ prediction: Prediction) -> Int {
            let view = RequestView(id: request.id, promptTokens: request.promptTokens, priority: request.priority, prediction: prediction)
            let choice = min(max(policy.choose(for: view, among: views), 0), nodes.count - 1)
            sentRequests[choice] += 1
            sentTokens[choice] += Int64(request.promptTokens)
            views[choice].unseenRequests += 1
            views[choice].unseenTokens += Int64(request.promptTokens)
            return choice
        }

        mutating func update(_ place: Int, with load: LoadReport, sent: Instant) {
            views[place].reportedAt = sent
            views[place].waitingRequests = Int64(load.waitingRequests)
            views[place].runningRequests = Int64(load.runningRequests)
            views[place].waitingTokens = load.waitingTokens
            views[place].usedBlocks = load.usedBlocks
            // No worker can have received more than was sent: a report that says so says nothing.
            views[place].unseenRequests = sentRequests[place] - min(max(load.receivedRequests, 0), sentRequests[place])
            views[place].unseenTokens = sentTokens[place] - min(max(load.receivedTokens, 0), sentTokens[place])
        }
    }

    private var entry: Group
    private var decode: Group?
    /// For each entry worker, whether its caches are pushed by layers, so that the decode worker is chosen beforehand.
    private let choosesBeforehand: [Bool]
    /// Longest prompt plus output that every worker can hold.
    private let lengthLimit: Int64
    private let predictor: OutputPredictor
    /// Where in a group each node is: positive in `entry`, negative in `decode`, both shifted by one; 0 for the others.
    private var places: [Int32]

    /// - Parameters:
    ///   - entry: workers that take new requests; never empty.
    ///   - decode: workers that take prefilled ones; empty for colocated clusters.
    init(
        entry: [(node: Int32, shape: WorkerShape)], decode: [(node: Int32, shape: WorkerShape)], routing: any RoutingPolicy,
        decodeRouting: any RoutingPolicy, predictor: OutputPredictor = .none, nodes: Int
    ) {
        self.predictor = predictor
        self.entry = Group(entry, policy: routing)
        self.decode = decode.isEmpty ? nil : Group(decode, policy: decodeRouting)
        choosesBeforehand = entry.map { !decode.isEmpty && $0.shape.engine.transfer == .layerwise }
        lengthLimit = (entry + decode).map { Int64($0.shape.lengthLimit) }.min() ?? 0
        places = Array(repeating: 0, count: nodes)
        for (place, worker) in entry.enumerated() { places[Int(worker.node)] = Int32(place + 1) }
        for (place, worker) in decode.enumerated() { places[Int(worker.node)] = -Int32(place + 1) }
    }

    mutating func handle(_ envelope: Envelope, at now: Instant, _ effects: inout Effects) {
        switch envelope.message {
        case .submit(let request): route(request, &effects)
        case .prefilled(let placement): place(placement, &effects)
        case .status(let load):
            guard envelope.source >= 0, Int(envelope.source) < places.count else { return }
            let place = Int(places[Int(envelope.source)])
            if place > 0 { entry.update(place - 1, with: load, sent: envelope.sent) }
            if place < 0 { decode?.update(-place - 1, with: load, sent: envelope.sent) }
        case .assign, .place, .tokens, .milestone, .rejected, .pull, .cache, .release, .wake, .layer: break
        }
    }

    private mutating func route(_ request: Assignment, _ effects: inout Effects) {
        guard Int64(request.promptTokens) + Int64(request.outputTokens) <= lengthLimit else {
            effects.send(.rejected(id: request.id, stream: request.stream), to: Int32(ClusterLayout.client), bytes: MessageSize.header)
            return
        }
        var request = request
        let prediction = prediction(of: request)
        let choice = entry.choose(for: request, prediction)
        let worker = entry.nodes[choice]
        if choosesBeforehand[choice], let decodeNode = chooseDecode(for: request) {
            request.decodeNode = decodeNode
            let placement = Placement(request: request, prefillNode: worker, prefillSlot: -1)
            effects.send(.place(placement), to: decodeNode, bytes: MessageSize.header)
        }
        effects.send(.assign(request), to: worker, bytes: MessageSize.prompt(request.promptTokens))
    }

    private mutating func place(_ placement: Placement, _ effects: inout Effects) {
        guard let node = chooseDecode(for: placement.request) else { return }
        effects.send(.place(placement), to: node, bytes: MessageSize.header)
    }

    private mutating func chooseDecode(for request: Assignment) -> Int32? {
        let prediction = prediction(of: request)
        guard let choice = decode?.choose(for: request, prediction) else { return nil }
        return decode?.nodes[choice]
    }

    /// What is predicted of a request before it has produced anything that the controller has seen.
    private func prediction(of request: Assignment) -> Prediction {
        predictor.predict(id: request.id, promptTokens: request.promptTokens, truth: request.outputTokens, generated: 0)
    }
}
