import Quantities

/// Experts in blocks: expert e on rank e * ranks / experts, one replica each. Slots beyond those stay empty.
///
/// Source: the layout of expert parallelism without a balancer (GShard 2020; the default of DeepEP, vLLM and SGLang). Assumes
/// experts of equal popularity. No guarantee: a rank's load is that of its block, whatever it is. Cost O(experts) a batch.
public struct ContiguousExperts: BalancePolicy {
    public static let description = PolicyDescription(
        name: "contiguous", aliases: ["none"], summary: "experts in blocks, one replica each", source: "GShard 2020; default of vLLM and SGLang")

    public let splitsEvenly = true
    private let fleet: ExpertFleet

    public init(parameters: PolicyParameters, fleet: ExpertFleet, random: RandomStream, solver: @escaping LinearSolver) { self.fleet = fleet }

    public mutating func place(layer: Int, loads: [Double]) -> ExpertPlacement {
        var slots = [Int32](repeating: -1, count: fleet.slots)
        for rank in 0..<fleet.ranks {
            // The experts whose e * ranks / experts, rounded down, is this rank.
            let first = (rank * fleet.experts + fleet.ranks - 1) / fleet.ranks
            let end = ((rank + 1) * fleet.experts + fleet.ranks - 1) / fleet.ranks
            for expert in first..<end { slots[rank * fleet.slotsPerRank + expert - first] = Int32(expert) }
        }
        return ExpertPlacement(slots: slots, slotsPerRank: fleet.slotsPerRank, experts: fleet.experts)
    }

    public mutating func split(layer: Int, counts: [Int32], placement: ExpertPlacement, into tokensPerSlot: inout [Int32]) {
        EvenSplit.split(counts, placement, into: &tokensPerSlot)
    }
}
