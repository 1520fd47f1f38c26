import Cluster
import Models
import Quantities

/// A node's ports to the network, by lane, and what it needs to know of the links.
///
/// Each node has four lanes in each direction, every one a queue of its own: the front-end network (client and controller),
/// small messages of the fabric, and bulk data over the host's own links and over the network card. Bulk data so never holds up
/// a token or a pull, as it does not where those travel on another card or at higher priority.
struct NodeNetwork {
    private static let lanes = 4

    let node: Int
    let layout: ClusterLayout
    private let latency: [Nanoseconds]
    /// Bytes per second of this node's port for each kind of link.
    private let rate: [BytesPerSecond]
    private var sendPorts = Array(repeating: SendPort(), count: lanes)
    private var receivePorts = Array(repeating: ReceivePort(), count: lanes)
    private var sequence: UInt32 = 0
    private let faults: FaultTable
    /// Which messages are lost on a link that loses some.
    private var losses: RandomStream
    /// Where links get better and worse: by target and lane, when the last message got there. A connection keeps its order.
    private var lastHeads: [Instant] = []
    private var lastTails: [Instant] = []
    /// What has met a link that is cut until nobody knows when.
    private var stalled: [Stalled] = []

    /// What becomes of a message that is handed over.
    enum Fate {
        case onItsWay(Envelope)
        /// It has met a link that is cut until nobody knows when.
        case stalled
        /// One of its ends does not live to see it there.
        case lost
    }

    private struct Stalled {
        var send: Effects.Send
        var sent: Instant
        var span: (start: Instant, end: Instant)
        var sequence: UInt32
        var born: Instant
    }

    init(node: Int, plan: ClusterPlan, layout: ClusterLayout, faults: FaultTable) {
        self.node = node
        self.layout = layout
        self.faults = faults
        losses = RandomStream(seed: plan.seed, stream: RandomPurpose.losses(of: node))
        latency = LinkKind.allCases.map { plan.links[$0].latency }
        let pool = layout.nodes[node].pool.map { plan.pools[$0] }
        rate = LinkKind.allCases.map { kind in
            if let bandwidth = plan.links[kind].bandwidth, kind == .control || pool == nil { return bandwidth }
            guard let pool else { return NodeNetwork.frontEndRate }
            let port = kind == .intraNode ? pool.device.scaleUpBandwidth : pool.device.nicBandwidth
            return (plan.links[kind].bandwidth ?? port) * BytesPerSecond(kind == .control ? 1 : pool.devices)
        }
    }

    /// What the client's and the controller's card passes when the topology does not say: 25 Gb/s.
    private static let frontEndRate: BytesPerSecond = 3_125_000_000

    @inline(__always)
    private static func lane(_ link: LinkKind, isBulk: Bool) -> Int {
        if link == .control { return 0 }
        if !isBulk { return 1 }
        return link == .intraNode ? 2 : 3
    }

    /// Hands a message to the network at `now`.
    /// - Parameter born: when the sender's process was.
    @inline(__always)
    mutating func depart(_ send: Effects.Send, at now: Instant, born: Instant) -> Fate {
        let link = layout.link(from: node, to: Int(send.target))
        let isBulk = send.message.isBulk
        let lane = Self.lane(link, isBulk: isBulk)
        var latency = latency[link.rawValue]
        var rate = rate[link.rawValue]
        if faults.hasLinkFaults { worsen(&latency, &rate, to: Int(send.target), at: now) }
        let span: (start: Instant, end: Instant)
        if let streaming = send.streaming {
            span = sendPorts[lane].depart(
                now, bytes: send.bytes, rate: rate, readyFrom: streaming.first, readyUntil: streaming.last, lastBytes: streaming.lastBytes)
        } else {
            span = sendPorts[lane].depart(now, bytes: send.bytes, rate: rate)
        }
        defer { sequence &+= 1 }
        guard latency < .never else {
            stalled.append(Stalled(send: send, sent: now, span: span, sequence: sequence, born: born))
            return .stalled
        }
        return fate(of: send, over: link, lane, at: now, span, latency, sequence, born)
    }

