/// Why a linear programme has no optimum to show.
public enum SolverError: Error, Equatable, Sendable {
    /// The programme makes no sense: what is wrong, and where in it.
    case malformed(String)
    /// No values satisfy all bounds.
    case infeasible
    /// Costs can fall for ever.
    case unbounded
    /// The limit of iterations or of time was reached first.
    case limitReached
    /// The solver gave up: numerical trouble, no memory, or an exception of its own.
    case abandoned
}

/// When to stop looking.
public struct SolverLimits: Sendable, Equatable {
    public var iterations: Int
    /// Processor time. A programme that it stops may be solved on a faster machine: leave it infinite where records depend on the outcome.
    public var seconds: Double

    /// No limit unless told.
    public init(iterations: Int = .max, seconds: Double = .infinity) {
        self.iterations = iterations
        self.seconds = seconds
    }
}

/// An optimum.
public struct LinearSolution: Sendable, Equatable {
    /// The least cost.
    public var objective: Double
    /// Value of each column.
    public var values: [Double]
    /// Price of each row: how much the least cost rises when both bounds of the row do by one. With the programme they prove the
    /// optimum, whoever found it.
    public var rowPrices: [Double]
    /// Pivots of the simplex method.
    public var iterations: Int
}
