import Models
import Quantities

/// What an attention rank brings into an iteration, or into some layers of it: enough to work out everybody's times.
public final class LoadSheet: Sendable, Equatable {
    /// Of each micro-batch: its tokens, and what a layer's attention takes with its router, the dense layers before the first one with experts,
    /// the shared experts, and the head after the last one.
    public struct Part: Sendable, Equatable {
        public var tokens: Int64
        public var attention: Nanoseconds
        public var dense: Nanoseconds
        public var shared: Nanoseconds
        public var head: Nanoseconds

        public init(tokens: Int64, attention: Nanoseconds, dense: Nanoseconds, shared: Nanoseconds, head: Nanoseconds) {
            self.tokens = tokens
            self.attention = attention
            self.dense = dense
            self.shared = shared
            self.head = head
        }
    }

    public let parts: [Part]
    /// Tokens by slot (or by expert, for a policy that decides for all ranks), for each step from the first one on.
    public let packed: PackedCounts
    /// Picks that were dropped in these steps.
    public let dropped: Int64
    /// Picks by layer and expert since the last plan, when the next one is due; else empty.
    public let counters: [Int64]

    public init(parts: [Part], packed: PackedCounts, dropped: Int64, counters: [Int64]) {
        self.parts = parts
        self.packed = packed
        self.dropped = dropped
        self.counters = counters
    }

    public convenience init(parts: [Part], counts: [Int32], dropped: Int64, counters: [Int64]) {
        self.init(parts: parts, packed: PackedCounts(counts), dropped: dropped, counters: counters)
    }

    /// The counts one by one.
    public var counts: [Int32] { packed.unpacked }

    public static func == (left: LoadSheet, right: LoadSheet) -> Bool {
        left === right
            || (left.parts == right.parts && left.packed == right.packed && left.dropped == right.dropped && left.counters == right.counters)
    }
}

extension GangShape {
    /// What the parts of a rank's batch take.
    func parts(of batches: [BatchShape]) -> [LoadSheet.Part] {
        batches.map { batch in
            let tokens = batch.tokens
            let layer = attention.attentionTime(batch)
            return LoadSheet.Part(
                tokens: tokens, attention: layer + attention.routerTime(tokens: tokens),
                dense: Nanoseconds(denseLayers) * (layer + attention.denseTime(tokens: tokens)), shared: attention.sharedExpertTime(tokens: tokens),
                head: attention.headTime(rows: batch.decodeRequests + batch.prefillRequests))
        }
    }
}
