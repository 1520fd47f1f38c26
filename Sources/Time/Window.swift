import Nodes
import Quantities

/// What a node tells the timekeeper when it has come to the end of its window.
public struct WindowReport: Sendable, Equatable {
    /// Messages of one channel that the node sent to one other in the window.
    public struct Sent: Sendable, Equatable {
        public var target: Int32
        public var channel: Channel
        public var count: UInt32
        /// When the first of them reaches its receiver's port.
        public var firstHead: Instant

        public init(target: Int32, channel: Channel, count: UInt32, firstHead: Instant) {
            self.target = target
            self.channel = channel
            self.count = count
            self.firstHead = firstHead
        }
    }

    /// When the node can act next: its earliest timer or message held.
    public var next: Instant
    /// Per channel, when the node may send at the earliest if no more messages are handled.
    public var earliest: ChannelTimes
    /// Per channel, the earliest message that it holds and has not handled.
    public var held: ChannelTimes
    public var sent: [Sent]
    public var progress: Progress
    /// Of the table of faults that the node knows.
    public var version: Int64 = 0

    public init(next: Instant, earliest: ChannelTimes, held: ChannelTimes, sent: [Sent], progress: Progress) {
        self.next = next
        self.earliest = earliest
        self.held = held
        self.sent = sent
        self.progress = progress
    }

    /// The report of a node, with what left it in the window that ends now.
    /// - Parameter heldFrom: when the oldest message to the client that is held back was sent.
    public init(of host: NodeHost, sent: [Sent], heldFrom: Instant = .never) {
        var earliest = host.earliestSends
        earliest.lower(.stream, to: heldFrom)
        self.init(next: host.next, earliest: earliest, held: host.held, sent: sent, progress: host.progress)
        version = Int64(host.faults.version)
    }
}

/// Sums up what a node sends in a window, by target and channel.
public struct SentNotes: Sendable {
    public private(set) var notes: [WindowReport.Sent] = []

    public init() {}

    /// Counts a message.
    @inline(__always)
    public mutating func add(_ outgoing: Outgoing) {
        let channel = outgoing.envelope.message.channel
        guard channel != .layer else { return }
        // A window goes to few targets, and mostly to the last one again.
        for place in notes.indices.reversed() where notes[place].target == outgoing.target && notes[place].channel == channel {
            notes[place].count += 1
            notes[place].firstHead = min(notes[place].firstHead, outgoing.envelope.head)
            return
        }
        notes.append(WindowReport.Sent(target: outgoing.target, channel: channel, count: 1, firstHead: outgoing.envelope.head))
    }

    /// Forgets all, for the next window.
    public mutating func removeAll() { notes.removeAll(keepingCapacity: true) }
}

/// Leave for a node to handle its events before `until`, once it holds the messages that were sent to it before.
///
/// They are counted by sender: a total would not do, for a message that a fast sender has just sent can arrive before one that a
/// slow sender sent long ago, and would be taken for it.
public struct Grant: Sendable, Equatable {
    /// Messages that a sender has reported since the last grant.
    public struct Awaited: Sendable, Equatable {
        public var source: Int32
        public var count: UInt32

        public init(source: Int32, count: UInt32) {
            self.source = source
            self.count = count
        }
    }

    public var node: Int32
    public var until: Instant
    /// For the client of an open loop: the requests that arrive before may be sent already; 0: none. For others, other than 0: nothing may be
    /// held back.
    public var ahead: Instant
    public var awaited: [Awaited]

    /// Stands in `ahead` for: send what is held back.
    public static let flush: Instant = -1

    public init(node: Int32, until: Instant, ahead: Instant = 0, awaited: [Awaited]) {
        self.node = node
        self.until = until
        self.ahead = ahead
        self.awaited = awaited
    }
}

/// What a node has been told to wait for and what it has received, by sender.
public struct Arrivals: Sendable {
    /// Messages announced less messages received; negative for a sender whose messages came before their announcement.
    private var balance: [Int32]
    /// Messages announced that are not there.
    public private(set) var missing: Int64 = 0

    /// - Parameter nodes: number of nodes.
    public init(nodes: Int) { balance = Array(repeating: 0, count: nodes) }

    /// A grant announces messages.
    public mutating func announce(_ awaited: [Grant.Awaited]) {
        for item in awaited where balance.indices.contains(Int(item.source)) {
            let source = Int(item.source)
            let before = max(balance[source], 0)
            balance[source] += Int32(clamping: item.count)
            missing += Int64(max(balance[source], 0) - before)
        }
    }

    /// A sender has died: what it has announced and what is not there will not come.
    public mutating func forgive(_ source: Int32) {
        if balance[Int(source)] > 0 { missing -= Int64(balance[Int(source)]) }
        balance[Int(source)] = 0
    }

    /// A message has arrived.
    @inline(__always)
    public mutating func count(from source: Int32) {
        if balance[Int(source)] > 0 { missing -= 1 }
        balance[Int(source)] -= 1
    }
}
