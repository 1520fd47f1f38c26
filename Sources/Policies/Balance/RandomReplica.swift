import Quantities

/// Each token to a replica of its expert at random, each equally likely; placed as `eplb` does globally.
///
/// Source: the baseline of Janus (2512.13525, section 5). Assumes nothing of the batch. In expectation the split of `eplb`; a
/// rank's tokens vary around it like a binomial. All replicas of an expert with a few tokens are activated. Cost O(tokens) a batch,
/// by 64 tokens at a time where there are two replicas. No message, no guarantee.
public struct RandomReplica: BalancePolicy {
    public static let description = PolicyDescription(
        name: "random-replica", summary: "each token to a replica of its expert at random", source: "baseline of Janus, 2512.13525")

    private let fleet: ExpertFleet
    private var random: RandomStream

    public init(parameters: PolicyParameters, fleet: ExpertFleet, random: RandomStream, solver: @escaping LinearSolver) {
        self.fleet = fleet
        self.random = random
    }

    public mutating func place(layer: Int, loads: [Double]) -> ExpertPlacement {
        ReplicaPlanner.placement(loads, on: fleet, withinHosts: false)
    }

    public mutating func split(layer: Int, counts: [Int32], placement: ExpertPlacement, into tokensPerSlot: inout [Int32]) {
        tokensPerSlot.reset(count: placement.slots.count)
        for expert in counts.indices where counts[expert] > 0 {
            let replicas = placement.replicas(of: expert)
            switch replicas.count {
            case 1: tokensPerSlot[Int(replicas[replicas.startIndex])] = counts[expert]
            case 2:
                let first = coins(counts[expert])
                tokensPerSlot[Int(replicas[replicas.startIndex])] = first
                tokensPerSlot[Int(replicas[replicas.startIndex + 1])] = counts[expert] - first
            default:
                for _ in 0..<counts[expert] {
                    tokensPerSlot[Int(replicas[replicas.startIndex + random.below(replicas.count)])] += 1
                }
            }
        }
    }

    /// How many of `count` fair coins show heads.
    private mutating func coins(_ count: Int32) -> Int32 {
        var heads = 0
        var left = Int(count)
        while left >= 64 {
            heads += random.next().nonzeroBitCount
            left -= 64
        }
        if left > 0 { heads += (random.next() >> UInt64(64 - left)).nonzeroBitCount }
        return Int32(heads)
    }
}
