import Quantities

/// Arrival times without end, in order: unit-rate points carried through the inverse of the accumulated rate.
///
/// The points have independent gaps of mean 1. When the accumulated rate reaches the sum of the first n gaps, request n
/// arrives (Çinlar 1975, "Introduction to stochastic processes", section 4.7), which is exact for a rate that changes in
/// steps. There is a gap before the first request too. The same seed gives the same points at any rate, so that twice the
/// rate halves every arrival time.
struct ArrivalProcess {
    /// The distribution of the gaps between unit-rate points; each has mean 1.
    private enum Gaps {
        case exponential
        case gamma(shape: Double)
        case equal
    }

    private let gaps: Gaps
    private let steps: [WorkloadPlan.RateStep]
    private var stream: RandomStream

    /// Accumulated rate at the last point.
    private var points = 0.0
    /// The step that the last point fell into, and the accumulated rate at its start.
    private var step = 0
    private var pointsAtStep = 0.0
    private var last: Instant = 0

    /// `nil` for arrivals that no rate decides: a trace, a closed loop, and none at all.
    ///
    /// A rate that is not positive lets nothing arrive. Steps out of order are sorted.
    init?(_ arrivals: WorkloadPlan.Arrivals, rateScale: Double, stream: RandomStream) {
        let rates: [WorkloadPlan.RateStep]
        switch arrivals {
        case .poisson(let rate):
            gaps = .exponential
            rates = [.init(start: 0, rate: rate)]
        case .gamma(let rate, let burstiness):
            // The coefficient of variation of a gamma variate is 1 / sqrt(shape).
            gaps = burstiness > 0 ? .gamma(shape: 1 / (burstiness * burstiness)) : .equal
            rates = [.init(start: 0, rate: rate)]
        case .constant(let rate):
            gaps = .equal
            rates = [.init(start: 0, rate: rate)]
        case .piecewise(let changes):
            gaps = .exponential
            rates = changes.sorted { $0.start < $1.start }
        case .trace, .closedLoop, .nothing:
            return nil
        }
        steps = rates.map { .init(start: $0.start, rate: $0.rate * rateScale) }
        self.stream = stream
    }

    /// The next arrival, or `nil` when the rate stays zero from here on.
    mutating func next() -> Instant? {
        points += gap()
        while step < steps.count {
            let current = steps[step]
            if step + 1 < steps.count {
                let length = seconds(steps[step + 1].start - current.start)
                let pointsAtEnd = pointsAtStep + max(0, current.rate) * length
                if points >= pointsAtEnd {
                    step += 1
                    pointsAtStep = pointsAtEnd
                    continue
                }
            }
            guard current.rate > 0 else { return nil }
            let time = current.start &+ nanoseconds(fromSeconds: (points - pointsAtStep) / current.rate)
            guard time >= 0, time < .never else { return nil }
            last = max(last, time)
            return last
        }
        return nil
    }

    private mutating func gap() -> Double {
        switch gaps {
        case .exponential: stream.exponentialVariate()
        case .gamma(let shape): stream.gammaVariate(shape: shape) / shape
        case .equal: 1
        }
    }
}
