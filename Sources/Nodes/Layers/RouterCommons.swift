import Models
import Policies
import Quantities

/// From where the routers of a gang's ranks begin: the first placements, and the gate.
///
/// Both are the same for all ranks. Where several ranks are in one process they share them, unless the gate learns from what ranks counted.
final class RouterCommons {
    /// The policy after the first placements.
    let planner: any BalancePolicy
    let placements: [ExpertPlacement]
    /// While no plan is made anew: by layer, and of all layers for numbers of a byte.
    let shares: [EvenShares]
    let layerShares: LayerShares?
    var gate: Gate
    let isGlobal: Bool
    let decisionTime: Nanoseconds
    /// Whether ranks tell each other what they counted.
    let countsPicks: Bool
    /// Whether the gate gives numbers by slot at once, which are then divided evenly.
    let isFused: Bool
    /// By layer where experts are, where a token goes once to each host; else empty. And whether the gate counts the tokens that reach hosts and ranks:
    /// it can where the tokens of an expert are divided evenly over its replicas.
    let reaches: [ExpertReach]
    let gateReaches: Bool
    /// Whether ranks in one process may have the same.
    let mayBeShared: Bool

    /// `nil` when the policy cannot serve the gang, which a checked plan never has.
    init?(_ shape: GangShape, seed: UInt64) {
        let experts = shape.fleet.experts
        let plan = shape.mixture.gate
        guard plan.problems(experts: experts, topK: shape.topK, layers: shape.layers).isEmpty else { return nil }
        // Placements, and decisions for all ranks, must not depend on the rank.
        guard var planner = ExpertRouter.policy(shape, rank: 0, seed: seed) else { return nil }
        isGlobal = planner.needsGlobalCounts
        decisionTime = planner.decisionTime
        countsPicks = shape.mixture.balance.replanInterval != nil || plan.biasRate > 0
        mayBeShared = !countsPicks && shape.attentionRanks <= Gate.ranksKept
        isFused = planner.splitsEvenly && !isGlobal && !countsPicks && plan.capacityFactor == nil
        gateReaches = shape.rails != nil && planner.splitsEvenly && !isGlobal && plan.capacityFactor == nil
        gate = Gate(
            plan: plan, experts: experts, topK: shape.topK, layers: shape.layers, seed: seed, places: isFused ? shape.fleet.slots : nil,
            reached: gateReaches ? shape.reached : 0)
        var placements: [ExpertPlacement] = []
        for layer in 0..<shape.layers {
            let isInformed = shape.mixture.balance.startsInformed
            let loads = isInformed ? gate.expectedShares(layer: layer, at: 0) : [Double](repeating: 0, count: experts)
            placements.append(planner.place(layer: layer, loads: loads))
            if isFused { gate.arrange(layer: layer, as: placements[layer].slots) }
        }
        self.placements = placements
        reaches = shape.rails == nil ? [] : placements.map(shape.reach)
        for (layer, reach) in reaches.enumerated() where gateReaches { gate.setReach(layer: layer, reach) }
        shares = placements.map(\.evenShares)
        layerShares = isFused ? LayerShares(shares) : nil
        self.planner = planner
    }
}

/// What the ranks of gangs that are in one process share; for one thread.
public final class GangCommons {
    private var shapes: [Int: GangShape] = [:]
    private var routers: [Int: RouterCommons] = [:]

    public init() {}

    /// What the gang with this first node is; made once.
    func shape(_ first: Int, _ make: () -> GangShape?) -> GangShape? {
        if let known = shapes[first] { return known }
        shapes[first] = make()
        return shapes[first]
    }

    /// From where its routers begin; made once, where that can be.
    func router(_ shape: GangShape, seed: UInt64) -> RouterCommons? {
        let first = shape.gang.members[0]
        if let known = routers[first] { return known }
        guard let made = RouterCommons(shape, seed: seed) else { return nil }
        if made.mayBeShared { routers[first] = made }
        return made
    }
}
