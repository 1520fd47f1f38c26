import Quantities

/// What a node has decided to send, until the time that its decision takes is over.
struct Outbox: ~Copyable {
    private var sends = EventHeap<Effects.Send>()
    private var pushed: UInt32 = 0
    /// By channel, how many are there.
    private var counts = Array(repeating: 0, count: Channel.allCases.count)

    /// When the first of them leaves; `Instant.never` for none.
    @inline(__always)
    var firstTime: Instant { sends.firstTime }

    /// A time before which none of a channel leaves; `Instant.never` when there is none.
    func earliest(on channel: Channel) -> Instant { counts[Int(channel.rawValue)] > 0 ? sends.firstTime : .never }

    mutating func push(_ send: Effects.Send, at time: Instant) {
        sends.push(send, at: EventKey(time: time, source: 0, sequence: pushed))
        pushed &+= 1
        counts[Int(send.message.channel.rawValue)] += 1
    }

    mutating func pop() -> Effects.Send? {
        guard let event = sends.pop() else { return nil }
        counts[Int(event.payload.message.channel.rawValue)] -= 1
        return event.payload
    }
}
