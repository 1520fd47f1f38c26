import CClp
import CSolver
import Quantities

/// Linear programmes, solved by CLP (COIN-OR, EPL-2.0): the simplex method.
///
/// A pure function of the programme as long as no time limit is set: CLP draws its perturbations from a generator of its own that
/// starts anew with every model. Scaling and perturbation are off for small programmes, where they cost more than they save.
public enum SimplexSolver {
    /// Programmes with more coefficients than this are simplified first, scaled and perturbed.
    private static let smallProgramme = 20_000

    /// Which of its conditions the method starts with.
    public enum Method: Sendable {
        /// Costs first: for programmes whose constraints are hard to satisfy, and by default.
        case dual
        /// Constraints first: faster where columns at their lower bounds nearly satisfy them, as in a minimum of maxima.
        case primal
    }

    /// An optimum of `program`, minimising.
    /// - Parameter method: of no effect on programmes that are simplified first.
    /// - Throws: why there is none.
    public static func solve(
        _ program: LinearProgram, method: Method = .dual, limits: SolverLimits = SolverLimits()
    ) throws(SolverError) -> LinearSolution {
        try check(program)
        guard program.columnCount > 0 else { return try solveWithoutColumns(program) }
        guard let model = Clp_newModel() else { throw .abandoned }
        // After an exception the model is in no known state: it is left behind.
        var isIntact = true
        defer { if isIntact { Clp_deleteModel(model) } }
        Clp_setLogLevel(model, 0)
        let outcome = carryOut(program, model, method, limits)
        isIntact = outcome == 0
        try check(outcome)
        return try solution(of: model, program)
    }

    /// Throws for what a call of the solver threw.
    static func check(_ outcome: solver_outcome) throws(SolverError) {
        if outcome != 0 { throw .abandoned }
    }

    private static func carryOut(
        _ program: LinearProgram, _ model: UnsafeMutableRawPointer, _ method: Method, _ limits: SolverLimits
    ) -> solver_outcome {
        let loaded = load(program, into: model)
        guard loaded == 0 else { return loaded }
        if limits.iterations < Int(Int32.max) { Clp_setMaximumIterations(model, Int32(max(0, limits.iterations))) }
        if limits.seconds < .infinity { Clp_setMaximumSeconds(model, max(0, limits.seconds)) }
        if program.coefficients.count > smallProgramme {
            return solver_clp_initial_solve(model)
        }
        Clp_scaling(model, 0)
        Clp_setPerturbation(model, 102)
        return switch method {
        case .dual: solver_clp_dual(model)
        case .primal: solver_clp_primal(model)
        }
    }

    /// The values alone, `nil` for any failure: what a policy is given. Policies ask for minima of maxima; the limit is far beyond them.
    public static let values: LinearSolver = { program in
        try? solve(program, method: .primal, limits: SolverLimits(iterations: 100_000)).values
    }

    private static func load(_ program: LinearProgram, into model: UnsafeMutableRawPointer) -> solver_outcome {
        let rows = merged(program)
        return solver_clp_load(
            model, Int32(program.columnCount), program.columnLower.map(clipped), program.columnUpper.map(clipped), program.costs,
            Int32(program.rowCount), program.rowLower.map(clipped), program.rowUpper.map(clipped), rows.starts, rows.columns,
            rows.coefficients)
    }

    /// CLP's infinity is the largest finite number.
    static func clipped(_ bound: Double) -> Double {
        min(max(bound, -Double.greatestFiniteMagnitude), Double.greatestFiniteMagnitude)
    }

    /// The coefficients with those of one row and column added up, which CLP requires.
    static func merged(_ program: LinearProgram) -> (starts: [Int32], columns: [Int32], coefficients: [Double]) {
        var lastRow = [Int32](repeating: -1, count: program.columnCount)
        var place = [Int](repeating: 0, count: program.columnCount)
        var starts: [Int32] = [0]
        var columns: [Int32] = []
        var coefficients: [Double] = []
        starts.reserveCapacity(program.rowCount + 1)
        columns.reserveCapacity(program.columns.count)
        coefficients.reserveCapacity(program.columns.count)
        for row in 0..<program.rowCount {
            for index in Int(program.rowStarts[row])..<Int(program.rowStarts[row + 1]) {
                let column = Int(program.columns[index])
                if lastRow[column] == Int32(row) {
                    coefficients[place[column]] += program.coefficients[index]
                } else {
                    lastRow[column] = Int32(row)
                    place[column] = columns.count
                    columns.append(program.columns[index])
                    coefficients.append(program.coefficients[index])
                }
            }
            starts.append(Int32(columns.count))
        }
        return (starts, columns, coefficients)
    }

    private static func solution(of model: UnsafeMutableRawPointer, _ program: LinearProgram) throws(SolverError) -> LinearSolution {
        switch Clp_status(model) {
        case 0: break
        case 1: throw .infeasible
        case 2: throw .unbounded
        case 3: throw .limitReached
        default: throw .abandoned
        }
        guard let values = Clp_getColSolution(model) else { throw .abandoned }
        var prices: [Double] = []
        if program.rowCount > 0, let found = Clp_getRowPrice(model) {
            prices = Array(UnsafeBufferPointer(start: found, count: program.rowCount))
        }
        return LinearSolution(
            objective: Clp_objectiveValue(model), values: Array(UnsafeBufferPointer(start: values, count: program.columnCount)),
            rowPrices: prices, iterations: Int(Clp_numberIterations(model)))
    }

    /// Rows that say something about nothing: 0 must lie within their bounds.
    private static func solveWithoutColumns(_ program: LinearProgram) throws(SolverError) -> LinearSolution {
        for row in 0..<program.rowCount where program.rowLower[row] > 0 || program.rowUpper[row] < 0 { throw .infeasible }
        return LinearSolution(objective: 0, values: [], rowPrices: [Double](repeating: 0, count: program.rowCount), iterations: 0)
    }

    static func check(_ program: LinearProgram) throws(SolverError) {
        guard program.columnCount < Int(Int32.max), program.rowCount < Int(Int32.max), program.columns.count < Int(Int32.max) else {
            throw .malformed("more columns, rows or coefficients than a 32-bit number counts")
        }
        for column in 0..<program.columnCount {
            guard program.costs[column].isFinite else { throw .malformed("column \(column) has the cost \(program.costs[column])") }
            try checkBounds(program.columnLower[column], program.columnUpper[column], "column", column)
        }
        for row in 0..<program.rowCount {
            try checkBounds(program.rowLower[row], program.rowUpper[row], "row", row)
            for index in Int(program.rowStarts[row])..<Int(program.rowStarts[row + 1]) {
                guard program.columns[index] >= 0, program.columns[index] < program.columnCount else {
                    throw .malformed("row \(row) names column \(program.columns[index]) of \(program.columnCount)")
                }
                guard program.coefficients[index].isFinite else {
                    throw .malformed("row \(row) has the coefficient \(program.coefficients[index]) at column \(program.columns[index])")
                }
            }
        }
    }

    private static func checkBounds(_ lower: Double, _ upper: Double, _ what: String, _ index: Int) throws(SolverError) {
        if lower.isNaN || upper.isNaN || lower == .infinity || upper == -.infinity {
            throw .malformed("\(what) \(index) has the bounds \(lower) and \(upper)")
        }
        if lower > upper { throw .infeasible }
    }
}
