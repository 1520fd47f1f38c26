/// Partial schedules by round: a relaxation of the hindsight programme as a graph without cycles.
///
/// A node is a round and what is known of the requests under way. From it leads one step to the next round and one for each request that may start
/// now, to a node of the same round. A way from the first node to the last round is a choice of starts; every schedule that is still of interest is
/// one. With `StartPrices` the cheapest way is a bound, and what only lies on costly ways can be taken out.
struct ScheduleGraph {
    /// First node of each round, and the number of nodes.
    var rounds: [Int] = []
    /// By node: its successor in the next round, -1 for none.
    var successors: [Int32] = []
    /// By node: the first of its starts; and their number.
    var firstStarts: [Int] = []
    /// By start: the request, and the node that it leads to.
    var requests: [UInt8] = []
    var targets: [Int32] = []
    /// By node: the least cost of a way to it, and from it to the end.
    private(set) var costsTo: [Double] = []
    private(set) var costsFrom: [Double] = []

    init() {}

    /// Nothing is known of anybody: a node for each round.
    init(horizon: Int) {
        rounds = Array(0...(horizon + 1))
        successors = (0...horizon).map { $0 < horizon ? Int32($0 + 1) : -1 }
        firstStarts = Array(repeating: 0, count: horizon + 2)
    }

    var count: Int { successors.count }
    var lastRound: Int { rounds.count - 2 }

    /// The bound: the least cost of a way; infinite where there is none.
    func bound(_ prices: StartPrices) -> Double { count == 0 ? .infinity : prices.constant + (costsFrom.first ?? .infinity) }

    /// Finds the least costs to the end.
    mutating func measureBackward(_ prices: StartPrices) {
        let width = prices.instance.requests.count
        let last = lastRound
        if costsFrom.count != count { costsFrom = Array(repeating: 0, count: count) }
        prices.costs.withUnsafeBufferPointer { costs in
            for round in stride(from: last, through: 0, by: -1) {
                for node in (rounds[round]..<rounds[round + 1]).reversed() {
                    var least = round == last ? 0 : Double.infinity
                    if successors[node] >= 0 { least = costsFrom[Int(successors[node])] }
                    for start in firstStarts[node]..<firstStarts[node + 1] {
                        let cost = costs[round * width + Int(requests[start])] + costsFrom[Int(targets[start])]
                        if cost < least { least = cost }
                    }
                    costsFrom[node] = least
                }
            }
        }
    }

    /// Finds the least costs from the beginning.
    mutating func measureForward(_ prices: StartPrices) {
        let width = prices.instance.requests.count
        costsTo = Array(repeating: .infinity, count: count)
        if count > 0 { costsTo[0] = prices.constant }
        for round in 0...lastRound {
            for node in rounds[round]..<rounds[round + 1] {
                let cost = costsTo[node]
                guard cost < .infinity else { continue }
                for start in firstStarts[node]..<firstStarts[node + 1] {
                    let target = Int(targets[start])
                    costsTo[target] = min(costsTo[target], cost + prices.costs[round * width + Int(requests[start])])
                }
                if successors[node] >= 0 { costsTo[Int(successors[node])] = min(costsTo[Int(successors[node])], cost) }
            }
        }
    }

    /// Measures both ways, and takes out what lies only on ways that cost more than the limit.
    mutating func prune(costlierThan limit: Double, _ prices: StartPrices) {
        measureBackward(prices)
        measureForward(prices)
        let width = prices.instance.requests.count
        var places = Array(repeating: Int32(-1), count: count)
        var kept: Int32 = 0
        for node in 0..<count where costsTo[node] + costsFrom[node] <= limit {
            places[node] = kept
            kept += 1
        }
        var result = ScheduleGraph()
        result.successors.reserveCapacity(Int(kept))
        for round in 0...lastRound {
            result.rounds.append(result.count)
            for node in rounds[round]..<rounds[round + 1] where places[node] >= 0 {
                result.firstStarts.append(result.requests.count)
                let next = Int(successors[node])
                let goesOn = next >= 0 && places[next] >= 0 && costsTo[node] + costsFrom[next] <= limit
                result.successors.append(goesOn ? places[next] : -1)
                for start in firstStarts[node]..<firstStarts[node + 1] {
                    let target = Int(targets[start])
                    let cost = prices.costs[round * width + Int(requests[start])]
                    guard places[target] >= 0, costsTo[node] + cost + costsFrom[target] <= limit else { continue }
                    result.requests.append(requests[start])
                    result.targets.append(places[target])
                }
            }
        }
        result.rounds.append(result.count)
        result.firstStarts.append(result.requests.count)
        self = result
        measureBackward(prices)
    }

    /// The starts on a cheapest way, by request; those of priced requests are their cheapest.
    func cheapestStarts(_ prices: StartPrices) -> [[Int]] {
        let width = prices.instance.requests.count
        var starts = Array(repeating: [Int](), count: width)
        for request in 0..<width where prices.treatments[request] == .priced { starts[request] = [prices.cheapest[request]] }
        var (node, round) = (0, 0)
        while round < lastRound {
            var next = Int(successors[node])
            var least = next >= 0 ? costsFrom[next] : .infinity
            var chosen: Int?
            for start in firstStarts[node]..<firstStarts[node + 1] {
                let cost = prices.costs[round * width + Int(requests[start])] + costsFrom[Int(targets[start])]
                if cost < least { (least, chosen, next) = (cost, Int(requests[start]), Int(targets[start])) }
            }
            guard next >= 0 else { break }
            if let chosen { starts[chosen].append(round) } else { round += 1 }
            node = next
        }
        return starts
    }

    /// The last round in which each request may start; -1 for none.
    func lastStarts(width: Int) -> [Int] {
        var last = Array(repeating: -1, count: width)
        for round in 0...lastRound where rounds[round] < rounds[round + 1] {
            for start in firstStarts[rounds[round]]..<firstStarts[rounds[round + 1]] { last[Int(requests[start])] = round }
        }
        return last
    }
}
