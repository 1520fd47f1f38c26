import Quantities

/// AEBS: all tokens of an expert to one replica, chosen so that ranks activate equally many distinct experts.
///
/// Source: Janus (2512.13525, section 3.5). Assumes that experts are memory-bound (about 9,400 tokens a layer or fewer on an H100 with
/// 256 experts and top-8), where a rank's time is that of loading the weights of the distinct experts that it activates, whatever the
/// tokens. Rule: experts with one replica count on their rank; each other activated expert, in the order of its index, goes to
/// the replica on the rank with the fewest activated experts so far, the lowest slot of those that tie.
///
/// Placed as `eplb` does globally, or with `picks` by which experts batches of so many picks activate together (`CoactivationPlacement`). Every
/// rank of experts runs the same rule on the same counts, so that no message is needed where the gate is there. Cost O(slots) a batch;
/// `decision_us` says what it takes (published: under 20 us, under 90 us with 4,096 tokens).
///
/// Guarantee: list scheduling on a bipartite graph, so at most about log2(ranks) + 1 times the optimum (Azar, Naor and Rom 1995);
/// the bound of the paper holds with high probability under uniform independent routing.
public struct ActivatedExpertBalancer: BalancePolicy {
    public static let description = PolicyDescription(
        name: "aebs", summary: "one replica an activated expert, on the rank that activates the fewest", source: "Janus, 2512.13525",
        parameters: [
            .decisionTime,
            ParameterDescription(
                "picks", defaultValue: 0, range: 0...1_000_000_000,
                summary: "pairs of token and expert in a batch for which experts activated together are placed apart; 0: as eplb places"),
        ])

    private let fleet: ExpertFleet
    public let decisionTime: Nanoseconds
    public let needsGlobalCounts = true
    private let picks: Double
    private var activated: [Int32]

    public init(parameters: PolicyParameters, fleet: ExpertFleet, random: RandomStream, solver: @escaping LinearSolver) {
        self.fleet = fleet
        decisionTime = parameters.decisionTime
        picks = parameters["picks"]
        activated = []
    }

    public mutating func place(layer: Int, loads: [Double]) -> ExpertPlacement {
        guard picks > 0 else { return ReplicaPlanner.placement(loads, on: fleet, withinHosts: false) }
        let slots = CoactivationPlacement.place(loads, on: fleet, picks: picks)
        return ExpertPlacement(slots: slots, slotsPerRank: fleet.slotsPerRank, experts: fleet.experts)
    }

    public mutating func split(layer: Int, counts: [Int32], placement: ExpertPlacement, into tokensPerSlot: inout [Int32]) {
        tokensPerSlot.reset(count: placement.slots.count)
        activated.reset(count: placement.ranks)
        for expert in counts.indices where counts[expert] > 0 {
            let replicas = placement.replicas(of: expert)
            guard replicas.count == 1, let slot = replicas.first else { continue }
            activated[placement.rank(ofSlot: slot)] += 1
            tokensPerSlot[Int(slot)] = counts[expert]
        }
        for expert in counts.indices where counts[expert] > 0 {
            let replicas = placement.replicas(of: expert)
            guard replicas.count > 1, var best = replicas.first else { continue }
            for slot in replicas.dropFirst() where activated[placement.rank(ofSlot: slot)] < activated[placement.rank(ofSlot: best)] { best = slot }
            activated[placement.rank(ofSlot: best)] += 1
            tokensPerSlot[Int(best)] = counts[expert]
        }
    }
}
