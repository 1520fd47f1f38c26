import Testing

@testable import Quantities

/// Nearest rank by its definition: the smallest sample with at least `share` thousandths of the samples at or below it.
private func nearestRank(_ samples: [Int64], _ share: Int) -> Int64 {
    samples.sorted().first { sample in 1_000 * samples.count { $0 <= sample } >= share * samples.count } ?? 0
}

@Test("percentiles of a sample set follow the definition of nearest rank")
func sampleSetPercentiles() {
    var random = RandomStream(seed: 21, stream: 0)
    for count in [1, 2, 3, 9, 10, 11, 99, 100, 101, 250] {
        let samples = (0..<count).map { _ in Int64(random.below(1_000)) - 500 }
        var set = SampleSet()
        samples.forEach { set.add($0) }
        let summary = set.summary()
        #expect(summary?.count == count)
        #expect(summary?.mean == Double(samples.reduce(0, +)) / Double(count))
        #expect(summary?.p50 == Double(nearestRank(samples, 500)))
        #expect(summary?.p90 == Double(nearestRank(samples, 900)))
        #expect(summary?.p99 == Double(nearestRank(samples, 990)))
        #expect(summary?.max == samples.max().map { Double($0) })
    }
}

@Test("a sample set can be summed up, added to and summed up again")
func sampleSetGoesOn() {
    var set = SampleSet()
    var summaries = [set.summary()]
    for sample in [5, 1, 3] as [Int64] { set.add(sample) }
    for sample in [4, 9] as [Int64] {
        summaries.append(set.summary())
        set.add(sample)
    }
    summaries.append(set.summary())
    #expect(summaries.map { $0?.p50 } == [nil, 3, 3, 4])
    #expect(summaries.map { $0?.max } == [nil, 5, 5, 9])
}

@Test("means do not overflow")
func meanOfLargeSamples() {
    var set = SampleSet()
    var histogram = LogLinearHistogram()
    for _ in 0..<10 { set.add(.max) }
    histogram.add(.max, times: 1_000_000)
    let summary = set.summary()
    #expect(summary?.mean == Double(Int64.max))
    #expect(histogram.summary()?.mean == Double(Int64.max))
    #expect(histogram.summary()?.max == Double(Int64.max))
}

@Test("buckets are in order without gaps, and each value lies within 1/1024 of its bucket's middle")
func bucketsCoverTheRange() {
    var values: [Int64] = Array(0...5_000) + [.max]
    for shift in 12..<63 { values += [-1, 0, 1, 12_345].map { (Int64(1) << Int64(shift)) &+ $0 }.filter { $0 > 0 } }
    values.sort()
    var last = -1
    for value in values {
        let bucket = LogLinearHistogram.bucket(value)
        #expect(bucket >= last)
        if value <= 5_000 { #expect(bucket - last <= 1) }
        last = bucket
        #expect(abs(LogLinearHistogram.middle(bucket) - Double(value)) <= Double(value) / 1_024)
    }
}

@Test("a histogram keeps count, mean and maximum exactly and percentiles within 1/1024")
func histogramMatchesSamples() throws {
    var random = RandomStream(seed: 22, stream: 0)
    var histogram = LogLinearHistogram()
    var halves = [LogLinearHistogram(), LogLinearHistogram()]
    var set = SampleSet()
    for index in 0..<20_000 {
        let sample = Int64(random.next() >> UInt64(20 + random.below(40)))
        histogram.add(sample)
        halves[index % 2].add(sample)
        set.add(sample)
    }
    var merged = halves[0]
    merged.merge(halves[1])
    let found = try #require(histogram.summary())
    let summary = set.summary()
    let exact = try #require(summary)
    #expect(merged.summary() == found)
    #expect(found.count == exact.count)
    #expect(found.mean == exact.mean)
    #expect(found.max == exact.max)
    for (a, b) in [(found.p50, exact.p50), (found.p90, exact.p90), (found.p99, exact.p99)] { #expect(abs(a - b) <= b / 1_024) }
}

@Test("a histogram counts negative samples as 0 and samples of no times not at all")
func histogramEdges() {
    var histogram = LogLinearHistogram()
    #expect(histogram.summary() == nil)
    histogram.add(1_000, times: 0)
    #expect(histogram.summary() == nil)
    histogram.add(-5, times: 3)
    #expect(histogram.summary() == Distribution(count: 3, mean: 0, p50: 0, p90: 0, p99: 0, max: 0))
}

@Test("a distribution scales all but its count")
func distributionScales() {
    let distribution = Distribution(count: 2, mean: 1, p50: 2, p90: 3, p99: 4, max: 5)
    #expect(distribution.scaled(by: 2) == Distribution(count: 2, mean: 2, p50: 4, p90: 6, p99: 8, max: 10))
}
