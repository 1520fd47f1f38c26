import Quantities

/// MC-SF as if every request were as long as its upper bound: A-max.
///
/// Source: 2508.14544. Model: that of `mc-sf` with equal prompts, all there at the start, of each length an interval known (`predictor: interval`).
/// Rule: that of `mc-sf` with upper bounds for lengths, in the order and in the check. Cost that of `mc-sf`. Guarantee: memory never runs out while
/// bounds hold (conditions of `MemoryForecast`); with r = upper over lower bound, the same for all, the ratio to shortest first with known lengths is at
/// most r (1 + r) / 2 and at least r (1 + sqrt r) / 2 in a large memory: room is kept for tokens that never come.
public struct PessimisticShortestFirst: SchedulingPolicy {
    public static let description = PolicyDescription(
        name: "a-max", summary: "shortest upper bound first while memory suffices for all upper bounds", source: "A-max, 2508.14544",
        needsPrediction: true,
        guarantees: [
            Guarantee(
                .intervalRatioToShortestFirst, when: [.allAtStart, .equalPrompts, .boundsHold, .oneInterval], isAsymptotic: true),
            Guarantee(.noEvictions, when: [.boundsHold]),
        ])
    public static let traits: SchedulingTraits = [.ranks, .admits, .overtakes]

    private var forecast = MemoryForecast(basis: .upper)

    public init(parameters: PolicyParameters, random: RandomStream) {}

    public mutating func rank(of request: QueuedRequest) -> Int64 { request.rank(by: Int64(max(1, request.prediction.upper - request.generated))) }

    public mutating func admit(from waiting: WaitingQueue, _ engine: EngineView, into admitted: inout [QueuedRequest]) {
        forecast.admitPrefix(of: waiting, engine, into: &admitted)
    }
}
