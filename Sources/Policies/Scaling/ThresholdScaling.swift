/// One worker more when requests for each worker are above one bound for a while, one fewer when they are below another.
///
/// Source: target tracking on concurrency, as in Knative and the scalers of vLLM's production stack. Workers that start count, or one burst would start all.
/// Guarantee: none; with `down` at most half of `up` a step back does not follow a step at once under an even load. Cost O(workers).
public struct ThresholdScaling: ScalingPolicy {
    public static let description = PolicyDescription(
        name: "threshold", summary: "by requests for each worker", source: "target tracking on concurrency (Knative)",
        parameters: [
            ParameterDescription("up", defaultValue: 16, range: 0.01...1_000_000, summary: "one more above so many requests for each worker"),
            ParameterDescription("down", defaultValue: 4, range: 0...1_000_000, summary: "one fewer below so many"),
            SteadyStep.parameter(5),
        ])

    private let up: Double
    private let down: Double
    private var steady: SteadyStep

    public init(parameters: PolicyParameters) {
        up = parameters["up"]
        down = parameters["down"]
        steady = SteadyStep(parameters)
    }

    public mutating func step(_ view: ScalingView) -> ScalingStep {
        let load = Double(view.requests) / Double(max(1, view.serving.count + view.starting))
        return steady.take(load > up ? .more : load < down ? .fewer : .same, at: view.now)
    }
}
