import Quantities

/// One rank's side of the exchanges of a layer: what it sends to all others at once, and what it gets from them.
///
/// The model. A rank's messages of one exchange leave together, those inside the host by one port and those to other hosts by another, in turns
/// so that all arrive when the last does. With `b` bytes on a path of latency `a` and bandwidth `B`:
/// - sender: `start = max(ready, port free)`, `head = start + a`, `tail = start + b / B + a`, and the port is free at `start + b / B`;
/// - receiver: `start = max(first head, port free)`, `end = start + b' / B'` for the `b'` bytes that it gets on the path, and the path is done at
///   `max(end, last tail)`; the exchange is done when both paths are.
///
/// Where all ranks are ready at once this is `a + max over ranks(sent, received) / B`, the form that measured all-to-alls are fitted to
/// (`AllToAllModel`). Assumptions: full bisection; exchanges of a rank are served in their order, so one that waits for a late sender holds up
/// the next; everything that a rank sends on a path arrives with its last byte, which is late by less than `b / B` for all but the last.
public struct ExchangePort: Sendable, Equatable {
    private var nearOut: Instant = 0
    private var farOut: Instant = 0
    private var nearIn: Instant = 0
    private var farIn: Instant = 0

    public init() {}

    /// No exchange holds a port up for longer than this, 19 hours: so that sums over all exchanges of an iteration are times too.
    public static let longest: Nanoseconds = 1 << 46

    @inline(__always)
    private static func time(_ bytes: ByteCount, _ path: AllToAllModel.Path) -> Nanoseconds {
        min(transmissionTime(bytes, at: path.bandwidth), longest)
    }

    /// Sends what an exchange asks for.
    /// - Parameters:
    ///   - ready: when the bytes are there.
    ///   - near: bytes to ranks of the same host; `far`: to other hosts.
    ///   - paths: latency, and bandwidth of the sender's ports.
    @inline(__always)
    public mutating func depart(_ ready: Instant, near: ByteCount, far: ByteCount, over paths: AllToAllModel.Phase) -> Departure {
        let nearStart = max(ready, nearOut)
        let farStart = max(ready, farOut)
        nearOut = nearStart + Self.time(near, paths.scaleUp)
        farOut = farStart + Self.time(far, paths.scaleOut)
        return Departure(
            sent: ready, near: Flight(head: nearStart + paths.scaleUp.latency, tail: nearOut + paths.scaleUp.latency),
            far: Flight(head: farStart + paths.scaleOut.latency, tail: farOut + paths.scaleOut.latency))
    }

    /// Sends on one path what a rank has of its own, and passes on what comes to it, chunk by chunk as it comes.
    ///
    /// The own bytes go first; what is passed on follows from its first byte's arrival on, and its last byte leaves when it has come, or later. The port is
    /// taken for as long as all the bytes take, and not while it waits for them.
    /// - Parameters:
    ///   - ready: when the own bytes are there, and before which nothing is passed on.
    ///   - arriving: when the first of the bytes to pass on comes and when all are there; `nil`: there are none.
    ///   - isFar: whether they go to other hosts.
    @inline(__always)
    public mutating func relay(
        _ ready: Instant, own: ByteCount, passed: ByteCount, arriving: Flight?, over path: AllToAllModel.Path, isFar: Bool
    ) -> Flight {
        var start = max(ready, isFar ? farOut : nearOut)
        let (first, rest) = (Self.time(own, path), Self.time(passed, path))
        if isFar { farOut = start + first + rest } else { nearOut = start + first + rest }
        var end = start + first
        if let arriving {
            if own == 0 { start = max(start, arriving.head) }
            end = max(max(end, arriving.head) + rest, arriving.tail)
        }
        return Flight(head: start + path.latency, tail: end + path.latency)
    }

    /// Takes in what an exchange brought. Answers when all of it is there.
    @inline(__always)
    public mutating func receive(near: Incoming, far: Incoming, over paths: AllToAllModel.Phase) -> Instant {
        var done: Instant = 0
        if near.lastTail >= 0 {
            nearIn = max(near.firstHead, nearIn) + Self.time(near.bytes, paths.scaleUp)
            done = max(nearIn, near.lastTail)
        }
        if far.lastTail >= 0 {
            farIn = max(far.firstHead, farIn) + Self.time(far.bytes, paths.scaleOut)
            done = max(done, max(farIn, far.lastTail))
        }
        return done
    }
}

/// When the first byte of what a rank sends on a path can be received, and the last.
public struct Flight: Sendable, Equatable {
    public var head: Instant
    public var tail: Instant

    public init(head: Instant, tail: Instant) {
        self.head = head
        self.tail = tail
    }
}

/// What left a rank in one exchange.
public struct Departure: Sendable, Equatable {
    /// When it was ready to be sent.
    public var sent: Instant
    public var near: Flight
    public var far: Flight

    public init(sent: Instant, near: Flight, far: Flight) {
        self.sent = sent
        self.near = near
        self.far = far
    }
}

/// What a rank gets on one path in one exchange. The order in which messages are added does not matter.
public struct Incoming: Sendable, Equatable {
    public var firstHead: Instant = .never
    /// -1: nothing came.
    public var lastTail: Instant = -1
    public var bytes: ByteCount = 0
    /// Who sent what arrived last, by any number that tells senders apart, and when; of equals the lowest.
    public var lastSource: Int32 = -1
    public var lastSent: Instant = -1

    public init() {}

    /// Adds a message.
    @inline(__always)
    public mutating func add(_ flight: Flight, sent: Instant, from source: Int32, bytes: ByteCount) {
        if flight.head < firstHead { firstHead = flight.head }
        self.bytes += bytes
        if flight.tail > lastTail || (flight.tail == lastTail && source < lastSource) {
            lastTail = flight.tail
            lastSource = source
            lastSent = sent
        }
    }

    /// Adds what others sent, apart from the bytes, which differ by receiver.
    @inline(__always)
    public mutating func add(_ other: Incoming) {
        guard other.lastTail >= 0 else { return }
        add(Flight(head: other.firstHead, tail: other.lastTail), sent: other.lastSent, from: other.lastSource, bytes: 0)
    }
}
