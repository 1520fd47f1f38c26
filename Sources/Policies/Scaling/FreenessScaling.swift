/// By the mean freeness of the workers: the iterations that their free cache lasts for.
///
/// Source: Llumnix (OSDI 24), section 4.4.3. Freeness of a worker: (tokens of its cache - tokens of the requests there, those that wait included) over requests
/// that run; it falls below 0 where more waits than fits. One worker more when the mean is below `low` for a while, one fewer when it is above `high`. A
/// worker that starts counts as empty. Guarantee: none. Cost O(workers).
public struct FreenessScaling: ScalingPolicy {
    public static let description = PolicyDescription(
        name: "freeness", summary: "by the iterations that free caches last for", source: "Llumnix, OSDI 24",
        parameters: [
            ParameterDescription("low", defaultValue: 10, range: -1_000_000...1_000_000_000, summary: "one more below this mean freeness"),
            ParameterDescription("high", defaultValue: 60, range: -1_000_000...1_000_000_000, summary: "one fewer above it"),
            SteadyStep.parameter(5),
        ])

    private let low: Double
    private let high: Double
    private var steady: SteadyStep

    public init(parameters: PolicyParameters) {
        low = parameters["low"]
        high = parameters["high"]
        steady = SteadyStep(parameters)
    }

    public mutating func step(_ view: ScalingView) -> ScalingStep {
        guard !view.serving.isEmpty else { return steady.take(view.heldRequests > 0 && view.starting == 0 ? .more : .same, at: view.now) }
        var sum = view.serving.reduce(0.0) { $0 + Self.freeness(of: $1) }
        if let first = view.serving.first { sum += Double(view.starting) * Double(first.totalBlocks) * Double(first.blockSize) }
        let mean = sum / Double(view.serving.count + view.starting)
        return steady.take(mean < low ? .more : mean > high ? .fewer : .same, at: view.now)
    }

    /// Of one worker.
    static func freeness(of worker: WorkerView) -> Double {
        let capacity = Double(worker.totalBlocks) * Double(worker.blockSize)
        return (capacity - Double(worker.expectedContext)) / Double(max(1, worker.runningRequests + worker.unseenRequests))
    }
}
