import Quantities

/// The integer programme of 2502.07115, made tighter.
///
/// A column for each kind of request `i` (arrival, prompt and output alike) and start `k`: how many start then. Costs are latencies. With `M` the memory,
/// `s` prompt, `o` output, `p = s + o`, and `e = k + o` the end:
///
///     sum over k of x_{i,k} = requests of the kind                                          for every kind
///     sum of (s + t - k) x_{i,k} over k < t <= e  <= M                                      for every round t
///     sum of w_m(v_m(i, k, t)) x_{i,k}  <= m                                                for every t, m = 1 and 2
///
/// The last rows are implied for whole solutions but not for fractions, and they close most of the gap, for the second kind of row lets the solver
/// average over time what cannot be cut. They rest on a *virtual usage* `v_m`, which grows as the cache does while a request runs and falls by `m` a round
/// after its end: `v_m = p - (e - t)` for `t <= e`, `p - m (t - e)` after.
///
/// Claim: for up to `m + 1` requests with `v_m > M / (m + 1)`, the sum of `v_m` is at most `M` in every feasible schedule. Proof: let `e1` be the
/// first of their ends. If `t <= e1` all of them run at `e1` and hold at least `v_m` each. Otherwise the first one has lost `m (t - e1)` since, and each
/// of the up to `m` others has at most `t - e1` more than it holds at `e1`, provided that it ran then; they sum up to at most what is held
/// at `e1`, which is at most `M`. One that did not run at `e1` started no earlier, so it is given `t - k` instead of `s + t - k` for as long as that is possible,
/// which is while `t - k` is at most `B`, the longest that `v_m > M / (m + 1)` outlasts an end; and `t - k <= t - e1` again.
///
/// With `w_m(v)` the number of whole `j >= 1` for which `v > j M / (m + 1)`, requests with weights above `m` would have virtual usages above `M`. For
/// `m = 1` the rows say that ends of requests above half the memory are apart by `p_i + p_j - M` rounds, as on a single machine.
struct HindsightProgram {
    private(set) var program = LinearProgram()
    /// Kind and start of each column; a late one stands for all starts beyond the horizon.
    private var columns: [(kind: Int, start: Int, isLate: Bool)] = []
    private let kinds: [Kind]
    private let memory: Int
    /// Up to which `m` there are rows.
    private let levels: Int

    /// The rows of `m = 2` raise the bound by less than a hundredth and double the time that large programmes take.
    private static let smallProgramme = 300_000

    private struct Kind {
        var request: UnitRequest
        var members: [Int]
        var starts: ClosedRange<Int>
    }

    /// - Parameters:
    ///   - below: schedules with this total latency or more need not be there.
    ///   - until: ends after this round are summed up in one column for each kind, which costs as much as the next round's end and takes no memory: a
    ///     programme of a better schedule's length, whose optimum is still a bound.
    /// - Returns: `nil` for more than `coefficientLimit` coefficients.
    init?(_ instance: UnitInstance, below total: Int, until last: Int, coefficientLimit: Int) {
        memory = instance.memory
        // A request that ends late leaves the others at least their outputs.
        let slack = total - 1 - instance.requests.reduce(0) { $0 + $1.output }
        let horizon = instance.horizon
        var kinds: [Kind] = []
        let order = instance.requests.indices.sorted { Self.key(instance.requests[$0], $0) < Self.key(instance.requests[$1], $1) }
        for place in order {
            let request = instance.requests[place]
            if let last = kinds.indices.last, kinds[last].request == request {
                kinds[last].members.append(place)
            } else {
                let latest = min(horizon - request.output, request.arrival + max(0, slack))
                kinds.append(Kind(request: request, members: [place], starts: request.arrival...max(request.arrival, latest)))
            }
        }
        self.kinds = kinds
        for (kind, entry) in kinds.enumerated() {
            let beyond = last - entry.request.output + 1
            columns += entry.starts.prefix { $0 < beyond }.map { (kind, $0, false) }
            if entry.starts.upperBound >= beyond { columns.append((kind, max(entry.request.arrival, beyond), true)) }
        }
        let size = columns.reduce(0) { $0 + 2 * kinds[$1.kind].request.output + 1 }
        guard size <= coefficientLimit else { return nil }
        levels = size <= Self.smallProgramme ? 2 : 1
        state()
    }

    private static func key(_ request: UnitRequest, _ place: Int) -> (Int, Int, Int, Int) {
        (request.arrival, request.output, request.prompt, place)
    }

