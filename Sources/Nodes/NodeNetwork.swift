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

    init(node: Int, plan: ClusterPlan, layout: ClusterLayout) {
        self.node = node
        self.layout = layout
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
    @inline(__always)
    mutating func depart(_ send: Effects.Send, at now: Instant) -> Envelope {
        let link = layout.link(from: node, to: Int(send.target))
        let isBulk = send.message.channel == .cache
        let lane = Self.lane(link, isBulk: isBulk)
        let latency = latency[link.rawValue]
        let rate = rate[link.rawValue]
        let span: (start: Instant, end: Instant)
        if let streaming = send.streaming {
            span = sendPorts[lane].depart(
                now, bytes: send.bytes, rate: rate, readyFrom: streaming.first, readyUntil: streaming.last, lastBytes: streaming.lastBytes)
        } else {
            span = sendPorts[lane].depart(now, bytes: send.bytes, rate: rate)
        }
        defer { sequence &+= 1 }
        return Envelope(
            source: Int32(node), sequence: sequence, sent: now, head: span.start + latency, tail: span.end + latency, bytes: send.bytes,
            link: LinkIndex(link.rawValue), isBulk: isBulk, message: send.message)
    }

    /// When a message whose head has arrived is there as a whole. Must be called in the order of heads.
    @inline(__always)
    mutating func deliver(_ envelope: Envelope) -> Instant {
        let link = LinkKind(rawValue: Int(envelope.link)) ?? .control
        return receivePorts[Self.lane(link, isBulk: envelope.isBulk)]
            .deliver(head: envelope.head, tail: envelope.tail, bytes: envelope.bytes, rate: rate[link.rawValue])
    }
}
