/// Exact statistics of a set of times. Eight bytes a sample; sums are integers, so their order cannot matter.
public struct SampleSet: Sendable {
    private var samples: [Int64] = []
    private var sorted = true

    public init() {}

    /// Number of samples.
    public var count: Int { samples.count }

    /// Adds a sample.
    public mutating func add(_ sample: Int64) {
        if let last = samples.last, sample < last { sorted = false }
        samples.append(sample)
    }

    /// Adds the samples of another set.
    public mutating func merge(_ other: SampleSet) {
        guard !other.samples.isEmpty else { return }
        sorted = sorted && other.sorted && (samples.last ?? .min) <= (other.samples.first ?? .max)
        samples += other.samples
    }

    /// Mean, percentiles and maximum, or `nil` when there is no sample.
    public mutating func summary() -> Distribution? {
        guard !samples.isEmpty else { return nil }
        if !sorted {
            samples.sort()
            sorted = true
        }
        let total = samples.reduce(into: WideSum()) { $0.add($1) }
        func at(_ share: Int) -> Int64 { samples[rank(share, of: samples.count)] }
        return Distribution(
            count: samples.count, mean: total.mean(over: samples.count), p50: Double(at(500)), p90: Double(at(900)), p99: Double(at(990)),
            max: Double(samples[samples.count - 1]))
    }
}

/// The place of a percentile among `count` sorted samples by the nearest-rank rule; `share` in thousandths.
@inlinable
func rank(_ share: Int, of count: Int) -> Int {
    // By thousands and the rest: the product with the whole count may be too large.
    max(0, count / 1000 * share + (count % 1000 * share + 999) / 1000 - 1)
}

/// A sum of 64-bit numbers that does not overflow.
struct WideSum: Sendable {
    private var total: Int128 = 0

    init() {}

    /// From the halves that `low` and `high` give.
    init(low: Int64, high: Int64) { total = Int128(high) << 64 | Int128(UInt64(bitPattern: low)) }

    var low: Int64 { Int64(truncatingIfNeeded: total) }
    var high: Int64 { Int64(truncatingIfNeeded: total >> 64) }

    mutating func add(_ number: Int64) { total += Int128(number) }

    mutating func add(_ number: Int64, times count: Int64) { total += Int128(number) * Int128(count) }

    mutating func add(_ other: WideSum) { total += other.total }

    /// Whether it can be the sum of so many numbers from 0 to `largest`.
    func canBe(sumOf count: Int64, upTo largest: Int64) -> Bool { total >= 0 && total <= Int128(count) * Int128(largest) }

    func mean(over count: Int) -> Double { Double(total) / Double(count) }
}

/// What a summary says of a set of samples, in the samples' unit.
public struct Distribution: Sendable, Equatable {
    public var count: Int
    public var mean: Double
    public var p50: Double
    public var p90: Double
    public var p99: Double
    public var max: Double

    public init(count: Int, mean: Double, p50: Double, p90: Double, p99: Double, max: Double) {
        self.count = count
        self.mean = mean
        self.p50 = p50
        self.p90 = p90
        self.p99 = p99
        self.max = max
    }

    /// The same distribution in another unit.
    public func scaled(by factor: Double) -> Distribution {
        Distribution(count: count, mean: mean * factor, p50: p50 * factor, p90: p90 * factor, p99: p99 * factor, max: max * factor)
    }
}

/// A histogram of times in fixed logarithmic-linear buckets, for samples too many to keep (one a token).
///
/// Mean and maximum are exact. A percentile is the middle of its bucket: at most 1/1024 of its value off.
public struct LogLinearHistogram: Sendable {
    private static let subBits = 9
    private static let bucketCount = (64 - subBits) << subBits
    /// Counts of the buckets up to the largest that was used: in hundreds of nodes the whole range would take more memory than all
    /// the rest.
    private var counts: [Int64] = []
    private var total = WideSum()
    private var largest: Int64 = 0

    /// Number of samples.
    public private(set) var count: Int64 = 0

    public init() {}

