import Bounds
import Policies
import Quantities

/// Looks for the instances on which a policy is farthest from the optimum, and holds them against what is guaranteed of it.
///
/// Instances come from the random families, from the constructions of the papers, and from a search that goes on from the worst of both: an instance is
/// changed a little and kept if its ratio is no lower. Of each the optimum is found (`HindsightOptimum`), proved for all but a few; a guarantee counts as
/// refuted only if the policy goes beyond it by the best schedule known, which the optimum does not exceed. A pure function of policy and seed.
public struct Audit {
    /// How much is done.
    public struct Effort: Sendable, Equatable {
        /// Random instances in all, and changes tried by the search.
        public var instances: Int
        public var changes: Int
        public var limits: HindsightOptimum.Limits

        public init(instances: Int, changes: Int? = nil, limits: HindsightOptimum.Limits = .init(states: 500_000, nodes: 200, orders: 2_000)) {
            self.instances = instances
            self.changes = changes ?? instances
            self.limits = limits
        }
    }

    private let policy: AuditedPolicy
    private let effort: Effort
    private let seed: UInt64
    private var report: AuditReport
    /// Called now and then with the number of instances judged.
    private let onProgress: (Int) -> Bool

    private init(_ policy: AuditedPolicy, effort: Effort, seed: UInt64, onProgress: @escaping (Int) -> Bool) {
        self.policy = policy
        self.effort = effort
        self.seed = seed
        self.onProgress = onProgress
        report = AuditReport(policy)
    }

    /// Audits a policy.
    /// - Parameter onProgress: called with the number of instances judged so far; answers whether to go on.
    /// - Returns: what was found, up to where it was to end.
    public static func run(
        _ policy: AuditedPolicy, effort: Effort, seed: UInt64, onProgress: @escaping (Int) -> Bool = { _ in true }
    ) throws(SolverError) -> AuditReport {
        var audit = Audit(policy, effort: effort, seed: seed, onProgress: onProgress)
        try audit.drawFamilies()
        try audit.construct()
        try audit.search()
        return audit.report
    }

    /// Judges instances of one family alone.
    /// - Parameters:
    ///   - family: the name of an `InstanceFamily` or of a `PublishedStudy`.
    ///   - requests: of a study's instances, the first so many requests; `nil` for all.
    /// - Returns: `nil` for an unknown family.
    public static func run(
        _ policy: AuditedPolicy, family: String, requests: Int? = nil, effort: Effort, seed: UInt64,
        onProgress: @escaping (Int) -> Bool = { _ in true }
    ) throws(SolverError) -> AuditReport? {
        let small = InstanceFamily(rawValue: family)
        let study = PublishedStudy(rawValue: family)
        guard small != nil || study != nil else { return nil }
        var audit = Audit(policy, effort: effort, seed: seed, onProgress: onProgress)
        var random = RandomStream(seed: seed, stream: 300)
        for _ in 0..<effort.instances {
            guard audit.goesOn else { break }
            let drawn = small?.draw(&random, policy.teller) ?? study?.draw(&random, policy.teller, requests: requests)
            guard let instance = drawn, !instance.requests.isEmpty else { continue }
            if let finding = try policy.judge(instance, from: family, limits: effort.limits) { audit.report.take(finding) }
        }
        return audit.report
    }

    private var goesOn: Bool { onProgress(report.instances) }

    private mutating func drawFamilies() throws(SolverError) {
        let families = InstanceFamily.allCases.filter { $0 != .oneInterval || policy.teller.isInterval }
        for (number, family) in families.enumerated() {
            var random = RandomStream(seed: seed, stream: 100 + UInt64(number))
            let count = (effort.instances + families.count - 1 - number) / families.count
            for _ in 0..<count {
                guard goesOn else { return }
                let instance = family.draw(&random, policy.teller)
                if let finding = try policy.judge(instance, from: family.rawValue, limits: effort.limits) { report.take(finding) }
            }
        }
    }

    private mutating func construct() throws(SolverError) {
        for construction in Construction.allCases {
            for instance in construction.instances(for: policy) {
                guard goesOn else { return }
                if let finding = try policy.judge(instance, from: construction.rawValue, limits: effort.limits) { report.take(finding) }
            }
        }
    }

    /// Two searches: for the largest ratio, and for it among the instances that a guarantee speaks of.
    private mutating func search() throws(SolverError) {
        let ratios = policy.guarantees.filter { $0.claim != .noEvictions }
        let steps = ratios.isEmpty ? effort.changes : effort.changes / 2
        try climb(under: nil, steps: steps, stream: 200)
        for (number, guarantee) in ratios.enumerated() {
            try climb(under: guarantee, steps: (effort.changes - steps) / ratios.count, stream: 201 + UInt64(number))
        }
    }

