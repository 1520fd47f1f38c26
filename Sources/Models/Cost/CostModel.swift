import Quantities

/// How long an iteration of one worker's engine takes, over all its devices and pipeline stages.
///
/// A roofline of each operator, or measured times where a table is given. The same batch takes the same time on every machine.
public struct CostModel: Sendable, Equatable {
    /// No batch that is not empty takes less, in nanoseconds; at least 1. The virtual clock looks ahead by it.
    public let minimumIterationTime: Nanoseconds
    private let roofline: Roofline
    private let measured: MeasuredTimes?

    /// Makes the coefficients; never fails.
    /// - Parameters:
    ///   - tensorParallel: devices that share each layer, at least 1.
    ///   - pipelineParallel: stages that the layers are split over, at least 1. A time is that of all stages together.
    ///   - table: measured times that replace the roofline in the phases that they have rows for.
    public init(model: ModelShape, device: DeviceShape, tensorParallel: Int, pipelineParallel: Int, table: MeasuredTable?) {
        roofline = Roofline(model: model, device: device, tensorParallel: tensorParallel, pipelineParallel: pipelineParallel)
        measured = table.map(MeasuredTimes.init)
        let prefill = BatchShape(prefillTokens: 1, prefillPairs: 0, prefillRequests: 0, decodeRequests: 0, decodeContext: 0)
        let decode = BatchShape(prefillTokens: 0, prefillPairs: 0, prefillRequests: 0, decodeRequests: 1, decodeContext: 0)
        minimumIterationTime = min(
            Self.rounded(measured?.minimumPrefill ?? roofline.time(prefill)), Self.rounded(measured?.minimumDecode ?? roofline.time(decode)))
    }

    /// Time of an iteration in nanoseconds; 0 for an empty batch, at least `minimumIterationTime` for any other.
    ///
    /// With a measured table, a batch of both phases takes what its prompt tokens and decoding requests together would take as a prompt,
    /// times 1.1 (Splitwise's simulator), and not less than its decoding requests alone.
    public func iterationTime(_ batch: BatchShape) -> Nanoseconds {
        guard !batch.isEmpty else { return 0 }
        guard let measured else { return Self.rounded(roofline.time(batch)) }
        guard batch.prefillTokens > 0 else { return Self.rounded(measured.decode(batch) ?? roofline.time(batch)) }
        guard let prefill = measured.prefill(tokens: batch.tokens) else { return Self.rounded(roofline.time(batch)) }
        guard batch.decodeRequests > 0 else { return Self.rounded(prefill) }
        return Self.rounded(max(prefill * MeasuredTimes.mixedFactor, measured.decode(batch) ?? 0))
    }

    /// The one rounding, to the nearest nanosecond, between 1 and `Instant.never`.
    @inline(__always)
    private static func rounded(_ time: Double) -> Nanoseconds {
        guard time < 0x1p62 else { return .never }
        return max(1, Nanoseconds(time.rounded(.toNearestOrAwayFromZero)))
    }
}
