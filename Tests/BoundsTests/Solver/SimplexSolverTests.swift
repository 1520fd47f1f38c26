import Bounds
import Foundation
import Quantities
import Testing

/// Feasible by construction: every row's bounds hold the row's value at a random point within the columns' bounds.
func randomProgram(_ random: inout RandomStream, columns: Int, rows: Int) -> LinearProgram {
    var program = LinearProgram()
    var point: [Double] = []
    for _ in 0..<columns {
        let lower = Double(random.below(5)) - 2
        let upper = lower + Double(1 + random.below(6))
        program.addColumn(cost: random.normalVariate(), lower: lower, upper: upper)
        point.append(lower + random.unit() * (upper - lower))
    }
    for _ in 0..<rows {
        var terms: [LinearProgram.Term] = []
        var value = 0.0
        for column in 0..<columns where random.below(3) == 0 {
            let coefficient = random.normalVariate()
            terms.append(.init(column, coefficient))
            value += coefficient * point[column]
        }
        switch random.below(3) {
        case 0: program.addRow(terms, upper: value + random.unit())
        case 1: program.addRow(terms, lower: value - random.unit())
        default: program.addRow(terms, lower: value, upper: value)
        }
    }
    return program
}

/// By how much a solution breaks bounds and rows, and the gap to the least cost that its row prices prove.
func certificate(_ program: LinearProgram, _ solution: LinearSolution) -> (violation: Double, gap: Double) {
    var reduced = program.costs
    var violation = 0.0
    var proved = 0.0
    for row in 0..<program.rowCount {
        var activity = 0.0
        let price = solution.rowPrices[row]
        for index in Int(program.rowStarts[row])..<Int(program.rowStarts[row + 1]) {
            activity += program.coefficients[index] * solution.values[Int(program.columns[index])]
            reduced[Int(program.columns[index])] -= price * program.coefficients[index]
        }
        violation = max(violation, program.rowLower[row] - activity, activity - program.rowUpper[row])
        if abs(price) > 1e-9 { proved += price * (price > 0 ? program.rowLower[row] : program.rowUpper[row]) }
    }
    for column in 0..<program.columnCount {
        violation = max(violation, program.columnLower[column] - solution.values[column], solution.values[column] - program.columnUpper[column])
        if abs(reduced[column]) > 1e-9 {
            proved += reduced[column] * (reduced[column] > 0 ? program.columnLower[column] : program.columnUpper[column])
        }
    }
    return (violation, abs(solution.objective - proved))
}

/// LPLB's programme as published, for a cube: 24 rows, 42 columns.
func publishedProgram(_ random: inout RandomStream) -> LinearProgram {
    let originals = [[3, 0, 1, 2, 7, 4, 5, 6], [6, 7, 4, 5, 0, 1, 2, 3]]
    var program = LinearProgram()
    let x = (0..<16).map { _ in program.addColumn() }
    let y = (0..<16).map { _ in program.addColumn() }
    let slack = (0..<8).map { _ in program.addColumn() }
    let t = program.addColumn(cost: 1)
    let artificial = program.addColumn(cost: 1000)
    let w = (0..<16).map { _ in random.unit() }
    for rank in 0..<8 {
        var terms: [LinearProgram.Term] = [.init(slack[rank]), .init(t, -1), .init(artificial, 1)]
        for j in 0..<2 {
            terms.append(.init(x[rank * 2 + j], w[rank * 2 + j]))
            let copied = originals[j][rank] * 2 + j
            terms.append(.init(y[copied], w[copied]))
        }
        let fixed = 4 * random.unit()
        program.addRow(terms, lower: -fixed, upper: -fixed)
    }
    for edge in 0..<16 { program.addRow([.init(x[edge]), .init(y[edge])], lower: 1, upper: 1) }
    return program
}

