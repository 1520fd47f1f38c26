import Cluster
import Models
import Quantities

/// A shape of attention and expert nodes.
public struct DisaggregatedShape: Sendable, Equatable {
    public var attentionNodes: Int
    /// Devices of an attention node.
    public var attentionParallel: Int
    public var expertNodes: Int
    /// Devices of an expert node.
    public var expertParallel: Int
    /// Experts whose weights an expert node holds, in every layer.
    public var slots: Int
    public var microBatches: Int

    public init(attentionNodes: Int, attentionParallel: Int = 1, expertNodes: Int, expertParallel: Int = 1, slots: Int, microBatches: Int = 1) {
        self.attentionNodes = attentionNodes
        self.attentionParallel = attentionParallel
        self.expertNodes = expertNodes
        self.expertParallel = expertParallel
        self.slots = slots
        self.microBatches = microBatches
    }

    /// Devices of both sides.
    public var devices: Int { attentionNodes * attentionParallel + expertNodes * expertParallel }
}

/// What a search asks about attention and expert nodes.
///
/// Times must not fall when a batch grows: searches bisect.
public protocol DisaggregatedModel {
    /// Requests that an attention node can hold at once; 0 when the weights of either side do not fit.
    func batchLimit(_ shape: DisaggregatedShape) -> Int
    /// The micro-batches of an iteration with `batch` requests on each attention node.
    func pipeline(_ shape: DisaggregatedShape, batch: Int) -> PipelineModel
    /// What an iteration takes beside its layers with experts.
    func overhead(_ shape: DisaggregatedShape, batch: Int) -> Nanoseconds
    /// What the devices cost; `nil` where a price is missing.
    func price(_ shape: DisaggregatedShape) -> Double?
}

extension DisaggregatedModel {
    /// The time of one iteration, and so between two tokens.
    public func iterationTime(_ shape: DisaggregatedShape, batch: Int) -> Nanoseconds {
        pipeline(shape, batch: batch).total + overhead(shape, batch: batch)
    }

    /// The most requests on each attention node with which tokens come in time; `nil` when one in each micro-batch is too many.
    public func largestBatch(_ shape: DisaggregatedShape, tbt: Nanoseconds) -> Int? {
        let limit = batchLimit(shape)
        guard limit >= shape.microBatches, shape.microBatches > 0 else { return nil }
        return Bisection.largest(in: shape.microBatches...limit) { iterationTime(shape, batch: $0) <= tbt }
    }
}
