import Quantities

/// What a rank counted of the layers that it shared with others.
///
/// Of every iteration, from its start to the next one's, a rank either computes (attention or experts) or is idle; idle time is divided by cause.
/// So `attention + experts + awaitingAttention + awaitingExperts + awaitingNetwork` is `span`.
public struct BarrierStatistics: Sendable {
    /// Sets of messages that the rank waited for: one for each dispatch and each combine that it received.
    public var count: Int64 = 0
    /// Emulated time in iterations, without the pauses of an idle gang.
    public var span: Nanoseconds = 0
    /// Time in which it computed attention (with router, shared experts, dense layers and head), and experts.
    public var attention: Nanoseconds = 0
    public var experts: Nanoseconds = 0
    /// Idle until the last attention rank, or the last expert rank, had sent what this one waited for.
    public var awaitingAttention: Nanoseconds = 0
    public var awaitingExperts: Nanoseconds = 0
    /// Idle while the last message was under way.
    public var awaitingNetwork: Nanoseconds = 0
    /// Idle time of each set waited for.
    public var waits = LogLinearHistogram()
    /// By node of the layout: how often its message was the last of a set.
    public var last: [Int64] = []
    /// Pairs of token and expert computed here, and picks that were dropped for lack of capacity.
    public var routedTokens: Int64 = 0
    public var droppedTokens: Int64 = 0
    /// Largest load of an expert rank over the mean load, of each layer and micro-batch, in millionths. Counted by the gang's first attention rank.
    public var imbalance = LogLinearHistogram()
    /// Plans made anew from what was counted, and bytes of weights that the rank fetched for them.
    public var replans: Int64 = 0
    public var fetchedBytes: Int64 = 0

    public init() {}

    /// Idle time, whatever the cause.
    public var idle: Nanoseconds { span - attention - experts }

    /// The same, cause by cause.
    var awaited: Nanoseconds { awaitingAttention.addingClamped(awaitingExperts).addingClamped(awaitingNetwork) }

    /// Adds what another rank counted. Sums stop at the largest number there is.
    public mutating func merge(_ other: BarrierStatistics) {
        let sums: [WritableKeyPath<BarrierStatistics, Int64>] = [
            \.count, \.span, \.attention, \.experts, \.awaitingAttention, \.awaitingExperts, \.awaitingNetwork, \.routedTokens, \.droppedTokens,
            \.replans, \.fetchedBytes,
        ]
        for sum in sums { self[keyPath: sum] = self[keyPath: sum].addingClamped(other[keyPath: sum]) }
        if last.count < other.last.count { last.append(contentsOf: repeatElement(0, count: other.last.count - last.count)) }
        for (node, times) in other.last.enumerated() { last[node] = last[node].addingClamped(times) }
        waits.merge(other.waits)
        imbalance.merge(other.imbalance)
    }
}