    /// States the programme on the columns that there are.
    private mutating func state() {
        program = LinearProgram()
        var ofKind = Array(repeating: [LinearProgram.Term](), count: kinds.count)
        var usage = Rows()
        for (column, entry) in columns.enumerated() {
            let request = kinds[entry.kind].request
            program.addColumn(
                cost: Double(entry.start + request.output - request.arrival), upper: Double(kinds[entry.kind].members.count))
            ofKind[entry.kind].append(.init(column))
            guard !entry.isLate else { continue }
            for round in (entry.start + 1)...(entry.start + request.output) {
                usage.add(column, Double(request.prompt + round - entry.start), at: round)
            }
        }
        for (kind, terms) in ofKind.enumerated() {
            let count = Double(kinds[kind].members.count)
            program.addRow(terms, lower: count, upper: count)
        }
        usage.state(limit: Double(memory), in: &program)
        for level in 1...levels { addPacking(level) }
    }

    /// Rows of one `m`. Times count in halves of a round: with `m = 1` and an even memory, only odd halves tell ends that are just too close.
    private mutating func addPacking(_ level: Int) {
        let large = kinds.filter { (level + 1) * $0.request.peak > memory }
        guard let longest = large.map({ 2 * ((level + 1) * $0.request.peak - memory) }).max() else { return }
        // Halves of a round for which `v > M / (m + 1)` lasts after an end, at most.
        let outlasts = longest / (level * (level + 1)) + 1
        let odd = level == 1 && memory % 2 == 0 ? 1 : 0
        var rows = Rows()
        for (column, entry) in columns.enumerated() {
            let request = kinds[entry.kind].request
            guard !entry.isLate, (level + 1) * request.peak > memory else { continue }
            for round in entry.start...(entry.start + request.output + outlasts / 2 + 1) {
                let sinceStart = 2 * (round - entry.start) + odd
                let weight = weight(level, virtualUsage(request, sinceStart, level: level, outlasts: outlasts))
                if weight > 0 { rows.add(column, Double(weight), at: round) }
            }
        }
        rows.state(limit: Double(level), in: &program)
    }

    /// `2 v_m`, so many halves of a round after the start.
    private func virtualUsage(_ request: UnitRequest, _ sinceStart: Int, level: Int, outlasts: Int) -> Int {
        if sinceStart <= 0 { return 0 }
        let sinceEnd = sinceStart - 2 * request.output
        if sinceEnd > 0 {
            // One that is shorter than what an end outlasts may follow it closely; its prompt then counts no more than before its end.
            return 2 * request.peak - (sinceStart <= outlasts ? 2 * request.prompt : 0) - level * sinceEnd
        }
        return sinceStart + (sinceStart <= outlasts ? 0 : 2 * request.prompt)
    }

    /// How many `j >= 1` have `v > j M / (m + 1)`.
    private func weight(_ level: Int, _ twice: Int) -> Int {
        twice > 0 ? ((level + 1) * twice + 2 * memory - 1) / (2 * memory) - 1 : 0
    }

    /// Takes away the starts of which a solution of the relaxation proves that no schedule with them costs `limit` or less.
    mutating func removeStarts(costlierThan limit: Double, after solution: LinearSolution) {
        guard solution.rowPrices.count == program.rowCount else { return }
        var reduced = program.costs
        for row in 0..<program.rowCount {
            for index in Int(program.rowStarts[row])..<Int(program.rowStarts[row + 1]) {
                reduced[Int(program.columns[index])] -= solution.rowPrices[row] * program.coefficients[index]
            }
        }
        let allowance = limit - solution.objective + 1e-5 * max(1, solution.objective.magnitude)
        columns = columns.indices.filter { reduced[$0] <= allowance }.map { columns[$0] }
        state()
    }

    /// The schedule that whole values stand for; `nil` when they are none, or when a request is late.
    func schedule(_ values: [Double], of instance: UnitInstance) -> UnitSchedule? {
        var starts = Array(repeating: -1, count: instance.requests.count)
        var used = Array(repeating: 0, count: kinds.count)
        for (column, entry) in columns.enumerated() {
            let count = Int(values[column].rounded())
            if entry.isLate, count > 0 { return nil }
            for _ in 0..<max(0, count) {
                guard used[entry.kind] < kinds[entry.kind].members.count else { return nil }
                starts[kinds[entry.kind].members[used[entry.kind]]] = entry.start
                used[entry.kind] += 1
            }
        }
        return starts.contains(-1) ? nil : UnitSchedule(starts: starts)
    }
}

/// Rows by round, while columns are walked.
private struct Rows {
    private var terms: [[LinearProgram.Term]] = []

    mutating func add(_ column: Int, _ coefficient: Double, at round: Int) {
        while terms.count <= round { terms.append([]) }
        terms[round].append(.init(column, coefficient))
    }

    func state(limit: Double, in program: inout LinearProgram) {
        for row in terms where !row.isEmpty { program.addRow(row, upper: limit) }
    }
}
