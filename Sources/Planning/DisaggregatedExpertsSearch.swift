import Cluster
import Quantities

/// The shape with the most tokens a second by price (MegaScale-Infer, SIGCOMM 25, section 4.3): for each parallelism of both sides, each number of
/// expert nodes, of attention nodes and of micro-batches, the largest batch whose tokens come in time, by bisection.
///
/// The paper takes the number of attention nodes from the balance `n_a = k1 E / (k3 K)` of two straight lines. The times here are none (experts are bound
/// by memory first and by arithmetic later), so every number is tried; where times are straight lines the best is at that balance.
public struct DisaggregatedExpertsSearch<Model: DisaggregatedModel> {
    let model: Model
    let space: Space

    /// What may be chosen.
    public struct Space: Sendable, Equatable {
        public var attentionParallel = [1, 2, 4, 8]
        public var expertParallel = [1, 2, 4, 8]
        /// Numbers of expert nodes, with the experts that each of them holds.
        public var expertNodes: [(count: Int, slots: Int)]
        public var microBatches = [1, 2, 3, 4]
        /// Devices of both sides together.
        public var deviceLimit: Int

        public init(expertNodes: [(count: Int, slots: Int)], deviceLimit: Int) {
            self.expertNodes = expertNodes
            self.deviceLimit = deviceLimit
        }

        public static func == (left: Space, right: Space) -> Bool {
            left.attentionParallel == right.attentionParallel && left.expertParallel == right.expertParallel
                && left.microBatches == right.microBatches && left.deviceLimit == right.deviceLimit
                && left.expertNodes.elementsEqual(right.expertNodes, by: ==)
        }

        /// Every shape, in the order in which of equal ones the first is taken.
        public var shapes: [DisaggregatedShape] {
            var shapes: [DisaggregatedShape] = []
            for (count, slots) in expertNodes {
                for expertDevices in expertParallel where count * expertDevices < deviceLimit {
                    for attentionDevices in attentionParallel {
                        let most = (deviceLimit - count * expertDevices) / attentionDevices
                        for nodes in stride(from: 1, through: most, by: 1) {
                            for parts in microBatches {
                                shapes.append(
                                    DisaggregatedShape(
                                        attentionNodes: nodes, attentionParallel: attentionDevices, expertNodes: count,
                                        expertParallel: expertDevices, slots: slots, microBatches: parts))
                            }
                        }
                    }
                }
            }
            return shapes
        }
    }

    /// A shape with the batch of each attention node.
    public struct Found: Sendable, Equatable {
        public var shape: DisaggregatedShape
        public var batch: Int
        public var iteration: Nanoseconds
        /// Tokens a second of all nodes.
        public var tokensPerSecond: Double

        public init(_ shape: DisaggregatedShape, batch: Int, iteration: Nanoseconds) {
            self.shape = shape
            self.batch = batch
            self.iteration = iteration
            tokensPerSecond = Double(batch * shape.attentionNodes) / seconds(max(1, iteration))
        }
    }

    public init(model: Model, space: Space) {
        self.model = model
        self.space = space
    }

    /// The best batch of every shape that can meet the bound.
    ///
    /// That is the largest one, or the largest that fills all micro-batches alike: where the cache ends before, the last part may be less full than the
    /// others and take as long. It is the best of all where time has a fixed part and grows in a straight line.
    public func found(tbt: Nanoseconds) -> [Found] {
        space.shapes.compactMap { shape in
            guard let batch = model.largestBatch(shape, tbt: tbt) else { return nil }
            let found = Found(shape, batch: batch, iteration: model.iterationTime(shape, batch: batch))
            let even = batch - batch % shape.microBatches
            guard even < batch else { return found }
            let filled = Found(shape, batch: even, iteration: model.iterationTime(shape, batch: even))
            return filled.tokensPerSecond > found.tokensPerSecond ? filled : found
        }
    }

    /// Tokens a second by price, or by devices where a price is missing.
    public func value(_ found: Found) -> Double { found.tokensPerSecond / (model.price(found.shape) ?? Double(found.shape.devices)) }

    /// The best of every shape and batch under a bound; of equal ones the first.
    public func best(tbt: Nanoseconds) -> Found? {
        var best: Found?
        for candidate in found(tbt: tbt) where best.map({ value(candidate) > value($0) }) ?? true { best = candidate }
        return best
    }
}
