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

    public init(next: Instant, earliest: ChannelTimes, held: ChannelTimes, sent: [Sent], progress: Progress) {
        self.next = next
        self.earliest = earliest
        self.held = held
        self.sent = sent
        self.progress = progress
    }

    /// The report of a node, with what it sent in the window that ends now.
    public init(of host: NodeHost, sent: [Sent]) {
        var earliest = ChannelTimes()
        for channel in Channel.allCases { earliest[channel] = host.earliestSend(on: channel) }
        var held = ChannelTimes()
        host.held(into: &held)
        self.init(next: host.next, earliest: earliest, held: held, sent: sent, progress: host.progress)
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

/// Leave for a node to handle its events before `until`, once it holds `expected` messages in all.
public struct Grant: Sendable, Equatable {
    public var node: Int32
    public var until: Instant
    /// Messages that the node must have received since the start of the run.
    public var expected: UInt64

    public init(node: Int32, until: Instant, expected: UInt64) {
        self.node = node
        self.until = until
        self.expected = expected
    }
}
