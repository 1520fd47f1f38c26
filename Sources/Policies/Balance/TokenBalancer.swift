import Quantities

/// Tokens to the replica on the rank with the fewest tokens so far; placed as `eplb` does globally.
///
/// Source: the token-balanced scheduler that Janus compares with (2512.13525, section 5); greedy list scheduling. Assumes that a
/// rank's time grows with its tokens, as it does when experts are compute-bound. Rule: experts with one replica count on their
/// rank; then the others, most tokens first (ties: lowest index), each filling its ranks like water fills vessels, the
/// emptiest first where tokens are left over. Activates every replica that helps, so memory-bound experts pay for it.
///
/// Cost O(experts log experts + slots), `decision_us` says what it takes. Guarantee: placing divisible jobs greedily on restricted ranks
/// stays within log2(ranks) + 1 of the optimum (Azar, Naor and Rom 1995); the optimum is `Bounds/ExpertBounds`.
public struct TokenBalancer: BalancePolicy {
    public static let description = PolicyDescription(
        name: "token-balanced", summary: "tokens to the replica on the rank with the fewest tokens", source: "baseline of Janus, 2512.13525",
        parameters: [.decisionTime])

    private let fleet: ExpertFleet
    public let decisionTime: Nanoseconds
    public let needsGlobalCounts = true
    private var tokens: [Int64] = []
    /// Slots of the expert at hand by the tokens on their rank.
    private var order: [Int32] = []

    public init(parameters: PolicyParameters, fleet: ExpertFleet, random: RandomStream, solver: @escaping LinearSolver) {
        self.fleet = fleet
        decisionTime = parameters.decisionTime
    }

    public mutating func place(layer: Int, loads: [Double]) -> ExpertPlacement {
        ReplicaPlanner.placement(loads, on: fleet, withinHosts: false)
    }

    public mutating func split(layer: Int, counts: [Int32], placement: ExpertPlacement, into tokensPerSlot: inout [Int32]) {
        tokensPerSlot.reset(count: placement.slots.count)
        tokens = [Int64](repeating: 0, count: placement.ranks)
        var replicated: [Int] = []
        for expert in counts.indices where counts[expert] > 0 {
            let replicas = placement.replicas(of: expert)
            guard replicas.count == 1, let slot = replicas.first else {
                replicated.append(expert)
                continue
            }
            tokens[placement.rank(ofSlot: slot)] += Int64(counts[expert])
            tokensPerSlot[Int(slot)] = counts[expert]
        }
        replicated.sort { counts[$0] != counts[$1] ? counts[$0] > counts[$1] : $0 < $1 }
        for expert in replicated { fill(expert, counts[expert], placement, into: &tokensPerSlot) }
    }

    private mutating func fill(_ expert: Int, _ count: Int32, _ placement: ExpertPlacement, into tokensPerSlot: inout [Int32]) {
        order.removeAll(keepingCapacity: true)
        for slot in placement.replicas(of: expert) {
            // A second replica on one rank would only load its weights twice.
            if let last = order.last, placement.rank(ofSlot: last) == placement.rank(ofSlot: slot) { continue }
            order.append(slot)
        }
        let tokens = tokens
        order.sort {
            let a = tokens[placement.rank(ofSlot: $0)]
            let b = tokens[placement.rank(ofSlot: $1)]
            return a != b ? a < b : $0 < $1
        }
        // The water covers the first `wet` ranks; `space` is what it takes to level them with the next.
        var wet = 1
        var left = Int64(count)
        var level = tokens[placement.rank(ofSlot: order[0])]
        while wet < order.count {
            let next = tokens[placement.rank(ofSlot: order[wet])]
            let space = (next - level) * Int64(wet)
            guard space < left else { break }
            left -= space
            level = next
            wet += 1
        }
        let (rise, over) = left.quotientAndRemainder(dividingBy: Int64(wet))
        for place in 0..<wet {
            let rank = placement.rank(ofSlot: order[place])
            let share = level + rise + (place < over ? 1 : 0) - tokens[rank]
            tokensPerSlot[Int(order[place])] = Int32(share)
            self.tokens[rank] += share
        }
    }
}