@Test("programmes solved by hand")
func solvedByHand() throws {
    // Dantzig's: max 3x + 5y with x <= 4, 2y <= 12, 3x + 2y <= 18 is 36 at (2, 6).
    var wyndor = LinearProgram()
    let x = wyndor.addColumn(cost: -3)
    let y = wyndor.addColumn(cost: -5)
    wyndor.addRow([.init(x)], upper: 4)
    wyndor.addRow([.init(y), .init(y)], upper: 12)
    wyndor.addRow([.init(x, 3), .init(y, 2)], upper: 18)
    let optimum = try SimplexSolver.solve(wyndor)
    #expect(abs(optimum.objective + 36) < 1e-9)
    #expect(abs(optimum.values[0] - 2) < 1e-9 && abs(optimum.values[1] - 6) < 1e-9)
    #expect(zip(optimum.rowPrices, [0, -1.5, -1]).allSatisfy { abs($0 - $1) < 1e-9 })
    // Bounds alone, and no rows: each column at its cheaper end.
    var box = LinearProgram()
    box.addColumn(cost: 2, lower: -3, upper: 5)
    box.addColumn(cost: -1, lower: -3, upper: 5)
    #expect(try SimplexSolver.solve(box).values == [-3, 5])
    #expect(try SimplexSolver.solve(LinearProgram()).objective == 0)
}

@Test("what has no optimum says why")
func failuresAreNamed() {
    var program = LinearProgram()
    let x = program.addColumn(cost: -1)
    #expect(throws: SolverError.unbounded) { try SimplexSolver.solve(program) }
    program.addRow([.init(x)], lower: 3, upper: 2)
    #expect(throws: SolverError.infeasible) { try SimplexSolver.solve(program) }
    var empty = LinearProgram()
    empty.addColumn(upper: 1)
    empty.addRow([.init(0)], lower: 2)
    #expect(throws: SolverError.infeasible) { try SimplexSolver.solve(empty) }
    var wrong = LinearProgram()
    wrong.addColumn()
    wrong.addRow([.init(1)], upper: 1)
    #expect(throws: SolverError.malformed("row 0 names column 1 of 1")) { try SimplexSolver.solve(wrong) }
    var nan = LinearProgram()
    nan.addColumn(cost: .nan)
    #expect(throws: SolverError.malformed("column 0 has the cost nan")) { try SimplexSolver.solve(nan) }
    var random = RandomStream(seed: 1, stream: 0)
    let large = randomProgram(&random, columns: 60, rows: 40)
    #expect(throws: SolverError.limitReached) { try SimplexSolver.solve(large, limits: SolverLimits(iterations: 1)) }
}

@Test("random programmes are solved to a proved optimum, small ones and those that are simplified first", arguments: [(30, 12, 200), (400, 160, 2)])
func provedOptima(columns: Int, rows: Int, count: Int) throws {
    var random = RandomStream(seed: 11, stream: 0)
    for _ in 0..<count {
        let program = randomProgram(&random, columns: columns, rows: rows)
        let solution = try SimplexSolver.solve(program)
        let (violation, gap) = certificate(program, solution)
        #expect(violation < 1e-6)
        #expect(gap < 1e-5)
        #expect(try SimplexSolver.solve(program) == solution)
        #expect(abs(try SimplexSolver.solve(program, method: .primal).objective - solution.objective) < 1e-5)
    }
}

@Test("nothing is printed")
func silent() throws {
    var random = RandomStream(seed: 12, stream: 0)
    let programs = [publishedProgram(&random), randomProgram(&random, columns: 400, rows: 160), randomProgram(&random, columns: 3, rows: 0)]
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("solver-\(UUID().uuidString).txt")
    defer { try? FileManager.default.removeItem(at: file) }
    let kept = dup(1)
    let opened = open(file.path, O_CREAT | O_WRONLY, 0o600)
    dup2(opened, 1)
    defer { close(kept) }
    for program in programs { _ = try? SimplexSolver.solve(program) }
    fflush(nil)
    dup2(kept, 1)
    close(opened)
    let printed = try String(contentsOf: file, encoding: .utf8)
    // Other tests may print meanwhile: what they said is passed on.
    print(printed, terminator: "")
    for word in ["Clp", "Coin", "Primal", "Optimal", "Presolve"] { #expect(!printed.contains(word)) }
}

@Test("a programme of LPLB's size is solved in fewer pivots than it has columns")
func pivots() throws {
    var random = RandomStream(seed: 13, stream: 0)
    for _ in 0..<100 {
        let program = publishedProgram(&random)
        #expect(program.rowCount == 24 && program.columnCount == 42)
        #expect(try SimplexSolver.solve(program).iterations < program.columnCount)
    }
}