    /// What becomes of a message that leaves its port in a span.
    @inline(__always)
    private mutating func fate(
        of send: Effects.Send, over link: LinkKind, _ lane: Int, at now: Instant, _ span: (start: Instant, end: Instant), _ latency: Nanoseconds,
        _ sequence: UInt32, _ born: Instant
    ) -> Fate {
        var (head, tail) = (span.start + latency, span.end + latency)
        if faults.hasLinkFaults { keepOrder(&head, &tail, place: Int(send.target) * Self.lanes + lane) }
        if !faults.isEmpty {
            guard !faults.isLost(to: Int(send.target), sent: now, arrives: tail),
                !faults.isCutShort(from: node, sent: now, leaves: span.end)
            else { return .lost }
        }
        return .onItsWay(
            Envelope(
                source: Int32(node), sequence: sequence, born: born, sent: now, head: head, tail: tail, bytes: send.bytes,
                link: LinkIndex(link.rawValue), isBulk: send.message.isBulk, message: send.message))
    }

    /// A link that is worse than it was. What meets one that is cut waits until it is whole; what is lost on the way is sent again, each time after
    /// a time-out.
    private mutating func worsen(_ latency: inout Nanoseconds, _ rate: inout BytesPerSecond, to target: Int, at now: Instant) {
        let (opens, found) = faults.link(from: node, to: target, at: now)
        guard opens < .never else {
            latency = .never
            return
        }
        latency += opens - now
        for fault in found {
            latency += fault.latency
            rate = max(1, BytesPerSecond(Double(rate) * fault.bandwidth))
            var tries = 0
            while fault.loss > 0, tries < Self.tryLimit, losses.unit() < fault.loss {
                latency += fault.retransmission
                tries += 1
            }
        }
    }

    /// The links have changed: what has met a cut one and is on its way now, by when that passes something again. How many more are lost is told, too.
    mutating func retry() -> (found: [(opens: Instant, outgoing: Outgoing)], lost: Int) {
        var found: [(opens: Instant, outgoing: Outgoing)] = []
        var lost = 0
        let waiting = stalled
        stalled = []
        for item in waiting {
            let target = Int(item.send.target)
            let opens = faults.link(from: node, to: target, at: item.sent).opens
            guard opens < .never else {
                stalled.append(item)
                continue
            }
            let link = layout.link(from: node, to: target)
            var latency = latency[link.rawValue]
            var rate: BytesPerSecond = 1
            worsen(&latency, &rate, to: target, at: item.sent)
            let lane = Self.lane(link, isBulk: item.send.message.isBulk)
            switch fate(of: item.send, over: link, lane, at: item.sent, item.span, latency, item.sequence, item.born) {
            case .onItsWay(let envelope): found.append((opens, Outgoing(target: item.send.target, envelope: envelope)))
            case .lost, .stalled: lost += 1
            }
        }
        return (found, lost)
    }

    private mutating func keepOrder(_ head: inout Instant, _ tail: inout Instant, place: Int) {
        if lastHeads.isEmpty {
            lastHeads = Array(repeating: 0, count: layout.nodes.count * Self.lanes)
            lastTails = lastHeads
        }
        head = max(head, lastHeads[place])
        tail = max(tail, lastTails[place])
        lastHeads[place] = head
        lastTails[place] = tail
    }

    /// A message gets through at the latest at this try.
    private static let tryLimit = 64

    /// When a message whose head has arrived is there as a whole. Must be called in the order of heads.
    @inline(__always)
    mutating func deliver(_ envelope: Envelope) -> Instant {
        let link = LinkKind(rawValue: Int(envelope.link)) ?? .control
        return receivePorts[Self.lane(link, isBulk: envelope.isBulk)]
            .deliver(head: envelope.head, tail: envelope.tail, bytes: envelope.bytes, rate: rate[link.rawValue])
    }
}
