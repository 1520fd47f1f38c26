/// A policy by name with its parameters, as a topology names it.
public struct PolicyChoice: Sendable, Equatable {
    /// Name in the family's registry.
    public var name: String
    /// Values by parameter name; what is absent has its default.
    public var parameters: [String: Double]
    /// The program that decides, for the policy `process`.
    public var program: ExternalProgram?

    public init(_ name: String, parameters: [String: Double] = [:]) {
        self.name = name
        self.parameters = parameters
    }

    public init(_ program: ExternalProgram) {
        self.init(ExternalProgram.policyName)
        self.program = program
    }

    /// The policy of the registry that is made: for a program its fallback.
    public var policyWithin: PolicyChoice { program?.fallback ?? self }
}

/// One parameter of a policy: what `testbed policies`, the checks of a topology and the JSON schema say about it.
public struct ParameterDescription: Sendable, Equatable {
    public var name: String
    /// Unit, or "" for a plain number.
    public var unit: String
    public var defaultValue: Double
    public var range: ClosedRange<Double>
    public var summary: String

    public init(_ name: String, unit: String = "", defaultValue: Double, range: ClosedRange<Double>, summary: String) {
        self.name = name
        self.unit = unit
        self.defaultValue = defaultValue
        self.range = range
        self.summary = summary
    }
}

/// What is known of a policy without making one.
public struct PolicyDescription: Sendable, Equatable {
    public var name: String
    /// Other names that a topology may use.
    public var aliases: [String]
    /// One line.
    public var summary: String
    /// Where the policy comes from.
    public var source: String
    public var parameters: [ParameterDescription]
    /// Whether it decides on predicted output lengths, so that the topology must name a predictor.
    public var needsPrediction: Bool
    /// The parameter that makes it do so when it is above 0, for a policy that may do without.
    public var predictionParameter: String?
    /// What is proved of it; empty for most heuristics.
    public var guarantees: [Guarantee]

    public init(
        name: String, aliases: [String] = [], summary: String, source: String, parameters: [ParameterDescription] = [],
        needsPrediction: Bool = false, predictionParameter: String? = nil, guarantees: [Guarantee] = []
    ) {
        self.name = name
        self.aliases = aliases
        self.summary = summary
        self.source = source
        self.parameters = parameters
        self.needsPrediction = needsPrediction
        self.predictionParameter = predictionParameter
        self.guarantees = guarantees
    }

    /// Whether the policy with these parameters decides on predicted output lengths.
    public func needsPrediction(_ choice: PolicyChoice) -> Bool {
        needsPrediction || predictionParameter.map { PolicyParameters(choice, for: self)[$0] > 0 } == true
    }

    /// Whether a topology may mean this policy by `name`.
    public func answers(to name: String) -> Bool { self.name == name || aliases.contains(name) }
}

/// The families of policies, as the keys of a topology name them.
public enum PolicyFamily: String, Sendable, CaseIterable {
    case routing, admission, scheduling, balance, predictor, migration, recovery, preemption, scaling
}