    private mutating func climb(under guarantee: Guarantee?, steps: Int, stream: UInt64) throws(SolverError) {
        var random = RandomStream(seed: seed, stream: stream)
        let mutation = InstanceMutation(teller: policy.teller)
        func height(_ finding: Finding) -> Double { guarantee.map { finding.severity(of: $0) } ?? finding.ratio }
        func isAllowed(_ instance: AuditInstance) -> Bool { guarantee?.conditions.allSatisfy { instance.meets($0) } ?? true }
        let starts = report.seeds.filter { isAllowed($0.instance) && $0.instance.requests.count <= mutation.requestLimit }
            .sorted { (-height($0), $0.source) < (-height($1), $1.source) }.prefix(3)
        let share = steps / max(1, starts.count)
        for start in starts {
            var current = start
            for _ in 0..<share {
                guard goesOn else { return }
                guard let changed = mutation.draw(current.instance, &random), isAllowed(changed) else { continue }
                let threshold = guarantee == nil ? current.ratio : 0
                guard let finding = try policy.judge(changed, from: "search from \(start.source)", limits: effort.limits, threshold: threshold)
                else { continue }
                report.take(finding, as: "search")
                if height(finding) >= height(current) { current = finding }
            }
        }
    }
}

/// What an audit found.
public struct AuditReport: Sendable {
    /// Instances of one origin.
    public struct Origin: Sendable, Equatable {
        public var name: String
        public var instances = 0
        /// Those of which the optimum is proved.
        public var proved = 0
        /// Those of which the policy's schedule is proved to be an optimum.
        public var exact = 0
        fileprivate var sum = 0.0
        fileprivate var sumAtMost = 0.0
        /// The largest ratio to the best schedule known; that to the optimum is between this and the next.
        public var worst = 0.0
        /// The largest ratio to the bound.
        public var worstAtMost = 0.0

        /// Mean ratio to the best schedule known, of those that came to an end.
        public var mean: Double { instances > 0 ? sum / Double(instances) : 0 }
        /// Mean ratio to the bound.
        public var meanAtMost: Double { instances > 0 ? sumAtMost / Double(instances) : 0 }

        fileprivate mutating func take(_ finding: Finding) {
            instances += 1
            if finding.optimum.isOptimal { proved += 1 }
            if let total = finding.total, total <= finding.optimum.bound { exact += 1 }
            if finding.outcome != nil {
                sum += finding.ratio
                sumAtMost += finding.ratioAtMost
            }
            worst = max(worst, finding.ratio)
            worstAtMost = max(worstAtMost, finding.ratioAtMost)
        }
    }

    public let policy: String
    /// Origins in the order in which they were looked at.
    public private(set) var origins: [Origin] = []
    public private(set) var verdicts: [Verdict]
    /// The instance with the largest ratio.
    public private(set) var worst: Finding?
    /// Instances that the policy never came to an end with.
    public private(set) var stalls = 0
    /// The worst few of each origin, from which a search goes on.
    private(set) var seeds: [Finding] = []

    init(_ policy: AuditedPolicy) {
        self.policy = policy.name
        verdicts = policy.guarantees.map { Verdict($0) }
    }

    /// Instances judged.
    public var instances: Int { origins.reduce(0) { $0 + $1.instances } }

    /// The instance to look at first: one that refutes a guarantee, else the worst.
    public var exhibit: Finding? { verdicts.first { $0.kind == .refuted }?.worst ?? worst }

    mutating func take(_ finding: Finding, as name: String? = nil) {
        let name = name ?? finding.source
        let place = origins.firstIndex { $0.name == name } ?? origins.count
        if place == origins.count { origins.append(Origin(name: name)) }
        origins[place].take(finding)
        if finding.outcome == nil { stalls += 1 }
        if worst.map({ finding.ratio > $0.ratio }) ?? true { worst = finding }
        for place in verdicts.indices { verdicts[place].take(finding) }
        if name == finding.source, finding.outcome != nil { keep(finding) }
    }

    private mutating func keep(_ finding: Finding) {
        let own = seeds.indices.filter { seeds[$0].source == finding.source }
        if own.count < 2 {
            seeds.append(finding)
        } else if let least = own.min(by: { seeds[$0].ratio < seeds[$1].ratio }), seeds[least].ratio < finding.ratio {
            seeds[least] = finding
        }
    }
}
