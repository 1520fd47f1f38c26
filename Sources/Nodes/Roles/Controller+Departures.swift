import Cluster
import Models
import Policies
import Quantities

/// What a controller needs to know to have caches moved.
struct EvacuationDesk {
    var policy: any PreemptionPolicy
    let layout: ClusterLayout
    /// By node, the shape of the worker there; `nil` for the others.
    let shapes: [WorkerShape?]
    private let links: LinkPlan
    private let plan: ClusterPlan

    init(_ policy: any PreemptionPolicy, _ plan: ClusterPlan, _ layout: ClusterLayout, shapes: [WorkerShape]) {
        self.policy = policy
        self.layout = layout
        self.plan = plan
        self.shapes = layout.nodes.map { node in node.pool.map { shapes[$0] } }
        links = plan.links
    }

    /// A worker of the same model that caches of a leaving one could go to; `nil` for others.
    func refuge(_ node: Int32, _ view: WorkerView, from source: Int32) -> Refuge? {
        guard node != source, let shape = shapes[Int(node)], let own = shapes[Int(source)], shape.model == own.model,
            let pool = layout.nodes[Int(source)].pool.map({ plan.pools[$0] })
        else { return nil }
        let kind = layout.link(from: Int(source), to: Int(node))
        let port = kind == .intraNode ? pool.device.scaleUpBandwidth : pool.device.nicBandwidth
        let nearness: Int64 = kind == .intraNode ? 2 : kind == .interNode ? 1 : 0
        return Refuge(view, nearness: nearness, bandwidth: (links[kind].bandwidth ?? port) * BytesPerSecond(pool.devices))
    }
}

extension Controller {
    /// A worker will be ended or rest: it gets nothing new, and the caches of what runs there may go to others.
    mutating func release(_ leaving: Leaving, from source: Int32, at now: Instant, _ effects: inout Effects) {
        let place = Int(places[Int(source)])
        guard place != 0 else { return }
        quit(source, at: now, &effects)
        if leaving.deadline == .never { note(.draining, of: source) }
        guard var desk, leaving.deadline < .never, !leaving.running.isEmpty else { return }
        guard let group = place > 0 ? (decode == nil ? entry : nil) : decode, let shape = desk.shapes[Int(source)] else { return }
        let refuges = group.live.compactMap { place in
            desk.refuge(group.nodes[place], group.views[place], from: source).map { (group.nodes[place], $0) }
        }
        let requests = leaving.running.map {
            DepartingRequest(cacheBytes: shape.cacheBytes($0.cached), tokens: Int64($0.cached), produced: Int64($0.produced))
        }
        let view = DepartureView(now: now, deadline: leaving.deadline, requests: requests, refuges: refuges.map(\.1))
        let plan = desk.policy.plan(view)
        self.desk = desk
        let moves = plan.moves.compactMap { move -> Evacuation.Move? in
            guard leaving.running.indices.contains(move.request), refuges.indices.contains(move.refuge) else { return nil }
            let request = leaving.running[move.request]
            return Evacuation.Move(id: request.id, stream: request.stream, node: refuges[move.refuge].0)
        }
        guard !moves.isEmpty else { return }
        effects.send(.evacuate(Evacuation(start: max(0, plan.start), moves: moves)), to: source, bytes: MessageSize.list(moves.count))
    }

    /// Sends a request to the worker that has its cache already; whether that is there.
    mutating func sendToHolder(_ request: Assignment, _ view: RequestView, _ effects: inout Effects) -> Bool {
        guard request.holder >= 0, Int(request.holder) < places.count, !watch.isDead[Int(request.holder)] else { return false }
        let place = Int(places[Int(request.holder)])
        if place > 0, decode == nil, entry.live.contains(place - 1) {
            entry.note(view, sentTo: place - 1)
        } else if place < 0, decode?.live.contains(-place - 1) == true {
            decode?.note(view, sentTo: -place - 1)
        } else {
            return false
        }
        effects.send(.adopt(request), to: request.holder, bytes: MessageSize.prompt(request.knownTokens))
        tellClient(request, sentTo: request.holder, decodes: place < 0, &effects)
        return true
    }

    /// A worker rests.
    mutating func noteRetired(_ node: Int32, at now: Instant, _ effects: inout Effects) {
        guard places[Int(node)] != 0 else { return }
        note(.resting, of: node)
        quit(node, at: now, &effects)
    }
}
