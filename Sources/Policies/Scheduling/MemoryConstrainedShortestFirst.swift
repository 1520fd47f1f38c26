import Quantities

/// Shortest first, but only who can run to the end without anybody running out of memory: MC-SF.
///
/// Source: 2502.07115, algorithm 1. Model: one worker, iterations of equal length, caches that grow by a token an iteration, no preemption,
/// predictions at least as long as the truth. Rule: waiting requests by tokens expected to be still to come; one joins if memory suffices in every
/// iteration up to the last end of those that run, those that join and itself (`MemoryForecast`), and the first for which it does not ends the
/// admission. With predictions that may be too short keep a share back (`protection`; the paper uses 0.1); preemption of the latest arrival is what
/// is left then. Cost O(n) for each request that is tried beside n running ones, O(n squared) once when somebody may join; it does not depend on the
/// queue.
///
/// Guarantee: a constant competitive ratio for total latency (about 9,216 in the proof) if all requests are there at the start, prompts are equal,
/// predictions are between 1 and a constant times the truth, and memory holds two of the longest. None with unequal prompts (see `sorted-f`), and
/// with arrivals over time no deterministic rule is better than of the order of the square root of their number. With predictions that are not too
/// short nobody is preempted, under the conditions of `MemoryForecast`.
public struct MemoryConstrainedShortestFirst: SchedulingPolicy {
    public static let description = PolicyDescription(
        name: "mc-sf", summary: "shortest first while memory suffices to everybody's predicted end", source: "MC-SF, 2502.07115",
        parameters: [ParameterDescription("protection", defaultValue: 0, range: 0...0.99, summary: "share of the blocks that nobody may join into")],
        needsPrediction: true,
        guarantees: [
            Guarantee(.ratioToOptimum(9_216), when: [.allAtStart, .equalPrompts, .exactPredictions, .roomForTwo]),
            Guarantee(.noEvictions, when: [.noShortPredictions]),
        ])
    public static let traits: SchedulingTraits = [.ranks, .admits, .overtakes]

    private var forecast: MemoryForecast

    public init(parameters: PolicyParameters, random: RandomStream) {
        forecast = MemoryForecast(basis: .expected, keptBack: parameters["protection"])
    }

    public mutating func rank(of request: QueuedRequest) -> Int64 { request.rank(by: Int64(request.remaining)) }

    public mutating func admit(from waiting: WaitingQueue, _ engine: EngineView, into admitted: inout [QueuedRequest]) {
        forecast.admitPrefix(of: waiting, engine, into: &admitted)
    }
}
