import Quantities

/// How long a worker takes for one iteration.
///
/// The roofline of `Roofline`, or a measured table in its place for the phases that the table has. Accuracy against measurements stands in
/// `Sources/Models/README.md`. Iteration times are whole nanoseconds, rounded once at the end, and do not fall when a batch grows.
public struct CostModel: Sendable {
    /// A lower bound on the time of any batch that is not empty: how far ahead a worker that starts an iteration now cannot surprise anybody.
    ///
    /// Proof: with all coefficients at least 0, every rounded operation of the roofline is monotone, so its least batch is one prompt token or
    /// one decoding request without context. A table's phase is bounded by its own least time (`MeasuredLookup`).
    public let minimumIterationTime: Nanoseconds

    let roofline: Roofline
    let measured: MeasuredLookup?

    /// - Parameters:
    ///   - tensorParallel: devices that divide each layer, on one host up to eight, else over its network cards.
    ///   - pipelineParallel: stages that divide the layers. One batch passes through all of them.
    ///   - table: measured times; where it has no rows for a phase, the roofline serves.
    public init(model: ModelShape, device: DeviceShape, tensorParallel: Int = 1, pipelineParallel: Int = 1, table: MeasuredTable? = nil) {
        roofline = Roofline(model: model, device: device, tensorParallel: tensorParallel, pipelineParallel: pipelineParallel)
        measured = table.map(MeasuredLookup.init)
        let leastPrompt = BatchShape(prefillTokens: 1, prefillPairs: 0, prefillRequests: 0, decodeRequests: 0, decodeContext: 0)
        let leastDecode = BatchShape(prefillTokens: 0, prefillPairs: 0, prefillRequests: 0, decodeRequests: 1, decodeContext: 0)
        let least = nanoseconds(fromNanoseconds: min(roofline.time(leastPrompt), roofline.time(leastDecode)))
        let prompt = measured.flatMap(\.leastPrefillTime) ?? least
        let decode = measured.flatMap(\.leastDecodeTime) ?? least
        minimumIterationTime = max(min(prompt, decode), 1)
    }

    /// The time of one batch through all layers and stages; 0 for an empty batch.
    public func iterationTime(_ batch: BatchShape) -> Nanoseconds {
        guard !batch.isEmpty else { return 0 }
        guard let measured else { return max(rooflineTime(batch), 1) }
        return max(tableTime(batch, measured), 1)
    }

    /// A batch with both phases costs 1.1 times a prompt batch of as many tokens (Splitwise, ISCA 24, simulator), and no less than either phase.
    private func tableTime(_ batch: BatchShape, _ table: MeasuredLookup) -> Nanoseconds {
        var decode: Nanoseconds = 0
        if batch.decodeRequests > 0 {
            decode = table.decodeTime(requests: batch.decodeRequests, context: batch.decodeContext) ?? rooflineTime(batch.decodePart)
        }
        guard batch.prefillTokens > 0 else { return decode }
        guard batch.decodeRequests > 0 else { return table.prefillTime(tokens: batch.prefillTokens) ?? rooflineTime(batch) }
        guard let mixed = table.prefillTime(tokens: batch.tokens) else { return max(rooflineTime(batch), decode) }
        return max(mixed + mixed / 10, decode)
    }

    private func rooflineTime(_ batch: BatchShape) -> Nanoseconds { nanoseconds(fromNanoseconds: roofline.time(batch)) }
}

extension BatchShape {
    /// The batch without its prompt chunks.
    fileprivate var decodePart: BatchShape {
        BatchShape(prefillTokens: 0, prefillPairs: 0, prefillRequests: 0, decodeRequests: decodeRequests, decodeContext: decodeContext)
    }
}

/// Rounds nanoseconds to a whole number, upwards from a half; at least 0 and at most `Instant.never`.
@inline(__always)
func nanoseconds(fromNanoseconds time: Double) -> Nanoseconds {
    guard time > 0 else { return 0 }
    return time < 0x1p61 ? Nanoseconds(time + 0.5) : .never
}
