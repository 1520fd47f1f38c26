import Quantities
import Testing
import Workload

private let plan = WorkloadPlan(
    arrivals: .gamma(rate: 5, burstiness: 2), promptTokens: .logNormal(median: 1_020, sigma: 0.9, limit: 8_192),
    outputTokens: .uniform(from: 1, through: 400), requestLimit: 3_000)

private func generate(seed: UInt64 = 7, _ change: (inout WorkloadPlan) -> Void = { _ in }) -> [RequestSpec] {
    var changed = plan
    change(&changed)
    return requests(GeneratedRequests(changed, seed: seed))
}

@Test("a seed gives the same requests each time, and another seed other ones")
func seedsReproduce() {
    let first = generate()
    #expect(first == generate())
    #expect(first.map(\.id) == Array(0..<3_000))
    let other = generate(seed: 8)
    #expect(first.map(\.arrival) != other.map(\.arrival))
    #expect(first.map(\.promptTokens) != other.map(\.promptTokens))
    #expect(first.map(\.outputTokens) != other.map(\.outputTokens))
}

@Test("arrivals, prompt lengths and output lengths do not depend on one another's parameters")
func streamsAreSeparate() {
    let base = generate()
    let otherArrivals = generate { $0.arrivals = .poisson(rate: 90) }
    #expect(base.map(\.promptTokens) == otherArrivals.map(\.promptTokens))
    #expect(base.map(\.outputTokens) == otherArrivals.map(\.outputTokens))
    let otherPrompts = generate { $0.promptTokens = .uniform(from: 3, through: 900) }
    #expect(base.map(\.arrival) == otherPrompts.map(\.arrival))
    #expect(base.map(\.outputTokens) == otherPrompts.map(\.outputTokens))
    let otherOutputs = generate { $0.outputTokens = .fixed(3) }
    #expect(base.map(\.arrival) == otherOutputs.map(\.arrival))
    #expect(base.map(\.promptTokens) == otherOutputs.map(\.promptTokens))
}

@Test("prompts and outputs of one distribution are drawn apart")
func equalDistributionsDiffer() {
    let same = generate { $0.outputTokens = $0.promptTokens }
    #expect(same.map(\.promptTokens) != same.map(\.outputTokens))
}

@Test("a shorter run is the beginning of a longer one")
func limitsKeepThePrefix() {
    #expect(generate { $0.requestLimit = 100 } == Array(generate().prefix(100)))
    let cut = generate { $0.duration = 60_000_000_000 }
    #expect(cut == generate().filter { $0.arrival <= 60_000_000_000 })
    #expect(!cut.isEmpty)
}

@Test("prompt and output lengths are uncorrelated with each other and with gaps")
func streamsAreIndependent() {
    let all = generate { $0.requestLimit = 20_000 }
    let columns = [gaps(all), all.map { Double($0.promptTokens) }, all.map { Double($0.outputTokens) }]
    for (i, j) in [(0, 1), (0, 2), (1, 2)] {
        let covariance = mean(zip(columns[i], columns[j]).map { $0 * $1 }) - mean(columns[i]) * mean(columns[j])
        let correlation = covariance / (variance(columns[i]) * variance(columns[j])).squareRoot()
        #expect(abs(correlation) < 4 / 20_000.0.squareRoot())
    }
}
