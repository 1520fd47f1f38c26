import Bounds
import Cluster
import Models
import Policies
import Quantities

/// Which experts tokens pick, for some layers and numbers of tokens: drawn once for all shapes that are looked at.
public final class GateDraws {
    /// Layers that are drawn, spread over the model's.
    private static let drawnLayers = 12
    /// Largest number of tokens that is drawn, as a power of two; beyond, loads are in proportion but for a few percent.
    static let largestPower = 13

    private var gate: Gate
    let experts: Int
    let layers: [Int]
    /// Picks by expert, for each power of two and each of the layers.
    private var counts: [[[Int32]]] = []

    /// `nil` for a gate that the model cannot have.
    public init?(_ plan: GatePlan, model: ModelShape, seed: UInt64) {
        guard let shape = model.experts, model.expertLayers > 0 else { return nil }
        guard plan.problems(experts: shape.count, topK: shape.topK, layers: model.expertLayers).isEmpty else { return nil }
        gate = Gate(plan: plan, experts: shape.count, topK: shape.topK, layers: model.expertLayers, seed: seed)
        experts = shape.count
        let drawn = min(Self.drawnLayers, model.expertLayers)
        layers = (0..<drawn).map { $0 * model.expertLayers / drawn }
    }

    /// The shares of the picks that the experts of a layer get.
    func expectedShares(layer: Int) -> [Double] { gate.expectedShares(layer: layer, at: 0) }

    /// Picks by expert of two to the power of `power` tokens, for each of the layers.
    func picks(power: Int) -> [[Int32]] {
        while counts.count <= power {
            let tokens = 1 << counts.count
            counts.append(
                layers.enumerated().map { place, layer in
                    var picks: [Int32] = []
                    _ = gate.route(layer: layer, batch: Int64(place), rank: 0, tokens: tokens, at: 0, into: &picks)
                    return picks
                })
        }
        return counts[power]
    }
}

/// How long the slowest expert node of a layer takes, by the tokens of all attention nodes: a table over a gate's draws (Janus, section 3.5), so that
/// uneven popularity and the balancing policy count.
///
/// Each entry is the mean over layers of the largest of the nodes' times. Between powers of two it is linear, and it never falls.
public final class ExpertLoads {
    /// What a node has in one layer: experts that at least one token picked, and tokens counted once for each expert.
    struct Load {
        var distinct: Int
        var routed: Int64
    }

    private let cost: ExpertCost
    private let fleet: ExpertFleet
    private let draws: GateDraws
    private var policy: any BalancePolicy
    private var placements: [ExpertPlacement] = []
    private var times: [Double] = []
    private var shares: [Double] = []
    private var distincts: [Double] = []
    private var slots: [Int32] = []

    /// Whether the policy decides on the tokens of all ranks, and what a decision takes.
    public let isGlobal: Bool
    public let decisionTime: Nanoseconds

    /// `nil` for a policy that cannot serve the fleet.
    public init?(_ draws: GateDraws, balance: BalancePlan, fleet: ExpertFleet, cost: ExpertCost, seed: UInt64) {
        let random = RandomStream(seed: seed, stream: RandomPurpose.balancing(pool: 0, rank: 0))
        let solver: LinearSolver = { SimplexSolver.values($0) }
        guard let policy = BalanceRegistry.make(balance.policy, fleet: fleet, random: random, solver: solver) else { return nil }
        self.draws = draws
        self.cost = cost
        self.fleet = fleet
        self.policy = policy
        isGlobal = policy.needsGlobalCounts
        decisionTime = policy.decisionTime
        for layer in draws.layers {
            let loads = balance.startsInformed ? draws.expectedShares(layer: layer) : [Double](repeating: 0, count: draws.experts)
            placements.append(self.policy.place(layer: layer, loads: loads))
        }
    }

    /// Time of the slowest node with `tokens` tokens on all attention nodes together.
    public func time(tokens: Int) -> Nanoseconds { Nanoseconds(value(tokens, \.times).rounded()) }

    /// Distinct experts on the node that has most of them (`a_max`), in the mean over layers.
    public func largestDistinct(tokens: Int) -> Double { value(tokens, \.distincts) }

    /// Pairs of token and expert on the node that has most of them, in the mean over layers.
    public func largestRouted(tokens: Int) -> Double { value(tokens, \.shares) }

    private func value(_ tokens: Int, _ table: KeyPath<ExpertLoads, [Double]>) -> Double {
        guard tokens > 0 else { return 0 }
        var power = 0
        while power < GateDraws.largestPower - 1, 1 << (power + 1) < tokens { power += 1 }
        draw(upTo: power + 1)
        let (low, high) = (self[keyPath: table][power], self[keyPath: table][power + 1])
        let start = Double(1 << power)
        return low + (high - low) * (Double(tokens) - start) / start
    }

    /// Fills the table up to two to the power of `power`.
    private func draw(upTo power: Int) {
        while times.count <= power {
            let picks = draws.picks(power: times.count)
            var (time, routed, distinct) = (0.0, 0.0, 0.0)
            for (place, layer) in draws.layers.enumerated() {
                let loads = loads(place, layer, picks[place])
                time += Double(loads.map { cost.expertTime(distinct: $0.distinct, routed: $0.routed) }.max() ?? 0)
                routed += Double(loads.map(\.routed).max() ?? 0)
                distinct += Double(loads.map(\.distinct).max() ?? 0)
            }
            let count = Double(draws.layers.count)
            times.append(max(time / count, times.last ?? 0))
            shares.append(max(routed / count, shares.last ?? 0))
            distincts.append(max(distinct / count, distincts.last ?? 0))
        }
    }

    private func loads(_ place: Int, _ layer: Int, _ counts: [Int32]) -> [Load] {
        policy.split(layer: layer, counts: counts, placement: placements[place], into: &slots)
        return (0..<fleet.ranks).map { rank in
            var load = Load(distinct: 0, routed: 0)
            for slot in rank * fleet.slotsPerRank..<(rank + 1) * fleet.slotsPerRank where slots[slot] > 0 {
                load.distinct += 1
                load.routed += Int64(slots[slot])
            }
            return load
        }
    }
}
