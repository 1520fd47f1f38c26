import Quantities

/// Shortest remaining time first with limited preemption: a request can be preempted only early in its life.
///
/// Source: TRAIL, 2410.01035. Model: M/G/1 with predictions, each request's remaining length predicted anew as tokens appear (`predictor: refined`).
/// Rule: that of `srpt`, but a running request that has produced at least `limit` times the length first expected of it (rounded down) keeps its
/// place: its cache is large by then, and its end near. Limit 0 never preempts, 1 and above comes close to SRPT. When memory runs out a request that
/// may be preempted goes first, else the longest. Cost that of `srpt`. The paper has a closed form for the mean response time in M/G/1; there is no
/// guarantee with memory.
public struct LimitedPreemption: SchedulingPolicy {
    public static let description = PolicyDescription(
        name: "trail", summary: "shortest remaining time first that preempts only early in a request's life", source: "TRAIL, 2410.01035",
        parameters: [
            ParameterDescription("limit", defaultValue: 0.8, range: 0...2, summary: "share of the first prediction from which a request stays")
        ], needsPrediction: true)
    public static let traits: SchedulingTraits = [.ranks, .manages, .choosesVictims, .overtakes]

    private let limit: Double
    private var shared = ShortestRemaining()

    public init(parameters: PolicyParameters, random: RandomStream) { limit = parameters["limit"] }

    public mutating func rank(of request: QueuedRequest) -> Int64 { request.rank(by: Int64(request.remaining)) }

    private func mayEvict(_ request: RunningRequest) -> Bool {
        Double(request.generated) < (limit * Double(request.firstExpected)).rounded(.down)
    }

    public mutating func manage(_ waiting: WaitingQueue, _ engine: EngineView, _ orders: inout RunningOrders) {
        let policy = self
        shared.manage(waiting, engine, &orders, mayEvict: policy.mayEvict)
    }

    public mutating func victim(among candidates: [RunningRequest]) -> Int { ShortestRemaining.longest(of: candidates, mayEvict: mayEvict) }
}
