import Cluster
import Models
import Quantities

/// Machines that all requests need for the same thing, of one pool or of several.
struct ClusterPhase {
    enum Part: Sendable {
        /// Prompts, outputs after the first token, or both.
        case prompts, outputs, both
    }

    let name: String
    let part: Part
    let pools: [PoolService]

    var speed: Double { pools.reduce(0) { $0 + $1.speed } }

    /// A request's work, on the pool that needs least for it.
    func work(_ request: BoundRequest) -> Double { least { work(request, on: $0) } }

    private func work(_ request: BoundRequest, on pool: PoolService) -> Double {
        switch part {
        case .prompts: pool.promptWork(request)
        case .outputs: pool.outputWork(request)
        case .both: pool.promptWork(request) + pool.outputWork(request)
        }
    }

    /// How long before its end a request has its work done, on average over its work.
    ///
    /// Tokens come one after the other: after the `j`-th of `n` there are `n - j` to come, each of which takes the least time of any, and the
    /// prompt was computed before all of them.
    func lead(_ request: BoundRequest) -> Double {
        guard part != .prompts, request.output > 1 else { return 0 }
        return least { pool in
            let count = Double(request.output - 1)
            let work = work(request, on: pool)
            guard work > 0 else { return 0 }
            let outputs = pool.firstOutputWork(request) * pool.firstOutputTime(request) * count * (count - 1) / 2
            let prompt = part == .both ? pool.promptWork(request) * pool.firstOutputTime(request) * count : 0
            return (outputs + prompt) / work
        }
    }

    private func least(_ value: (PoolService) -> Double) -> Double { pools.map(value).min() ?? 0 }

    /// The phase with its time divided in the way that asks for most, over all requests.
    func divided(for requests: [BoundRequest]) -> ClusterPhase {
        guard let first = pools.first else { return self }
        // A sample decides; any way is valid.
        let step = max(1, requests.count / 1_000)
        let sample = stride(from: 0, to: requests.count, by: step).map { requests[$0] }
        var best = (work: -1.0, phase: self)
        for place in first.divisions.indices {
            let phase = ClusterPhase(name: name, part: part, pools: pools.map { $0.divisions[place] })
            let total = sample.reduce(0) { $0 + phase.work($1) }
            if total > best.work { best = (total, phase) }
        }
        return best.phase
    }
}

/// The network as far as it delays every request, in nanoseconds.
struct ClusterPaths {
    /// From the client over the controller to a worker, and from a worker to the client.
    let request: Double
    let answer: Double
    /// Least latency of what a cache needs to get from a prefill worker to a decode worker, and nanoseconds a byte on top.
    private let transferLatency: Double
    private let perByte: Double
    private let model: ModelShape?
    /// Bytes a second that all prefill workers can send, and all decode workers receive; `nil` where no caches travel.
    let cacheRate: Double?

    init(_ plan: ClusterPlan) {
        let control = Double(plan.links.control.latency)
        (request, answer) = (2 * control, control)
        let prefill = plan.pools.indices.filter { plan.duty(of: plan.pools[$0].role) == .prefill }
        let decode = plan.pools.indices.filter { plan.duty(of: plan.pools[$0].role) == .decode }
        let isMixed = plan.pools.contains { plan.duty(of: $0.role) == .colocated }
        guard let first = prefill.first, !decode.isEmpty, !isMixed else {
            (transferLatency, perByte, model, cacheRate) = (0, 0, nil, nil)
            return
        }
        let layout = ClusterLayout(plan)
        let senders = layout.nodes.filter { $0.pool.map(prefill.contains) ?? false }
        let receivers = layout.nodes.filter { $0.pool.map(decode.contains) ?? false }
        var (latency, rate) = (Double.infinity, 0.0)
        var sends = Array(repeating: Set<Int>(), count: layout.nodes.count)
        for sender in senders {
            for receiver in receivers {
                let kind = layout.link(from: sender.index, to: receiver.index)
                latency = min(latency, Double(plan.links[kind].latency))
                rate = max(rate, min(Self.rate(kind, sender, plan), Self.rate(kind, receiver, plan)))
                sends[sender.index].insert(kind.rawValue)
                sends[receiver.index].insert(kind.rawValue)
            }
        }
        let isPushed = prefill.contains { plan.pools[$0].engine.transfer == .layerwise }
        transferLatency = isPushed ? latency : 2 * latency + 2 * control
        perByte = isPushed || rate <= 0 ? 0 : 1e9 / rate
        model = plan.pools[first].model
        let rates = [senders, receivers].map { nodes in
            nodes.reduce(0.0) { sum, node in
                let bulk = LinkKind.allCases.filter { sends[node.index].contains($0.rawValue) }
                // Links beyond the host share the network card, in a lane of its own.
                let own = bulk.filter { $0 == .intraNode }.map { Self.rate($0, node, plan) }.max() ?? 0
                let card = bulk.filter { $0 != .intraNode }.map { Self.rate($0, node, plan) }.max() ?? 0
                return sum + own + card
            }
        }
        cacheRate = rates.min()
    }

    private static func rate(_ kind: LinkKind, _ node: NodePlan, _ plan: ClusterPlan) -> Double {
        guard let place = node.pool else { return 0 }
        let pool = plan.pools[place]
        let port = kind == .intraNode ? pool.device.scaleUpBandwidth : pool.device.nicBandwidth
        return Double(plan.links[kind].bandwidth ?? port) * Double(pool.devices)
    }

    /// Least time between a prompt's end and the start of decoding elsewhere.
    func transfer(_ request: BoundRequest) -> Double { transferLatency + Double(bytes(request)) * perByte }

    /// Bytes of a request's cache that travel.
    func bytes(_ request: BoundRequest) -> ByteCount {
        request.output > 1 ? model?.cacheBytes(context: Int64(request.prompt)) ?? 0 : 0
    }
}
