import Bounds
import Policies
import Quantities

/// A policy under audit: how it is made, what it is told, and what is claimed of it.
public struct AuditedPolicy {
    public let name: String
    public let guarantees: [Guarantee]
    public let teller: Teller
    private let make: () -> any SchedulingPolicy

    /// - Parameter make: makes the policy anew for each instance.
    public init(name: String, guarantees: [Guarantee], teller: Teller, make: @escaping () -> any SchedulingPolicy) {
        self.name = name
        self.guarantees = guarantees
        self.teller = teller
        self.make = make
    }

    /// The policy that a topology would name so; `nil` for an unknown one.
    public init?(_ choice: PolicyChoice, teller: Teller) {
        let description = SchedulingRegistry.descriptions.first { $0.answers(to: choice.name) }
        // A policy that draws does so in the same way at each instance, so that an instance can be replayed.
        let random = RandomStream(seed: 1, stream: RandomPurpose.worker(2))
        guard let description, let policy = SchedulingRegistry.make(choice, random: random) else { return nil }
        self.init(name: description.name, guarantees: description.guarantees, teller: teller) { policy }
    }

    /// What the policy does with an instance; `nil` when it never comes to an end.
    public func run(_ instance: AuditInstance) -> UnitOutcome? {
        var scheduler = SchedulerInRounds(make(), instance)
        return UnitModel.run(instance.unit) { scheduler.decide($0) }
    }

    /// Runs the policy on an instance and finds the optimum.
    /// - Parameters:
    ///   - limits: of the search for the optimum.
    ///   - threshold: without a chance of a ratio of so much, the optimum is not looked for.
    /// - Returns: `nil` when the ratio cannot be `threshold`.
    func judge(
        _ instance: AuditInstance, from source: String, limits: HindsightOptimum.Limits, threshold: Double = 0
    ) throws(SolverError) -> Finding? {
        let outcome = run(instance)
        if let outcome, threshold > 0 {
            // A cheap bound on the optimum decides most cases.
            let least = HindsightOptimum.volumeBound(instance.unit)
            if Double(outcome.totalLatency(instance.unit)) < threshold * Double(least) { return nil }
        }
        let optimum = try HindsightOptimum.solve(instance.unit, limits: limits)
        return Finding(instance: instance, source: source, outcome: outcome, optimum: optimum)
    }

    /// Runs the policy on an instance and sets it against the optimum.
    public func judge(_ instance: AuditInstance, limits: HindsightOptimum.Limits = .init()) throws(SolverError) -> Finding {
        let optimum = try HindsightOptimum.solve(instance.unit, limits: limits)
        return Finding(instance: instance, source: "replay", outcome: run(instance), optimum: optimum)
    }
}

/// What a policy made of an instance.
public struct Finding: Sendable, Equatable {
    public var instance: AuditInstance
    /// Where the instance comes from.
    public var source: String
    /// `nil` when the policy never came to an end.
    public var outcome: UnitOutcome?
    public var optimum: HindsightOptimum

    /// Total latency of the policy, in rounds.
    public var total: Int? { outcome?.totalLatency(instance.unit) }

    /// Total latency over that of the best schedule known: the ratio to the optimum is at least this, and this where the optimum is proved.
    public var ratio: Double { ratio(over: optimum.total) }

    /// No less than the ratio to the optimum: that to the bound.
    public var ratioAtMost: Double { ratio(over: optimum.bound) }

    private func ratio(over least: Int) -> Double {
        guard let total else { return .infinity }
        return least > 0 ? Double(total) / Double(least) : 1
    }

    /// Whether a guarantee speaks of this instance.
    public func isCovered(by guarantee: Guarantee) -> Bool { guarantee.conditions.allSatisfy { instance.meets($0) } }

    /// The figure that a guarantee limits: a ratio, or a number of evictions.
    public func figure(of guarantee: Guarantee) -> Double {
        switch guarantee.claim {
        case .ratioToOptimum, .logarithmInInterval: ratio
        case .intervalRatioToShortestFirst: ratio(over: optimum.mcSF)
        case .noEvictions: outcome.map { Double($0.evictions) } ?? .infinity
        }
    }

    /// What a guarantee allows the figure to be; `nil` where it says nothing about a single instance.
    public func limit(of guarantee: Guarantee) -> Double? {
        switch guarantee.claim {
        case .ratioToOptimum(let limit): return limit
        case .intervalRatioToShortestFirst:
            let width = instance.intervalRatio
            return width * (1 + width) / 2
        case .logarithmInInterval: return outcome == nil ? 0 : nil
        case .noEvictions: return 0
        }
    }

    /// How near to its limit the figure is, for finding the worst; above 1 the guarantee does not hold here.
    func severity(of guarantee: Guarantee) -> Double {
        let figure = figure(of: guarantee)
        guard let limit = limit(of: guarantee) else { return figure / (1 + naturalLog(max(1, instance.intervalRatio))) }
        return limit > 0 ? figure / limit : figure > 0 ? 1 + figure : 0
    }
}

/// What became of a guarantee.
public struct Verdict: Sendable, Equatable {
    /// What is said of it.
    public enum Kind: String, Sendable {
        /// No instance contradicts it.
        case held
        /// An instance does.
        case refuted
        /// Small instances go beyond what is claimed for memory without end.
        case exceeded
        /// It names no factor, so that no instance can contradict it.
        case unquantified
        /// No instance met its conditions.
        case untested
    }

    public var guarantee: Guarantee
    /// Instances that met its conditions, and the one that came nearest to contradicting it.
    public private(set) var instances = 0
    public private(set) var worst: Finding?

    init(_ guarantee: Guarantee) { self.guarantee = guarantee }

    /// What the instances say of it.
    public var kind: Kind {
        guard let worst else { return .untested }
        guard let limit = worst.limit(of: guarantee) else { return .unquantified }
        if worst.figure(of: guarantee) <= limit { return .held }
        return guarantee.isAsymptotic && worst.outcome != nil ? .exceeded : .refuted
    }

    mutating func take(_ finding: Finding) {
        guard finding.isCovered(by: guarantee) else { return }
        instances += 1
        if worst.map({ finding.severity(of: guarantee) > $0.severity(of: guarantee) }) ?? true { worst = finding }
    }
}
