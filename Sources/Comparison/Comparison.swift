import Quantities

/// What one run of a variant came to.
public struct ComparedRun: Sendable, Equatable {
    /// What decisions of one kind took on the host, in seconds of processor time.
    public struct Decisions: Sendable, Equatable {
        public var kind: String
        public var policy: String
        public var p50: Double?
        public var p99: Double?

        public init(kind: String, policy: String, p50: Double?, p99: Double?) {
            self.kind = kind
            self.policy = policy
            self.p50 = p50
            self.p99 = p99
        }
    }

    public var folder: String
    /// The metric; `nil` where the run gives it no value.
    public var value: Double?
    /// What no policy can beat for this run's requests; `nil` where no bound on the metric is known.
    public var bound: Double?
    public var decisions: [Decisions]
    /// Whether a program outside was given up, so that another policy decided from then on.
    public var fellBack: Bool

    public init(folder: String, value: Double?, bound: Double? = nil, decisions: [Decisions] = [], fellBack: Bool = false) {
        self.fellBack = fellBack
        self.folder = folder
        self.value = value
        self.bound = bound
        self.decisions = decisions
    }
}

/// Variants by paired runs: run number i of every variant has the same seed, so the same requests.
public struct Comparison: Sendable {
    /// One variant beside the others.
    public struct Row: Sendable, Equatable {
        /// Place among the variants as they were given.
        public var variant: Int
        /// Mean over the runs that have a value, and how many they are; `nil` where there are none.
        public var mean: Double?
        public var count: Int
        /// To the baseline, over the seeds that both have; `nil` for the baseline itself.
        public var difference: PairedDifference?
        /// Mean of the metric over the mean of its bound, or the other way around where more is better: at least 1, and 1 is optimal.
        public var ratio: Double?
        public var bound: Double?
        /// Means over the runs.
        public var decisions: [ComparedRun.Decisions]
    }

    /// What is compared, and how.
    public struct Design: Sendable {
        public var name: String
        public var clock: String
        public var variations: [Variation]
        public var metric: Metric
        public var seeds: [UInt64]
        /// Share of the intervals that hold the true difference.
        public var confidence: Double
        /// Whether requests are the same for every seed too, so that seeds tell nothing of the workload's chance.
        public var isRecordedWorkload: Bool
        /// Whether variants differ in the workload, so that they do not see the same requests.
        public var isVariedWorkload: Bool

        public init(
            name: String, clock: String, variations: [Variation], metric: Metric, seeds: [UInt64], confidence: Double = 0.95,
            isRecordedWorkload: Bool = false, isVariedWorkload: Bool = false
        ) {
            self.name = name
            self.clock = clock
            self.variations = variations
            self.metric = metric
            self.seeds = seeds
            self.confidence = confidence
            self.isRecordedWorkload = isRecordedWorkload
            self.isVariedWorkload = isVariedWorkload
        }
    }

    public let design: Design
    /// Values of each variant, and its runs by seed; `nil` for a run that failed.
    public let values: [[String]]
    public let runs: [[ComparedRun?]]
    /// The best first; variants without a value last.
    public let rows: [Row]
    /// The variant that the others are compared to; `nil` when none has a value.
    public let baseline: Int?
    /// - Parameter baseline: the variant that the others are compared to; `nil` for the best.
    public init(_ design: Design, values: [[String]], runs: [[ComparedRun?]], baseline: Int?) {
        self.design = design
        self.values = values
        self.runs = runs
        let metric = design.metric
        let plain = runs.indices.map { Self.row($0, runs[$0], metric) }
        // A variant that lacks runs may only seem good.
        let most = plain.map(\.count).max() ?? 0
        let ranked = plain.sorted { Self.precedes($0, $1, metric) }
        let best = most > 0 ? ranked.first { $0.count == most }?.variant : nil
        let chosen = baseline ?? best
        self.baseline = chosen
        rows = ranked.map { row in
            var row = row
            if let chosen, chosen != row.variant { row.difference = Self.difference(runs[row.variant], runs[chosen], design.confidence) }
            return row
        }
    }

    private static func precedes(_ one: Row, _ other: Row, _ metric: Metric) -> Bool {
        guard let mine = one.mean, let theirs = other.mean, mine != theirs else {
            return (one.mean == nil) == (other.mean == nil) ? one.variant < other.variant : one.mean != nil
        }
        return metric.isBetter(mine, than: theirs)
    }

    private static func row(_ variant: Int, _ runs: [ComparedRun?], _ metric: Metric) -> Row {
        let good = runs.compactMap { $0 }
        let measured = good.compactMap(\.value)
        let mean = mean(measured)
        let bounded = good.filter { $0.value != nil && $0.bound != nil }
        let bound = Self.mean(bounded.compactMap(\.bound))
        var ratio: Double?
        if let bound, let value = Self.mean(bounded.compactMap(\.value)), bound > 0, value > 0 {
            ratio = metric.lowerIsBetter ? value / bound : bound / value
        }
        let kinds = good.first?.decisions ?? []
        let decisions = kinds.map { kind in
            let all = good.compactMap { run in run.decisions.first { $0.kind == kind.kind } }
            return ComparedRun.Decisions(
                kind: kind.kind, policy: kind.policy, p50: Self.mean(all.compactMap(\.p50)), p99: Self.mean(all.compactMap(\.p99)))
        }
        return Row(variant: variant, mean: mean, count: measured.count, difference: nil, ratio: ratio, bound: bound, decisions: decisions)
    }

    private static func mean(_ values: [Double]) -> Double? { values.isEmpty ? nil : values.reduce(0, +) / Double(values.count) }

    private static func difference(_ one: [ComparedRun?], _ other: [ComparedRun?], _ confidence: Double) -> PairedDifference? {
        let pairs = zip(one, other).compactMap { mine, theirs -> Double? in
            guard let mine = mine?.value, let theirs = theirs?.value else { return nil }
            return mine - theirs
        }
        return pairs.isEmpty ? nil : PairedDifference(pairs, confidence: confidence)
    }

    /// What a row's difference says.
    public enum Verdict: String, Sendable {
        case baseline, better, worse
        /// The interval holds 0.
        case notSignificant = "not significant"
        /// Every run gave the baseline's value.
        case same
        /// Too few runs for an interval.
        case unknown
    }

    /// What a row's difference says.
    public func verdict(_ row: Row) -> Verdict {
        if row.variant == baseline { return .baseline }
        guard let difference = row.difference, let half = difference.halfWidth else { return .unknown }
        if difference.mean == 0, half == 0 { return .same }
        guard difference.isSignificant else { return .notSignificant }
        return design.metric.isBetter(difference.mean, than: 0) ? .better : .worse
    }

    /// Runs whose metric is better than its bound, which means that one of both is wrong.
    public var beaten: [(variant: Int, seed: UInt64)] {
        runs.indices.flatMap { variant in
            zip(runs[variant], design.seeds).compactMap { run, seed -> (variant: Int, seed: UInt64)? in
                guard let value = run?.value, let bound = run?.bound, bound > 0, bound.isFinite else { return nil }
                let ratio = design.metric.lowerIsBetter ? value / bound : bound / value
                return ratio < 1 - 1e-6 ? (variant, seed) : nil
            }
        }
    }
}
