import Quantities

/// The sending side of one lane of a node's network card.
///
/// The model. A message of `b` bytes takes the sender's port for `b / Bs` and the receiver's for `b / Br`, cut through: its head arrives
/// a latency after sending starts, its tail a latency after it ends, and it is received while it is sent when both ports are free.
/// - Sender: `start = max(now, free)`, `end = start + b / Bs`, then `free = end`.
/// - Link: `head = start + latency`, `tail = end + latency`.
/// - Receiver, in the order of heads: `free = max(head, free) + b / Br`, `done = max(free, tail)`.
///
/// Assumptions. Each lane is first come, first served, by whole messages: real cards and switches interleave packets, so flows that share
/// a port here end one after the other instead of together. A message that waits at its receiver does not hold up its sender (buffers in
/// the fabric are taken to suffice, without back-pressure). Switches have full bisection bandwidth: only ports are contended for. Small
/// messages travel in a lane of their own and are not delayed by bulk data. A port runs at its rate in full from the first byte.
///
/// Error. One flow, fan-in and fan-out of equal flows, and an all-to-all that is rotated end exactly when they should (the last of `k`
/// flows into one port at `latency + k b / B`). Single flows in a fan-in end earlier than under fair sharing, the i-th at `i / k` of it.
/// An all-to-all of `n` whose senders all begin with the same receiver takes up to `(2 n - 3) b / B` instead of `(n - 1) b / B`: a real
/// cost of that order, which fair sharing would hide. Against max-min fair sharing of the same ports (200 random sets of up to 40 flows among
/// up to 11 nodes, all ready at once) the last flow ends 1.2% later on average and 21% at worst, and the mean flow 12% earlier, for whoever
/// is served first need not share. Against measured send and receive see `Sources/Models/README.md`.
@frozen
public struct SendPort: Sendable, Equatable {
    /// When the port is free; at most `Instant.never`.
    @usableFromInline var free: Instant = 0

    /// A port that is free.
    @inlinable
    public init() {}

    /// Sends `bytes` bytes as soon as the port is free. Answers when sending starts and ends.
    @inlinable
    public mutating func depart(_ now: Instant, bytes: ByteCount, rate: BytesPerSecond) -> (start: Instant, end: Instant) {
        let start = min(max(now, free), .never)
        free = min(start + transmissionTime(bytes, at: rate), .never)
        return (start, free)
    }

    /// Sends bytes that are produced while they are sent, as the cache of a prompt is, layer by layer.
    ///
    /// `start = max(now, free, readyFrom)`, `end = max(start + b / B, readyUntil + last / B)`: the port is the bottleneck, or the producer
    /// is and what it produces last remains to be sent. The port counts as taken for `b / B` from the start, not until the end, for between
    /// two pieces other messages pass: prompts of one batch are pushed side by side. Of `k` streams that end together the last so ends
    /// early by at most `k - 1` last pieces.
    /// - Parameters:
    ///   - readyFrom: when the first bytes are there.
    ///   - readyUntil: when the last `lastBytes` are there.
    /// - Returns: When sending starts and ends.
    @inlinable
    public mutating func depart(
        _ now: Instant, bytes: ByteCount, rate: BytesPerSecond, readyFrom: Instant, readyUntil: Instant, lastBytes: ByteCount
    ) -> (start: Instant, end: Instant) {
        let start = min(max(now, free, readyFrom), .never)
        free = min(start + transmissionTime(bytes, at: rate), .never)
        let produced = min(readyUntil, .never) + transmissionTime(min(lastBytes, bytes), at: rate)
        return (start, max(free, min(produced, .never)))
    }
}

/// The receiving side of one lane of a node's network card; the model stands at `SendPort`.
///
/// The port counts as taken for `b / Br` of a message also where a slower sender or a stream spreads it over a longer time, so that slow
/// flows are received side by side. That is optimistic by at most the bytes of slow flows still on their way when the port is full.
@frozen
public struct ReceivePort: Sendable, Equatable {
    /// When the port is free; at most `Instant.never`.
    @usableFromInline var free: Instant = 0

    /// A port that is free.
    @inlinable
    public init() {}

    /// Takes a message whose head arrives at `head` and whose tail cannot be there before `tail`. Answers when it is there as a whole.
    ///
    /// Must be called in the order of heads.
    @inlinable
    public mutating func deliver(head: Instant, tail: Instant, bytes: ByteCount, rate: BytesPerSecond) -> Instant {
        free = min(min(max(head, free), .never) + transmissionTime(bytes, at: rate), .never)
        return max(free, tail)
    }
}
