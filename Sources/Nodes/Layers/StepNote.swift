import Models
import Quantities

/// One piece of a rank's part in a layer: what it computed, and what it waited for before.
public struct StepNote: Sendable, Equatable {
    /// Whether it computed attention, or experts.
    public var isAttention: Bool
    /// Layer x micro-batches + micro-batch, both from 0. The head counts as one layer more.
    public var step: Int32
    public var start: Instant
    public var end: Instant
    /// Tokens attended to, or pairs of token and expert.
    public var tokens: Int64
    /// Experts hit.
    public var distinct: Int32
    /// Member of the gang whose message was the last of those awaited; -1 where none was. And whether it was one of experts' outputs.
    public var last: Int32
    public var awaitsExperts: Bool
    /// Idle before `start` until that message was sent, and from then on.
    public var awaitedRank: Nanoseconds
    public var awaitedNetwork: Nanoseconds

    public init(
        isAttention: Bool, step: Int32, start: Instant, end: Instant, tokens: Int64 = 0, distinct: Int32 = 0, last: Int32 = -1,
        awaitsExperts: Bool = false, awaitedRank: Nanoseconds = 0, awaitedNetwork: Nanoseconds = 0
    ) {
        self.isAttention = isAttention
        self.step = step
        self.start = start
        self.end = end
        self.tokens = tokens
        self.distinct = distinct
        self.last = last
        self.awaitsExperts = awaitsExperts
        self.awaitedRank = awaitedRank
        self.awaitedNetwork = awaitedNetwork
    }
}

/// A set of messages that is there as a whole.
struct Arrived {
    var done: Instant
    /// Whose message was the last, when that was sent, and whether it was one of experts' outputs.
    var last: Int32
    var sent: Instant
    var isFromExperts = false

    /// Nothing was awaited.
    static func at(_ time: Instant) -> Arrived { Arrived(done: time, last: -1, sent: time) }
}

/// A rank's processor and its port.
struct RankCore {
    /// When what it computes at present is done.
    var free: Instant = 0
    var port = ExchangePort()

    /// Computes for `duration` as soon as the set is there and the processor free.
    @inline(__always)
    mutating func compute(_ duration: Nanoseconds, after set: Arrived, isAttention: Bool, step: Int32, tokens: Int64, distinct: Int32 = 0) -> StepNote
    {
        let start = max(set.done, free)
        let end = start + duration
        var note = StepNote(
            isAttention: isAttention, step: step, start: start, end: end, tokens: tokens, distinct: distinct, last: set.last,
            awaitsExperts: set.isFromExperts)
        let idle = start - free
        note.awaitedNetwork = min(idle, start - max(set.sent, free))
        note.awaitedRank = idle - note.awaitedNetwork
        free = end
        return note
    }

    /// Takes in an exchange.
    @inline(__always)
    mutating func receive(near: Incoming, far: Incoming, over paths: AllToAllModel.Phase, fromExperts: Bool) -> Arrived {
        let done = port.receive(near: near, far: far, over: paths)
        var all = near
        all.add(far)
        return Arrived(done: done, last: all.lastSource, sent: all.lastSent, isFromExperts: fromExperts)
    }
}
