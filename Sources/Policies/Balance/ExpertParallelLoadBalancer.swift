import Quantities

/// EPLB: redundant slots go to the experts with the largest load a replica, and replicas are packed heaviest first.
///
/// Source: DeepSeek-AI, EPLB (github.com/deepseek-ai/EPLB), DeepSeek-V3 technical report 2024, section 3.4. Assumes that the batch to
/// come has the loads of the counters, and that an expert's tokens split evenly over its replicas. Rule: `ReplicaPlanner.place`, within
/// hosts when the groups divide over them (small expert parallelism, prefill) and globally otherwise (decode); `global` asks for
/// the latter always. Cost O(slots * experts) a plan, O(slots) a batch.
///
/// Guarantee, on the counters' loads: replication minimises the largest load of a replica, for the host's slots. None for
/// the ranks' loads; with two slots a rank packing has no freedom to speak of (max/mean up to 1.4 on 144 ranks).
public struct ExpertParallelLoadBalancer: BalancePolicy {
    public static let description = PolicyDescription(
        name: "eplb", summary: "redundant experts by load, packed heaviest first, an even split", source: "DeepSeek-AI, EPLB 2025",
        parameters: [
            ParameterDescription("global", defaultValue: 0, range: 0...1, summary: "1: never keep the gate's groups within hosts")
        ])

    public let splitsEvenly = true
    private let fleet: ExpertFleet
    private let withinHosts: Bool

    public init(parameters: PolicyParameters, fleet: ExpertFleet, random: RandomStream, solver: @escaping LinearSolver) {
        self.fleet = fleet
        withinHosts = parameters["global"] < 0.5
    }

    public mutating func place(layer: Int, loads: [Double]) -> ExpertPlacement {
        ReplicaPlanner.placement(loads, on: fleet, withinHosts: withinHosts)
    }

    public mutating func split(layer: Int, counts: [Int32], placement: ExpertPlacement, into tokensPerSlot: inout [Int32]) {
        EvenSplit.split(counts, placement, into: &tokensPerSlot)
    }
}
