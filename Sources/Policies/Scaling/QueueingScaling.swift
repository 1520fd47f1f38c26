import Quantities

/// As many workers as the load takes, and some more for its variation: square-root staffing.
///
/// Source: Halfin and Whitt 1981. With R the load in workers, R + beta sqrt(R) workers leave a share of requests waiting that depends on beta alone, for
/// exponential service times and Poisson arrivals: 0.5 for beta = 0.5, 0.22 for 1, 0.025 for 2. Here R is the mean number of requests in the cluster, averaged
/// over `window`, over the `concurrency` that one worker serves well. Cost O(workers).
public struct QueueingScaling: ScalingPolicy {
    public static let description = PolicyDescription(
        name: "queueing", aliases: ["square-root"], summary: "as many as the load takes, and its square root times beta",
        source: "Halfin and Whitt 1981",
        parameters: [
            ParameterDescription("concurrency", defaultValue: 8, range: 0.01...1_000_000, summary: "requests that one worker serves well at a time"),
            ParameterDescription("beta", defaultValue: 1, range: 0...100, summary: "workers to spare, in square roots of the load"),
            ParameterDescription("window", unit: "s", defaultValue: 10, range: 0.001...86_400, summary: "time that the load is averaged over"),
            SteadyStep.parameter(2),
        ])

    private let concurrency: Double
    private let beta: Double
    private let window: Double
    private var mean = 0.0
    private var latest: (time: Instant, requests: Double) = (0, 0)
    private var steady: SteadyStep

    public init(parameters: PolicyParameters) {
        concurrency = parameters["concurrency"]
        beta = parameters["beta"]
        window = parameters["window"]
        steady = SteadyStep(parameters)
    }

    public mutating func step(_ view: ScalingView) -> ScalingStep {
        // What was seen last held until now.
        let share = 1 - exponential(-min(seconds(max(0, view.now - latest.time)) / window, 700))
        mean += (latest.requests - mean) * share
        latest = (view.now, Double(view.requests))
        let wanted = Self.workers(load: mean / concurrency, beta: beta)
        let present = view.serving.count + view.starting
        return steady.take(present < wanted ? .more : present > wanted ? .fewer : .same, at: view.now)
    }

    /// R + beta sqrt(R), rounded up; at least one.
    static func workers(load: Double, beta: Double) -> Int { max(1, Int(min((load + beta * load.squareRoot()).rounded(.up), 1e9))) }
}
