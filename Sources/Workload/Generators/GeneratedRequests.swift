import Quantities

/// Requests drawn from a plan's distributions with a seed.
///
/// Arrivals, prompt lengths and output lengths have a stream each, so that a change of one leaves the other two as they
/// were. Without a request limit, a duration or a last rate of zero there is no end.
///
/// In a closed loop every arrival is 0: the client decides it, and keeps to `duration` itself. A plan whose arrivals are
/// a trace generates nothing; its requests come from `TraceRequests`.
public final class GeneratedRequests: RequestSource {
    private var arrivals: ArrivalProcess?
    private var promptTokens: LengthSampler
    private var outputTokens: LengthSampler
    private let limit: Int
    private let duration: Nanoseconds
    private var offered = 0

    public init(_ plan: WorkloadPlan, seed: UInt64) {
        var root = RandomStream(seed: seed, stream: RandomPurpose.workload)
        let streams = (1...3).map { RandomStream(seed: root.next(), stream: $0) }
        arrivals = ArrivalProcess(plan.arrivals, rateScale: plan.rateScale, stream: streams[0])
        promptTokens = LengthSampler(plan.promptTokens, scale: plan.promptScale, stream: streams[1])
        outputTokens = LengthSampler(plan.outputTokens, scale: plan.outputScale, stream: streams[2])
        duration = plan.duration ?? .never
        switch plan.arrivals {
        case .trace, .nothing: limit = 0
        default: limit = plan.requestLimit ?? .max
        }
    }

    public func next() -> RequestSpec? {
        guard offered < limit else { return nil }
        var arrival: Instant = 0
        if arrivals != nil {
            guard let time = arrivals?.next(), time <= duration else {
                offered = limit
                return nil
            }
            arrival = time
        }
        defer { offered += 1 }
        return RequestSpec(id: Int64(offered), arrival: arrival, promptTokens: promptTokens.next(), outputTokens: outputTokens.next())
    }
}
