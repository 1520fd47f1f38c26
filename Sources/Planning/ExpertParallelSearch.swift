import Quantities

/// A shape of ranks that attend to their own requests and share the experts (expert parallelism).
public struct ExpertParallelShape: Sendable, Equatable {
    public var ranks: Int
    /// Experts whose weights a rank holds, in every layer.
    public var slots: Int
    public var microBatches: Int
    /// Tokens of prompts that an iteration may have on a rank; 0 where ranks compute none.
    public var chunk: Int

    public init(ranks: Int, slots: Int, microBatches: Int = 1, chunk: Int = 0) {
        self.ranks = ranks
        self.slots = slots
        self.microBatches = microBatches
        self.chunk = chunk
    }
}

/// What a search asks about such ranks.
///
/// Times must not fall when a batch grows: searches bisect.
public protocol ExpertParallelModel {
    /// Requests that a rank can hold at once; 0 when the weights do not fit, or the balancing policy cannot serve the shape.
    func batchLimit(_ shape: ExpertParallelShape) -> Int
    /// The time of one iteration with `batch` requests on each rank, and so between two tokens.
    func iterationTime(_ shape: ExpertParallelShape, batch: Int) -> Nanoseconds
    /// What the devices cost, or their number where a price is missing.
    func cost(_ shape: ExpertParallelShape) -> Double
    /// Whether tokens come in time, the first ones too. What holds for a batch must hold for smaller ones.
    func isInTime(_ shape: ExpertParallelShape, batch: Int, tbt: Nanoseconds) -> Bool
    /// Tokens a second of all ranks.
    func tokensPerSecond(_ shape: ExpertParallelShape, batch: Int) -> Double
}

extension ExpertParallelModel {
    public func isInTime(_ shape: ExpertParallelShape, batch: Int, tbt: Nanoseconds) -> Bool { iterationTime(shape, batch: batch) <= tbt }

    public func tokensPerSecond(_ shape: ExpertParallelShape, batch: Int) -> Double { decodedPerSecond(shape, batch: batch) }

    /// Tokens a second where every request of the batch gets one in an iteration.
    func decodedPerSecond(_ shape: ExpertParallelShape, batch: Int) -> Double {
        Double(batch * shape.ranks) / seconds(max(1, iterationTime(shape, batch: batch)))
    }
}

/// The most tokens a second by price: for each number of ranks, of experts on a rank and of micro-batches the largest batch whose tokens come in time, by
/// bisection.
///
/// Every shape is tried. Of its batches the best is the largest, or the largest that fills all micro-batches alike, where an iteration takes the largest of
/// straight lines with fixed parts: `b / (c + k b)` never falls, and so the least of several does not. Where times have steps it is near the best.
public struct ExpertParallelSearch<Model: ExpertParallelModel> {
    let model: Model
    let shapes: [ExpertParallelShape]

    /// A shape with the batch of each rank.
    public struct Found: Sendable, Equatable {
        public var shape: ExpertParallelShape
        public var batch: Int
        public var iteration: Nanoseconds
        /// Tokens a second of all ranks.
        public var tokensPerSecond: Double

        init(_ shape: ExpertParallelShape, batch: Int, of model: Model) {
            self.shape = shape
            self.batch = batch
            iteration = model.iterationTime(shape, batch: batch)
            tokensPerSecond = model.tokensPerSecond(shape, batch: batch)
        }
    }

    /// - Parameter shapes: in the order in which of equal ones the first is taken.
    public init(model: Model, shapes: [ExpertParallelShape]) {
        self.model = model
        self.shapes = shapes
    }

    /// The best batch of every shape that can meet the bound.
    public func found(tbt: Nanoseconds) -> [Found] {
        shapes.compactMap { shape in
            let (limit, parts) = (model.batchLimit(shape), shape.microBatches)
            guard parts > 0, limit >= parts else { return nil }
            guard let batch = Bisection.largest(in: parts...limit, where: { model.isInTime(shape, batch: $0, tbt: tbt) }) else { return nil }
            let full = Found(shape, batch: batch, of: model)
            let even = batch - batch % parts
            guard even < batch else { return full }
            let filled = Found(shape, batch: even, of: model)
            return filled.tokensPerSecond > full.tokensPerSecond ? filled : full
        }
    }

    /// Tokens a second by price.
    public func value(_ found: Found) -> Double { found.tokensPerSecond / model.cost(found.shape) }

    /// The best of every shape and batch under a bound; of equal ones the first.
    public func best(tbt: Nanoseconds) -> Found? {
        var best: Found?
        for candidate in found(tbt: tbt) where best.map({ value(candidate) > value($0) }) ?? true { best = candidate }
        return best
    }
}
