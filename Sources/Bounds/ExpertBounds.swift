import Policies
import Quantities

/// How even the tokens of a batch could be over ranks, whatever the policy.
public enum ExpertBounds {
    /// The mean load: no placement and no split puts fewer tokens on the heaviest rank.
    public static func idealLoad(counts: [Int32], ranks: Int) -> Double {
        Double(counts.reduce(Int64(0)) { $0 + Int64($1) }) / Double(max(1, ranks))
    }

    /// The least possible number of tokens on the heaviest rank, for divisible tokens and these replicas.
    ///
    ///     minimise t  subject to  sum of y_{e,r} over ranks r that hold e = counts_e,  sum of y_{e,r} over e <= t for every r
    ///
    /// Indivisible tokens reach it rounded up: the programme is a flow, whose vertices are whole when t is.
    /// - Parameter counts: tokens for each expert of the placement.
    /// - Throws: what the solver met.
    public static func leastHeaviestLoad(
        counts: [Int32], placement: ExpertPlacement, limits: SolverLimits = SolverLimits()
    ) throws(SolverError) -> Double {
        guard counts.count == placement.experts else {
            throw .malformed("\(counts.count) counts for a placement of \(placement.experts) experts")
        }
        let scale = idealLoad(counts: counts, ranks: placement.ranks)
        guard scale > 0 else { return 0 }
        var program = LinearProgram()
        let t = program.addColumn(cost: 1)
        var fixed = [Double](repeating: 0, count: placement.ranks)
        var terms = [[LinearProgram.Term]](repeating: [], count: placement.ranks)
        for expert in counts.indices where counts[expert] > 0 {
            var ranks: [Int] = []
            for slot in placement.replicas(of: expert) where ranks.last != placement.rank(ofSlot: slot) { ranks.append(placement.rank(ofSlot: slot)) }
            if ranks.count == 1 {
                fixed[ranks[0]] += Double(counts[expert])
                continue
            }
            var whole: [LinearProgram.Term] = []
            for rank in ranks {
                let column = program.addColumn()
                whole.append(.init(column))
                terms[rank].append(.init(column))
            }
            let tokens = Double(counts[expert]) / scale
            program.addRow(whole, lower: tokens, upper: tokens)
        }
        for rank in terms.indices { program.addRow(terms[rank] + [.init(t, -1)], upper: -fixed[rank] / scale) }
        return try SimplexSolver.solve(program, limits: limits).objective * scale
    }
}
