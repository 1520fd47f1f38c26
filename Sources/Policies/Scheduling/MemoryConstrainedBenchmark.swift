import Quantities

/// First come, first served with MC-SF's look at memory to come: what remains of MC-SF when its order is taken away.
///
/// Source: MC-Benchmark of 2502.07115. Model, check, cost and `protection` are those of `mc-sf`; waiting requests are tried by priority and arrival.
/// No competitive ratio for latency (a long request at the head holds up short ones); nobody is preempted under the same conditions.
public struct MemoryConstrainedBenchmark: SchedulingPolicy {
    public static let description = PolicyDescription(
        name: "mc-benchmark", summary: "first come, first served while memory suffices to everybody's predicted end",
        source: "MC-Benchmark, 2502.07115",
        parameters: [ParameterDescription("protection", defaultValue: 0, range: 0...0.99, summary: "share of the blocks that nobody may join into")],
        needsPrediction: true,
        guarantees: [
            Guarantee(.noEvictions, when: [.noShortPredictions])
        ])
    public static let traits: SchedulingTraits = [.admits]

    private var forecast: MemoryForecast

    public init(parameters: PolicyParameters, random: RandomStream) {
        forecast = MemoryForecast(basis: .expected, keptBack: parameters["protection"])
    }

    public mutating func admit(from waiting: WaitingQueue, _ engine: EngineView, into admitted: inout [QueuedRequest]) {
        forecast.admitPrefix(of: waiting, engine, into: &admitted)
    }
}