    /// Makes room for a bucket and those that share its power of two.
    @inline(never)
    private mutating func makeRoom(for bucket: Int) {
        let end = (bucket | ((1 << Self.subBits) - 1)) + 1
        counts.append(contentsOf: repeatElement(0, count: end - counts.count))
    }

    @inline(__always)
    private mutating func add(_ number: Int64, toBucket bucket: Int) {
        if bucket >= counts.count { makeRoom(for: bucket) }
        counts[bucket] &+= number
    }

    /// Adds a sample so many times (no less than 0); a negative sample counts as 0.
    @inline(__always)
    public mutating func add(_ sample: Int64, times: Int64 = 1) {
        guard times > 0 else { return }
        let value = Swift.max(sample, 0)
        add(times, toBucket: Self.bucket(value))
        count &+= times
        total.add(value, times: times)
        if value > largest { largest = value }
    }

    /// Adds all samples of another histogram.
    public mutating func merge(_ other: LogLinearHistogram) {
        for (place, number) in other.counts.enumerated() where number != 0 { add(number, toBucket: place) }
        count += other.count
        total.add(other.total)
        largest = Swift.max(largest, other.largest)
    }

    /// Mean, percentiles and maximum, or `nil` when there is no sample.
    public func summary() -> Distribution? {
        guard count > 0 else { return nil }
        func at(_ share: Int) -> Double {
            var left = Int64(rank(share, of: Int(count))) + 1
            for (place, number) in counts.enumerated() where number != 0 {
                left -= number
                if left <= 0 { return Swift.min(Self.middle(place), Double(largest)) }
            }
            return Double(largest)
        }
        return Distribution(
            count: Int(count), mean: total.mean(over: Int(count)), p50: at(500), p90: at(900), p99: at(990), max: Double(largest))
    }

    @inline(__always)
    static func bucket(_ value: Int64) -> Int {
        let magnitude = 64 - value.leadingZeroBitCount
        guard magnitude > subBits + 1 else { return Int(value) }
        let shift = magnitude - subBits - 1
        return (shift << subBits) + Int(value >> Int64(shift))
    }

    static func middle(_ index: Int) -> Double {
        guard index >= 2 << subBits else { return Double(index) }
        let shift = (index >> subBits) - 1
        let low = Int64((index & ((1 << subBits) - 1)) | (1 << subBits)) << Int64(shift)
        return Double(low) + Double((Int64(1) << Int64(shift)) - 1) / 2
    }
}

// MARK: - As words

extension SampleSet {
    /// Appends the samples.
    public func encode(into words: inout [Int64]) {
        words.append(Int64(samples.count))
        words += samples
    }

    /// Reads what `encode` appended.
    public init(decoding reader: inout WordReader) {
        self.init()
        for _ in 0..<reader.count(of: 1) { add(reader.next()) }
    }
}

extension LogLinearHistogram {
    /// Appends the buckets that hold anything.
    public func encode(into words: inout [Int64]) {
        words += [count, largest, total.low, total.high, Int64(counts.count { $0 != 0 })]
        for (place, number) in counts.enumerated() where number != 0 { words += [Int64(place), number] }
    }

    /// Samples that a histogram of one node may have: those of all nodes can still be counted.
    private static let mostSamples: Int64 = 1 << 48

    /// Reads what `encode` appended. What no samples can have led to is refused, so that histograms can be merged without a check.
    public init(decoding reader: inout WordReader) {
        self.init()
        let samples = reader.amount(upTo: Self.mostSamples)
        largest = reader.amount()
        let low = reader.next()
        total = WideSum(low: low, high: reader.next())
        var end: Int64 = 0
        for _ in 0..<reader.count(of: 2) {
            let bucket = reader.amount(upTo: Int64(Self.bucketCount - 1))
            let number = reader.amount(upTo: samples - count)
            if bucket < end || number == 0 { reader.refuse() }
            end = bucket + 1
            add(number, toBucket: Int(bucket))
            count += number
        }
        if count != samples || !total.canBe(sumOf: samples, upTo: largest) { reader.refuse() }
    }
}
