import Foundation
import Quantities
import Testing
import Workload

private func arrivals(_ arrivals: WorkloadPlan.Arrivals, count: Int = 20_000, scale: Double = 1, seed: UInt64 = 1) -> [RequestSpec] {
    requests(GeneratedRequests(WorkloadPlan(arrivals: arrivals, requestLimit: count, rateScale: scale), seed: seed))
}

@Test("Poisson gaps are exponential and independent")
func poissonGaps() {
    let gaps = gaps(arrivals(.poisson(rate: 4)))
    #expect(kolmogorovStatistic(gaps) { 1 - exp(-4 * $0) } < kolmogorovLimit)
    let centered = gaps.map { $0 - 0.25 }
    let correlation = mean(zip(centered, centered.dropFirst()).map { $0 * $1 }) / variance(gaps)
    #expect(abs(correlation) < 4 / Double(gaps.count).squareRoot())
}

@Test("gamma gaps have the asked mean and coefficient of variation", arguments: [0.3, 1, 2.5])
func gammaGaps(burstiness: Double) {
    let gaps = gaps(arrivals(.gamma(rate: 8, burstiness: burstiness), count: 100_000))
    let standardError = burstiness / Double(gaps.count).squareRoot()
    #expect(abs(mean(gaps) * 8 - 1) < 5 * standardError)
    // The fourth central moment of a gamma variate of shape a and mean 1 is (3 + 6 / a) / a^2.
    let squared = burstiness * burstiness
    let error = (((3 + 6 * squared) * squared * squared - squared * squared) / Double(gaps.count)).squareRoot()
    #expect(abs(variance(gaps) * 64 - squared) < 5 * error)
}

@Test("gamma gaps of burstiness 1 are exponential, and of burstiness sqrt(1/2) Erlang of two stages")
func gammaSpecialCases() {
    #expect(kolmogorovStatistic(gaps(arrivals(.gamma(rate: 4, burstiness: 1)))) { 1 - exp(-4 * $0) } < kolmogorovLimit)
    let erlang = gaps(arrivals(.gamma(rate: 4, burstiness: 0.5.squareRoot())))
    #expect(kolmogorovStatistic(erlang) { 1 - exp(-8 * $0) * (1 + 8 * $0) } < kolmogorovLimit)
}

@Test("constant arrivals come at multiples of the gap without drift")
func constantArrivals() {
    let found = arrivals(.constant(rate: 3), count: 300_000).map(\.arrival)
    #expect(found[0] == 333_333_333)
    #expect(found[2] == 1_000_000_000)
    #expect(found[299_999] == 100_000_000_000_000)
    #expect(arrivals(.gamma(rate: 3, burstiness: 0), count: 300_000).map(\.arrival) == found)
}

@Test("a rate that changes in steps gives Poisson counts of each step's mean, and uniform times inside")
func piecewiseArrivals() {
    let steps = [(0.0, 20.0), (100, 5), (300, 0), (400, 40)]
    let plan = WorkloadPlan(
        arrivals: .piecewise(steps.map { .init(start: nanoseconds(fromSeconds: $0.0), rate: $0.1) }), duration: 500_000_000_000)
    var counts = [0.0, 0, 0, 0]
    let runs = 40
    var inside: [Double] = []
    for seed in 0..<runs {
        for request in requests(GeneratedRequests(plan, seed: UInt64(seed))) {
            let time = seconds(request.arrival)
            let step = steps.lastIndex { $0.0 <= time } ?? 0
            counts[step] += 1
            if step == 1 { inside.append((time - 100) / 200) }
        }
    }
    for (count, mean) in zip(counts, [2_000.0, 1_000, 0, 4_000]) {
        let expected = mean * Double(runs)
        #expect(abs(count - expected) <= 4 * expected.squareRoot())
    }
    #expect(kolmogorovStatistic(inside) { $0 } < kolmogorovLimit)
}

@Test("steps of one rate are a Poisson process of that rate, to the nanosecond's rounding")
func equalStepsAreOne() {
    let split = arrivals(.piecewise((0..<50).map { .init(start: $0 * 7_000_000_000, rate: 4) }))
    let whole = arrivals(.poisson(rate: 4))
    #expect(zip(split, whole).allSatisfy { abs($0.arrival - $1.arrival) <= 2 })
}

@Test("nothing arrives before the first step, at a rate of zero, or after a last step of zero")
func silence() {
    #expect(arrivals(.poisson(rate: 0)).isEmpty)
    #expect(arrivals(.constant(rate: -1)).isEmpty)
    #expect(arrivals(.gamma(rate: .nan, burstiness: 1)).isEmpty)
    #expect(arrivals(.piecewise([])).isEmpty)
    #expect(arrivals(.poisson(rate: 1e-300)).isEmpty)
    let window = arrivals(.piecewise([.init(start: 5_000_000_000, rate: 100), .init(start: 6_000_000_000, rate: 0)]))
    #expect(window.count > 50 && window.count < 150)
    #expect(window.allSatisfy { (5_000_000_000...6_000_000_000).contains($0.arrival) })
    let source = GeneratedRequests(WorkloadPlan(arrivals: .piecewise([.init(start: 0, rate: 0)])), seed: 1)
    #expect(source.next() == nil)
    #expect(source.next() == nil)
}

@Test("arrivals never go back", arguments: [0.1, 1, 1e4, 1e9])
func arrivalsAreMonotone(rate: Double) {
    let kinds: [WorkloadPlan.Arrivals] = [
        .poisson(rate: rate), .gamma(rate: rate, burstiness: 5), .constant(rate: rate),
        .piecewise((0..<20).map { .init(start: Instant($0) * 1_000, rate: rate * Double($0 % 3)) } + [.init(start: 100_000, rate: rate)]),
    ]
    for kind in kinds {
        let found = arrivals(kind, count: 5_000).map(\.arrival)
        #expect(found.count == 5_000)
        #expect(zip(found, found.dropFirst()).allSatisfy { $0 <= $1 })
        #expect(found[0] >= 0)
    }
}

@Test("twice the rate halves every arrival, and the scale is the same as the rate")
func rateScaling() {
    for kind in [WorkloadPlan.Arrivals.poisson(rate: 3), .gamma(rate: 3, burstiness: 2), .constant(rate: 3)] {
        let plain = arrivals(kind, count: 2_000)
        let doubled = arrivals(kind, count: 2_000, scale: 2)
        #expect(zip(plain, doubled).allSatisfy { abs($0.arrival - 2 * $1.arrival) <= 1 })
    }
    #expect(arrivals(.poisson(rate: 3), scale: 2) == arrivals(.poisson(rate: 6)))
}

@Test("requests stop at the limit or at the duration, whichever comes first")
func limits() {
    #expect(arrivals(.poisson(rate: 1), count: 17).count == 17)
    #expect(arrivals(.poisson(rate: 1), count: 0).isEmpty)
    let plan = WorkloadPlan(arrivals: .constant(rate: 2), duration: 10_000_000_000)
    #expect(requests(GeneratedRequests(plan, seed: 1)).count == 20)
    var short = plan
    short.duration = 9_999_999_999
    #expect(requests(GeneratedRequests(short, seed: 1)).count == 19)
}

@Test("a closed loop offers requests at 0 up to its limit, and a trace plan generates nothing")
func closedLoopAndTrace() {
    let loop = arrivals(.closedLoop(concurrency: 4, think: 5), count: 30)
    #expect(loop.map(\.id) == Array(0..<30))
    #expect(loop.allSatisfy { $0.arrival == 0 })
    #expect(arrivals(.trace(TraceSource(path: "x", format: .azure))).isEmpty)
}
