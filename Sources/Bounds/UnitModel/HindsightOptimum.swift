import Quantities

/// The least total latency that any schedule of a unit-round instance has, with all arrivals and lengths known beforehand: the benchmark of
/// 2502.07115, an integer programme.
///
/// In steps, each of which ends the search when lower and upper bound meet: the best of MC-SF and of a local search over orders gives a schedule;
/// `SublimationSearch` proves it or a better one by dynamic programmes over more and more of the state, for tens of requests where memory is small. Where that
/// comes to its limit, the linear relaxation of `HindsightProgram` may give a better bound, its reduced costs take away every start that no better schedule
/// can have, and CBC searches among the rest for a schedule that is better by a round at least. All are limited by counts and none by time, so that
/// the outcome does not depend on the machine.
public struct HindsightOptimum: Sendable, Equatable {
    /// How far to go.
    public struct Limits: Sendable, Equatable {
        /// Nodes of a graph of partial schedules (`SublimationSearch`); 0: none.
        public var states: Int
        /// Nodes of the search tree; 0: the linear relaxation only.
        public var nodes: Int
        /// Coefficients of the programme: with more, only the bound by volume is given.
        public var coefficients: Int
        /// Orders tried by the local search.
        public var orders: Int

        public init(states: Int = 5_000_000, nodes: Int = 2_000, coefficients: Int = 1_000_000, orders: Int = 50_000) {
            self.states = states
            self.nodes = nodes
            self.coefficients = coefficients
            self.orders = orders
        }
    }

    /// The best schedule found, and its total latency in rounds.
    public var schedule: UnitSchedule
    public var total: Int
    /// No schedule has a lower total latency.
    public var bound: Int
    /// Optimum of the linear relaxation; `nil` when it was not needed, or the programme was too large to state.
    public var relaxation: Double?
    /// What MC-SF has.
    public var mcSF: Int
    /// Nodes of the search tree.
    public var nodes: Int

    /// Whether the schedule is proved to be the best.
    public var isOptimal: Bool { bound >= total }
    /// How far the schedule may be from the optimum, relative to the bound; 0 when it is proved.
    public var gap: Double { bound > 0 ? Double(total - bound) / Double(bound) : 0 }

    /// Solves an instance.
    /// - Throws: `malformed` with the reason when a request can never be served; what the solver met otherwise.
    public static func solve(_ instance: UnitInstance, limits: Limits = Limits()) throws(SolverError) -> HindsightOptimum {
        if let problem = instance.problem {
            throw .malformed(problem.request.map { "request \($0): \(problem.message)" } ?? problem.message)
        }
        guard let mcSF = UnitModel.run(instance, policy: UnitPolicies.mcSF) else { throw .abandoned }
        let first = UnitSchedule(starts: mcSF.starts)
        let best = UnitSearch.improve(first, of: instance, orders: limits.orders)
        var result = HindsightOptimum(
            schedule: best, total: best.totalLatency(instance), bound: volumeBound(instance), relaxation: nil,
            mcSF: first.totalLatency(instance), nodes: 0)
        guard !result.isOptimal else { return result }
        sublimate(instance, limits, into: &result)
        guard !result.isOptimal else { return result }
        // Starts beyond the end of a good schedule are rarely of use; where the search wants them, once more with all.
        for last in [best.makespan(instance), instance.horizon] {
            guard
                var program = HindsightProgram(instance, below: result.total, until: last, coefficientLimit: limits.coefficients)
            else { return result }
            do {
                try relax(&program, into: &result)
                guard !result.isOptimal, limits.nodes > 0 else { return result }
                let wantsLate = try search(program, instance, nodes: limits.nodes, into: &result)
                guard wantsLate, !result.isOptimal else { return result }
            } catch .abandoned {
                // What is known so far is true without the solver.
                return result
            }
        }
        return result
    }

    private static func sublimate(_ instance: UnitInstance, _ limits: Limits, into result: inout HindsightOptimum) {
        let limits = SublimationSearch.Limits(nodes: limits.states)
        guard var search = SublimationSearch(instance, from: result.schedule, limits: limits) else { return }
        search.run()
        (result.schedule, result.total) = (search.schedule, search.total)
        result.bound = search.isProved ? result.total : max(result.bound, min(result.total, roundedUp(search.bound)))
    }

    /// Costs are whole, so a bound may be rounded up; what the solver's tolerance may have added is taken off before.
    private static func roundedUp(_ value: Double) -> Int {
        let safe = value - 1e-6 * max(1, value.magnitude)
        return safe > 0 && safe < 0x1p52 ? Int(safe.rounded(.up)) : 0
    }

    private static func relax(_ program: inout HindsightProgram, into result: inout HindsightOptimum) throws(SolverError) {
        let relaxed: LinearSolution
        do {
            relaxed = try SimplexSolver.solve(program.program)
        } catch SolverError.infeasible {
            // Only schedules that are better than the known one are in the programme.
            result.bound = result.total
            return
        }
        result.relaxation = relaxed.objective
        result.bound = max(result.bound, min(result.total, roundedUp(relaxed.objective)))
        program.removeStarts(costlierThan: Double(result.total - 1), after: relaxed)
    }

    /// Answers whether what it found has starts that the programme only sums up.
    private static func search(
        _ program: HindsightProgram, _ instance: UnitInstance, nodes: Int, into result: inout HindsightOptimum
    ) throws(SolverError) -> Bool {
        let found = try IntegerSolver.solve(program.program, below: Double(result.total) - 0.5, nodeLimit: nodes)
        result.nodes += found.nodes
        let better = found.solution.flatMap { program.schedule($0, of: instance) }
        if let better, better.isFeasible(instance), better.totalLatency(instance) < result.total {
            (result.schedule, result.total) = (better, better.totalLatency(instance))
        }
        // Without values below the limit the known schedule is the best. With values that are no schedule, their cost is a bound.
        let bound = found.isComplete && found.solution == nil ? result.total : roundedUp(found.bound)
        result.bound = max(result.bound, min(result.total, bound))
        return found.solution != nil && better == nil
    }

    /// A bound without a programme: a pooled machine that works off `memory` token-rounds of volume a round, shortest remaining volume first.
    ///
    /// Proof: the volume of all running requests that passes in a round is at most the memory. Let a machine of that speed serve the same requests,
    /// preemptively: every schedule of the model is one of the machine's, with the same ends at the latest, and shortest remaining work
    /// first has the least sum of ends there (Schrage 1968).
    public static func volumeBound(_ instance: UnitInstance) -> Int {
        let jobs = instance.requests.map { PooledJob(release: Double($0.arrival), work: Double($0.volume) / Double(instance.memory)) }
        let pooled = PooledMachine.leastTotalEnd(jobs, speed: 1) - instance.requests.reduce(0) { $0 + Double($1.arrival) }
        return max(roundedUp(pooled), instance.requests.reduce(0) { $0 + $1.output })
    }
}
