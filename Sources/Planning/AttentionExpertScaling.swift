import Cluster
import Quantities

/// The fewest devices that carry a rate (Janus, arXiv 2512.13525, section 3.5): for each number of attention and of expert nodes the batch that Little's
/// law gives, `B = rate x TPOT(B)`, by bisection; shapes whose tokens come late or whose caches do not fit are left out.
public struct AttentionExpertScaling<Model: DisaggregatedModel> {
    let model: Model
    /// Tokens a second that must come out.
    let tokenRate: Double

    public init(model: Model, tokenRate: Double) {
        self.model = model
        self.tokenRate = tokenRate
    }

    /// The batch of each attention node at which a shape brings as many tokens as are asked for: the smallest one that does, where time grows with the
    /// batch ever more slowly or ever faster. `nil` when no batch that fits into the caches brings as many.
    public func operatingBatch(_ shape: DisaggregatedShape) -> Int? {
        let limit = model.batchLimit(shape)
        guard limit >= shape.microBatches else { return nil }
        return Bisection.smallest(in: shape.microBatches...limit) { carries(shape, batch: $0) }
    }

    /// Whether `B >= rate x TPOT(B)`.
    public func carries(_ shape: DisaggregatedShape, batch: Int) -> Bool {
        Double(batch * shape.attentionNodes) >= tokenRate * seconds(model.iterationTime(shape, batch: batch))
    }

    /// Every shape that carries the rate in time.
    public func found(_ shapes: [DisaggregatedShape], tbt: Nanoseconds) -> [DisaggregatedExpertsSearch<Model>.Found] {
        shapes.compactMap { shape in
            guard let batch = operatingBatch(shape) else { return nil }
            let time = model.iterationTime(shape, batch: batch)
            return time <= tbt ? DisaggregatedExpertsSearch<Model>.Found(shape, batch: batch, iteration: time) : nil
        }
    }

    /// The one with the fewest devices; of those the one whose tokens come soonest.
    public func best(_ shapes: [DisaggregatedShape], tbt: Nanoseconds) -> DisaggregatedExpertsSearch<Model>.Found? {
        found(shapes, tbt: tbt).min { ($0.shape.devices, $0.iteration) < ($1.shape.devices, $1.iteration) }
    }
}
