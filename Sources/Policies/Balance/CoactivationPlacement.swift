import Quantities

/// Places experts so that few of those that are activated together stand on one rank.
///
/// Source: Janus (2512.13525, section 3.5): the largest co-activation within a rank is made small greedily, then by a bounded number of swaps. There the
/// co-activation of two experts is counted from a trace. Here it follows from loads, for picks that do not depend on each other: of `n` picks in a batch
/// with a share `s` each, an expert is activated with probability `q = 1 - exp(-n s)`, and two of them with the product. A copy counts for its part of the
/// batches, `q / c` for `c` copies, as `ActivatedExpertBalancer` uses one of them.
///
/// The order of the greedy step and the choice of swaps are not published: here the most activated first, and the swap that helps most of those with the
/// rank that is worst. Cost O(slots * ranks), and O(slots * slots of a rank) for each swap.
enum CoactivationPlacement {
    /// One rank under construction.
    private struct Rank {
        var slots: [Int] = []
        var sum = 0.0
        var squares = 0.0

        /// The sum of products of all pairs.
        var coactivation: Double { (sum * sum - squares) / 2 }

        func with(_ added: Double, without removed: Double = 0) -> Double {
            let (sum, squares) = (sum - removed + added, squares - removed * removed + added * added)
            return (sum * sum - squares) / 2
        }

        mutating func add(_ slot: Int, _ weight: Double) {
            slots.append(slot)
            sum += weight
            squares += weight * weight
        }

        mutating func replace(_ place: Int, by slot: Int, _ added: Double, _ removed: Double) {
            slots[place] = slot
            sum += added - removed
            squares += added * added - removed * removed
        }
    }

    /// - Parameters:
    ///   - loads: of each expert; equal where nothing is known.
    ///   - picks: pairs of token and expert in a batch.
    ///   - swaps: most of them.
    /// - Returns: the expert of each slot, as `ReplicaPlanner.replicate` numbers copies by how often each expert is activated.
    static func place(_ loads: [Double], on fleet: ExpertFleet, picks: Double, swaps: Int? = nil) -> [Int32] {
        let activated = activations(loads, experts: fleet.experts, picks: picks)
        let copies = ReplicaPlanner.replicate(activated, replicas: fleet.slots)
        var counts = [Double](repeating: 0, count: fleet.experts)
        for expert in copies { counts[expert] += 1 }
        let weights = copies.map { activated[$0] / counts[$0] }
        var ranks = greedy(copies, weights, fleet)
        for _ in 0..<(swaps ?? fleet.slots) where !improve(&ranks, copies, weights) { break }
        return ranks.flatMap { $0.slots.map { Int32(copies[$0]) } }
    }

    /// How likely each expert is to be activated by a batch.
    static func activations(_ loads: [Double], experts: Int, picks: Double) -> [Double] {
        let known = (0..<experts).map { $0 < loads.count && loads[$0] > 0 && loads[$0] < .infinity ? loads[$0] : 0 }
        let sum = known.reduce(0, +)
        guard sum > 0, sum < .infinity else { return [Double](repeating: 1, count: experts) }
        return known.map { 1 - exponential(-picks * $0 / sum) }
    }

    /// The largest co-activation of a rank, for copies that count as in `place`.
    static func largest(_ slots: [Int32], slotsPerRank: Int, activated: [Double]) -> Double {
        var counts = [Double](repeating: 0, count: activated.count)
        for expert in slots { counts[Int(expert)] += 1 }
        return stride(from: 0, to: slots.count, by: slotsPerRank).map { start in
            var rank = Rank()
            for slot in start..<start + slotsPerRank { rank.add(slot, activated[Int(slots[slot])] / counts[Int(slots[slot])]) }
            return rank.coactivation
        }.max() ?? 0
    }

    private static func greedy(_ copies: [Int], _ weights: [Double], _ fleet: ExpertFleet) -> [Rank] {
        var ranks = [Rank](repeating: Rank(), count: fleet.ranks)
        let order = copies.indices.sorted { weights[$0] != weights[$1] ? weights[$0] > weights[$1] : $0 < $1 }
        for slot in order {
            var best: (rank: Int, holds: Bool, coactivation: Double)?
            for (rank, contents) in ranks.enumerated() where contents.slots.count < fleet.slotsPerRank {
                // A second copy on the same rank is of no use.
                let holds = contents.slots.contains { copies[$0] == copies[slot] }
                let value = contents.with(weights[slot])
                if let best, holds != best.holds ? holds : value >= best.coactivation { continue }
                best = (rank, holds, value)
            }
            if let best { ranks[best.rank].add(slot, weights[slot]) }
        }
        return ranks
    }

    /// The swap with the worst rank after which the larger of the two is smallest.
    /// - Returns: whether one makes it smaller.
    private static func improve(_ ranks: inout [Rank], _ copies: [Int], _ weights: [Double]) -> Bool {
        guard let worst = ranks.indices.max(by: { ranks[$0].coactivation < ranks[$1].coactivation }) else { return false }
        var least = ranks[worst].coactivation * (1 - 1e-12)
        var best: (other: Int, mine: Int, theirs: Int)?
        for other in ranks.indices where other != worst {
            for (mine, here) in ranks[worst].slots.enumerated() {
                for (theirs, there) in ranks[other].slots.enumerated() where weights[there] < weights[here] {
                    let larger = max(
                        ranks[worst].with(weights[there], without: weights[here]), ranks[other].with(weights[here], without: weights[there]))
                    guard larger < least else { continue }
                    guard !ranks[worst].slots.contains(where: { copies[$0] == copies[there] }),
                        !ranks[other].slots.contains(where: { copies[$0] == copies[here] })
                    else { continue }
                    least = larger
                    best = (other, mine, theirs)
                }
            }
        }
        guard let best else { return false }
        let (here, there) = (ranks[worst].slots[best.mine], ranks[best.other].slots[best.theirs])
        ranks[worst].replace(best.mine, by: there, weights[there], weights[here])
        ranks[best.other].replace(best.theirs, by: here, weights[here], weights[there])
        return true
    }
}
