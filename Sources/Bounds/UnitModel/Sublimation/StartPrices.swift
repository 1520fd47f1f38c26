/// How a relaxation treats a request.
enum Treatment: Sendable {
    /// Starts once, at the round that is cheapest at the present prices. Its memory is paid for and nothing else.
    case priced
    /// Its memory is kept to the token, but it may start several times or never.
    case packed
    /// The same, and it starts once.
    case counted
}

/// Lagrangian multipliers of the hindsight programme, and what a start costs with them.
///
/// With `u` the price of serving a request and `v` that of a token of memory in a round, a start of request `i` at `k` costs its latency less `u`, plus
/// `v` for each token that it holds in each round; `sum of u - M sum of v` is the constant. For every schedule the costs of its starts and the
/// constant add up to its total latency less what is paid for memory that is not used, so that the least cost over more than all schedules is a
/// bound.
struct StartPrices {
    let instance: UnitInstance
    /// The last round in which a request may end.
    let horizon: Int
    /// `u`, by request.
    var ofServing: [Double]
    /// `v`, by round.
    var ofMemory: [Double]
    var treatments: [Treatment]
    /// Reduced cost of a start, by round and request; infinite where it is out of the question.
    private(set) var costs: [Double]
    private(set) var constant = 0.0
    /// The cheapest start of each request.
    private(set) var cheapest: [Int]
    private var allowed: [Bool]

    init(_ instance: UnitInstance) {
        self.instance = instance
        let count = instance.requests.count
        horizon = instance.horizon
        ofServing = Array(repeating: 0, count: count)
        ofMemory = Array(repeating: 0, count: horizon + 2)
        treatments = Array(repeating: .priced, count: count)
        cheapest = instance.requests.map(\.arrival)
        costs = Array(repeating: .infinity, count: (horizon + 1) * count)
        allowed = Array(repeating: false, count: (horizon + 1) * count)
        for (place, request) in instance.requests.enumerated() {
            for start in request.arrival...(horizon - request.output) { allowed[start * count + place] = true }
        }
    }

    /// Prices of the kind that a schedule suggests: memory is worth the more, the more wait for it.
    mutating func guess(from schedule: UnitSchedule) {
        for (start, request) in zip(schedule.starts, instance.requests) where request.arrival < start + request.output {
            for round in (request.arrival + 1)...(start + request.output) where round <= horizon {
                ofMemory[round] += 0.8 / Double(instance.memory)
            }
        }
    }

    /// Whether the request may start in the round.
    func allows(_ request: Int, at start: Int) -> Bool { allowed[start * instance.requests.count + request] }

    /// Finds the costs of starts anew. A priced request is worth what its cheapest start costs.
    mutating func update() {
        let count = instance.requests.count
        var sums = Array(repeating: 0.0, count: horizon + 2)
        var moments = sums
        for round in 1...(horizon + 1) {
            sums[round] = sums[round - 1] + ofMemory[round]
            moments[round] = moments[round - 1] + Double(round) * ofMemory[round]
        }
        constant = -Double(instance.memory) * sums[horizon + 1]
        for (place, request) in instance.requests.enumerated() {
            var least = Double.infinity
            for start in request.arrival...(horizon - request.output) where allowed[start * count + place] {
                let end = start + request.output
                let held = Double(request.prompt - start) * (sums[end] - sums[start]) + moments[end] - moments[start]
                let cost = Double(end - request.arrival) + held
                costs[start * count + place] = cost
                if cost < least { (least, cheapest[place]) = (cost, start) }
            }
            // Without any start left, no schedule is of interest.
            if least == .infinity { constant = .infinity }
            if treatments[place] == .priced { ofServing[place] = least < .infinity ? least : 0 }
            constant += ofServing[place]
            for start in request.arrival...(horizon - request.output) { costs[start * count + place] -= ofServing[place] }
        }
    }

    /// Takes away the starts of priced requests with which no schedule costs `limit` or less, given a bound at the present prices.
    mutating func removeStarts(costlierThan limit: Double, bound: Double) {
        let count = instance.requests.count
        for (place, request) in instance.requests.enumerated() where treatments[place] == .priced {
            for start in request.arrival...(horizon - request.output) where bound + costs[start * count + place] > limit {
                allowed[start * count + place] = false
                costs[start * count + place] = .infinity
            }
        }
    }
}
