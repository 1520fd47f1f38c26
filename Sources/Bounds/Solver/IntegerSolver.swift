import CCbc
import CSolver
import Quantities
import Synchronization

/// What a search for whole values came to.
public struct IntegerSolution: Sendable, Equatable {
    /// The best values found; `nil` for none below the limit.
    public var solution: [Double]?
    /// No whole values below the limit cost less.
    public var bound: Double
    /// Whether all was searched: the values are an optimum, or there are none below the limit.
    public var isComplete: Bool
    public var nodes: Int
}

/// Linear programmes whose columns must be whole, solved by CBC (COIN-OR, EPL-2.0): branch and cut over CLP.
///
/// Why CBC: it is the integer solver of COIN-OR, whose CLP solves our linear programmes, it has a C interface, and Debian carries it as a library. HiGHS,
/// which is faster, is no package of Debian 12; GLPK is slower and its licence (GPL-3.0) would be passed on to the program. It runs on one thread and is
/// limited by nodes alone, so that the outcome does not depend on the machine.
public enum IntegerSolver {
    /// CBC keeps its parameters in global variables: two searches at a time would take each other's.
    private static let turn = Mutex(())

    /// The best whole values that cost less than `limit`.
    /// - Throws: `malformed` for a programme that makes no sense, `unbounded`, or `abandoned`.
    public static func solve(_ program: LinearProgram, below limit: Double, nodeLimit: Int) throws(SolverError) -> IntegerSolution {
        try SimplexSolver.check(program)
        guard program.columnCount > 0, program.rowCount > 0 else { throw .malformed("a programme without columns or rows") }
        return try turn.withLock { _ in Result { () throws(SolverError) in try search(program, below: limit, nodeLimit: nodeLimit) } }.get()
    }

    private static func search(_ program: LinearProgram, below limit: Double, nodeLimit: Int) throws(SolverError) -> IntegerSolution {
        var isIntact = true
        guard let model = Cbc_newModel() else { throw .abandoned }
        // After an exception the model is in no known state: it is left behind.
        try SimplexSolver.check(load(program, into: model))
        defer { if isIntact { Cbc_deleteModel(model) } }
        Cbc_setLogLevel(model, 0)
        Cbc_setMaximumNodes(model, Int32(clamping: nodeLimit))
        Cbc_setCutoff(model, limit)
        let outcome = solver_cbc_solve(model)
        isIntact = outcome == 0
        try SimplexSolver.check(outcome)
        if Cbc_isContinuousUnbounded(model) != 0 { throw .unbounded }
        if Cbc_isAbandoned(model) != 0 { throw .abandoned }
        return solution(of: model, program, limit: limit)
    }

    private static func solution(of model: UnsafeMutableRawPointer, _ program: LinearProgram, limit: Double) -> IntegerSolution {
        let nodes = Int(Cbc_getNodeCount(model))
        let isInfeasible = Cbc_isProvenInfeasible(model) != 0 || Cbc_isInitialSolveProvenPrimalInfeasible(model) != 0
        if isInfeasible { return IntegerSolution(solution: nil, bound: limit, isComplete: true, nodes: nodes) }
        var values: [Double]?
        if let found = Cbc_bestSolution(model) { values = Array(UnsafeBufferPointer(start: found, count: program.columnCount)) }
        let isOptimal = Cbc_isProvenOptimal(model) != 0
        let bound = Cbc_getBestPossibleObjValue(model)
        return IntegerSolution(solution: values, bound: min(bound, limit), isComplete: isOptimal, nodes: nodes)
    }

    /// CBC takes a programme by columns; ours is kept by rows.
    private static func load(_ program: LinearProgram, into model: UnsafeMutableRawPointer) -> solver_outcome {
        let rows = SimplexSolver.merged(program)
        var starts = [Int32](repeating: 0, count: program.columnCount + 1)
        for column in rows.columns { starts[Int(column) + 1] += 1 }
        for column in 0..<program.columnCount { starts[column + 1] += starts[column] }
        var next = starts
        var index = [Int32](repeating: 0, count: rows.columns.count)
        var value = [Double](repeating: 0, count: rows.columns.count)
        for row in 0..<program.rowCount {
            for place in Int(rows.starts[row])..<Int(rows.starts[row + 1]) {
                let column = Int(rows.columns[place])
                index[Int(next[column])] = Int32(row)
                value[Int(next[column])] = rows.coefficients[place]
                next[column] += 1
            }
        }
        return solver_cbc_load(
            model, Int32(program.columnCount), Int32(program.rowCount), starts, index, value, program.columnLower.map(SimplexSolver.clipped),
            program.columnUpper.map(SimplexSolver.clipped), program.costs, program.rowLower.map(SimplexSolver.clipped),
            program.rowUpper.map(SimplexSolver.clipped))
    }
}
