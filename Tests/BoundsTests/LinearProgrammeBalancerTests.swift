import Bounds
import Policies
import Quantities
import Testing

/// A case of LPLB's own test: 256 experts, loads of history normal with spread 0.15, of the batch 0.3, around 1.
struct DuplicationCase: CustomTestStringConvertible, Sendable {
    var name: String
    var fleet: ExpertFleet
    var parameters: [String: Double]
    /// Whether experts are ordered by history, or by index.
    var reorders: Bool
    /// What max/mean stays below in the published test, which is one draw.
    var tolerance: Double
    /// Whether it is above the optimum on most draws, not on the published one alone.
    var attainable = true

    var testDescription: String { name }

    static let all = [
        DuplicationCase(
            name: "cube, 32 ranks", fleet: ExpertFleet(experts: 256, ranks: 32, hosts: 4, slotsPerRank: 10, groups: 4), parameters: [:],
            reorders: true, tolerance: 1.07),
        DuplicationCase(
            name: "cube, 32 ranks, two experts an edge", fleet: ExpertFleet(experts: 256, ranks: 32, hosts: 4, slotsPerRank: 12, groups: 4),
            parameters: [:], reorders: false, tolerance: 1.07),
        DuplicationCase(
            name: "cube, 64 ranks", fleet: ExpertFleet(experts: 256, ranks: 64, hosts: 8, slotsPerRank: 6, groups: 8), parameters: [:],
            reorders: true, tolerance: 1.1),
        DuplicationCase(
            name: "ring of 8, 32 ranks", fleet: ExpertFleet(experts: 256, ranks: 32, hosts: 4, slotsPerRank: 9, groups: 4),
            parameters: ["graph": 3], reorders: true, tolerance: 1.07, attainable: false),
        DuplicationCase(
            name: "hypercube, 16 ranks", fleet: ExpertFleet(experts: 256, ranks: 16, hosts: 2, slotsPerRank: 18), parameters: ["graph": 1],
            reorders: true, tolerance: 1.03),
        DuplicationCase(
            name: "torus, 8 hosts of 4 ranks", fleet: ExpertFleet(experts: 256, ranks: 32, hosts: 8, slotsPerRank: 10),
            parameters: ["graph": 2], reorders: false, tolerance: 1.01),
    ]
}

@Test("LPLB stays within the published ratios, attains the bound of its replicas, and never does worse than halves", arguments: DuplicationCase.all)
func publishedRatios(_ test: DuplicationCase) throws {
    func make(_ solver: @escaping LinearSolver) throws -> any BalancePolicy {
        let choice = PolicyChoice("lplb", parameters: test.parameters)
        guard let policy = BalanceRegistry.make(choice, fleet: test.fleet, random: RandomStream(seed: 1, stream: 1), solver: solver) else {
            throw SolverError.malformed("no policy: \(BalanceRegistry.obstacle(choice, to: test.fleet) ?? "")")
        }
        return policy
    }
    var random = RandomStream(seed: 42, stream: 0)
    var lplb = try make(SimplexSolver.values)
    var halves = try make { _ in nil }
    var tokens: [Int32] = []
    var ratios: [Double] = []
    var halved: [Double] = []
    for layer in 0..<60 {
        let history = (0..<256).map { _ in max(0, 0.15 * random.normalVariate() + 1) }
        let counts = (0..<256).map { _ in Int32(4096 * max(0, 0.3 * random.normalVariate() + 1)) }
        let placement = lplb.place(layer: layer, loads: test.reorders ? history : [Double](repeating: 1, count: 256))
        let mean = ExpertBounds.idealLoad(counts: counts, ranks: test.fleet.ranks)
        lplb.split(layer: layer, counts: counts, placement: placement, into: &tokens)
        let found = Double(placement.tokensPerRank(tokens).max() ?? 0)
        ratios.append(found / mean)
        halves.split(layer: layer, counts: counts, placement: placement, into: &tokens)
        let half = Double(placement.tokensPerRank(tokens).max() ?? 0)
        halved.append(half / mean)
        #expect(found <= half)
        // Above the optimum for divisible tokens by rounding only: half a token an edge, of two to eight edges a rank.
        let bound = try ExpertBounds.leastHeaviestLoad(counts: counts, placement: placement)
        if test.name.contains("two experts") {
            #expect(found > bound * (1 - 1e-9))
        } else {
            #expect(found < bound + 2.001 && found > bound * (1 - 1e-9))
        }
    }
    ratios.sort()
    let median = ratios[ratios.count / 2]
    let below = ratios.count { $0 < test.tolerance }
    print(
        "lplb, \(test.name): max/mean \(median) in the median, \(ratios.last ?? 0) at most, \(below) of \(ratios.count) below \(test.tolerance); halves \(halved.reduce(0, +) / Double(halved.count))"
    )
    // The programme's optimum itself is above it on some draws.
    #expect(test.attainable ? median < test.tolerance : below > 0)
}

@Test("thin and skewed batches never do worse than halves")
func neverWorseThanHalves() throws {
    var random = RandomStream(seed: 43, stream: 0)
    let fleet = ExpertFleet(experts: 64, ranks: 16, hosts: 2, slotsPerRank: 6)
    for graph in [0.0, 1, 2, 3] {
        let choice = PolicyChoice("lplb", parameters: ["graph": graph])
        guard var lplb = BalanceRegistry.make(choice, fleet: fleet, random: RandomStream(seed: 1, stream: 1), solver: SimplexSolver.values),
            var halves = BalanceRegistry.make(choice, fleet: fleet, random: RandomStream(seed: 1, stream: 1))
        else { throw SolverError.abandoned }
        for layer in 0..<60 {
            let loads = (0..<64).map { _ in exponential(1.5 * random.normalVariate()) }
            let placement = lplb.place(layer: layer, loads: loads)
            let counts = loads.map { Int32($0 * random.exponentialVariate() * (layer < 30 ? 2 : 2000)) }
            var a: [Int32] = []
            var b: [Int32] = []
            lplb.split(layer: layer, counts: counts, placement: placement, into: &a)
            halves.split(layer: layer, counts: counts, placement: placement, into: &b)
            #expect(placement.tokensPerRank(a).max() ?? 0 <= placement.tokensPerRank(b).max() ?? 0)
        }
    }
}

@Test(
    "a graph gives each duplicated expert one copy, on another rank",
    arguments: [
        DuplicateGraph.cube, .hypercube, .ring(8), .torus(hosts: 8, width: 4),
    ])
func graphs(_ graph: DuplicateGraph) {
    for rank in 0..<graph.ranks {
        for j in 0..<graph.duplicates {
            #expect(graph.originals[rank][j] != rank)
            #expect(graph.originals[graph.copies[rank][j]][j] == rank)
        }
    }
}
