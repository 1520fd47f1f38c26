import Quantities

/// What a node has to send and cannot yet: until the time that a decision takes is over, or until a link is whole again.
struct Outbox: ~Copyable {
    enum Item {
        /// Goes to the network then.
        case decided(Effects.Send)
        /// The network has it: its times are known.
        case onItsWay(Outgoing)

        var channel: Channel {
            switch self {
            case .decided(let send): send.message.channel
            case .onItsWay(let outgoing): outgoing.envelope.message.channel
            }
        }
    }

    private var items = EventHeap<Item>()
    private var pushed: UInt32 = 0
    /// By channel, how many are there.
    private var counts = Array(repeating: 0, count: Channel.allCases.count)

    /// When the first of them leaves; `Instant.never` for none.
    @inline(__always)
    var firstTime: Instant { items.firstTime }

    /// A time before which none of a channel leaves; `Instant.never` when there is none.
    func earliest(on channel: Channel) -> Instant { counts[Int(channel.rawValue)] > 0 ? items.firstTime : .never }

    mutating func push(_ item: Item, at time: Instant) {
        items.push(item, at: EventKey(time: time, source: 0, sequence: pushed))
        pushed &+= 1
        counts[Int(item.channel.rawValue)] += 1
    }

    mutating func pop() -> Item? {
        guard let event = items.pop() else { return nil }
        counts[Int(event.payload.channel.rawValue)] -= 1
        return event.payload
    }
}
