import Foundation
import Quantities
import Workload

/// All requests of a source, at most `limit`.
func requests(_ source: any RequestSource, limit: Int = 1_000_000) -> [RequestSpec] {
    var all: [RequestSpec] = []
    while all.count < limit, let request = source.next() { all.append(request) }
    return all
}

/// The gaps between arrivals in seconds, the first from 0.
func gaps(_ requests: [RequestSpec]) -> [Double] {
    zip(requests, [0] + requests.map(\.arrival)).map { seconds($0.arrival - $1) }
}

func mean(_ numbers: [Double]) -> Double { numbers.reduce(0, +) / Double(numbers.count) }

func variance(_ numbers: [Double]) -> Double {
    let center = mean(numbers)
    return mean(numbers.map { ($0 - center) * ($0 - center) })
}

/// The largest distance between the samples' distribution and a continuous one, times sqrt(n): Kolmogorov's statistic.
func kolmogorovStatistic(_ samples: [Double], _ distribution: (Double) -> Double) -> Double {
    let count = Double(samples.count)
    var distance = 0.0
    for (index, sample) in samples.sorted().enumerated() {
        let value = distribution(sample)
        distance = max(distance, value - Double(index) / count, Double(index + 1) / count - value)
    }
    return distance * count.squareRoot()
}

/// The 99.9% point of Kolmogorov's statistic.
let kolmogorovLimit = 1.95
