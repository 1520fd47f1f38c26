import Bounds
import Foundation
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
            parameters: ["graph": 3], reorders: true, tolerance: 1.07),
        DuplicationCase(
            name: "hypercube, 16 ranks", fleet: ExpertFleet(experts: 256, ranks: 16, hosts: 2, slotsPerRank: 18), parameters: ["graph": 1],
            reorders: true, tolerance: 1.03),
        DuplicationCase(
            name: "torus, 8 hosts of 4 ranks", fleet: ExpertFleet(experts: 256, ranks: 32, hosts: 8, slotsPerRank: 10),
            parameters: ["graph": 2], reorders: false, tolerance: 1.01),
    ]
}

/// The normal variates that the published test draws, `torch.randn` on a device after `manual_seed(42)`: for element i the first of four from
/// Philox 4x32-10 with the seed as key and i as sequence, by the sine of Box and Muller (cuRAND). Checked against values that PyTorch prints.
private func deviceNormals(_ count: Int, call: UInt32) -> [Double] {
    (0..<UInt32(count)).map { element in
        var counter: [UInt32] = [call, 0, element, 0]
        var key: [UInt32] = [42, 0]
        for _ in 0..<10 {
            let (first, second) = (counter[0].multipliedFullWidth(by: 0xD251_1F53), counter[2].multipliedFullWidth(by: 0xCD9E_8D57))
            counter = [second.high ^ counter[1] ^ key[0], second.low, first.high ^ counter[3] ^ key[1], first.low]
            key = [key[0] &+ 0x9E37_79B9, key[1] &+ 0xBB67_AE85]
        }
        func uniform(_ bits: UInt32) -> Double { (Double(bits) + 0.5) / 4_294_967_296 }
        return (-2 * log(uniform(counter[0]))).squareRoot() * sin(2 * .pi * uniform(counter[1]))
    }
}

/// LPLB and a half-half split on one draw: tokens of the heaviest rank under both, of the optimum, and of the mean.
private struct Draw {
    var found = 0.0
    var halves = 0.0
    var bound = 0.0
    var mean = 1.0

    /// - Parameters:
    ///   - history: loads that experts are ordered by.
    ///   - counts: tokens of the batch by expert.
    init(_ test: DuplicationCase, history: [Double], counts: [Int32]) throws {
        func heaviest(_ solver: @escaping LinearSolver) throws -> (Double, ExpertPlacement) {
            let choice = PolicyChoice("lplb", parameters: test.parameters)
            guard var policy = BalanceRegistry.make(choice, fleet: test.fleet, random: RandomStream(seed: 1, stream: 1), solver: solver) else {
                throw SolverError.malformed("no policy: \(BalanceRegistry.obstacle(choice, to: test.fleet) ?? "")")
            }
            let placement = policy.place(layer: 0, loads: test.reorders ? history : [Double](repeating: 1, count: history.count))
            var tokens: [Int32] = []
            policy.split(layer: 0, counts: counts, placement: placement, into: &tokens)
            return (Double(placement.tokensPerRank(tokens).max() ?? 0), placement)
        }
        let placement: ExpertPlacement
        (found, placement) = try heaviest(SimplexSolver.values)
        (halves, _) = try heaviest { _ in nil }
        bound = try ExpertBounds.leastHeaviestLoad(counts: counts, placement: placement)
        mean = ExpertBounds.idealLoad(counts: counts, ranks: test.fleet.ranks)
    }

    func check(_ test: DuplicationCase) {
        #expect(found <= halves)
        #expect(found > bound * (1 - 1e-9))
        // Above the optimum for divisible tokens by rounding only: half a token an edge, of two to eight edges a rank. Classes that share an edge
        // share its split too, which the bound's programme does not ask for.
        if !test.name.contains("two experts") { #expect(found < bound + 2.001) }
    }
}

@Test("LPLB is below every published limit on the loads of the published test", arguments: DuplicationCase.all)
func publishedDraw(_ test: DuplicationCase) throws {
    let first = deviceNormals(256, call: 0)
    #expect(zip(first, [0.1940, 2.1614, -0.1721, 0.8491, -1.9244, 0.6530, -0.6494, -0.8175]).allSatisfy { abs($0 - $1) < 1e-4 })
    let history = first.map { (max(0, 0.15 * $0 + 1) * 1_048_576).rounded(.down) }
    // Without an order the batch is the first draw, of experts that stand on ranks by index; here equal loads deal them out like cards.
    let (ranks, local) = (test.fleet.ranks, 256 / test.fleet.ranks)
    let batch = test.reorders ? deviceNormals(256, call: 1) : (0..<256).map { first[$0 % ranks * local + $0 / ranks] }
    let draw = try Draw(test, history: history, counts: batch.map { Int32(4096 * max(0, 0.3 * $0 + 1)) })
    draw.check(test)
    print("lplb, \(test.name), published draw: \(draw.found / draw.mean), optimum \(draw.bound / draw.mean), halves \(draw.halves / draw.mean)")
    #expect(draw.found / draw.mean < test.tolerance)
}

/// The limits are of one draw: on others the optimum of the replicas itself is above them, so that no split could hold them.
@Test("LPLB attains the optimum of its replicas on every draw, and never does worse than halves", arguments: DuplicationCase.all)
func everyDraw(_ test: DuplicationCase) throws {
    var random = RandomStream(seed: 42, stream: 0)
    var draws: [Draw] = []
    for _ in 0..<60 {
        let history = (0..<256).map { _ in max(0, 0.15 * random.normalVariate() + 1) }
        let counts = (0..<256).map { _ in Int32(4096 * max(0, 0.3 * random.normalVariate() + 1)) }
        let draw = try Draw(test, history: history, counts: counts)
        draw.check(test)
        draws.append(draw)
    }
    let ratios = draws.map { $0.found / $0.mean }.sorted()
    let mean = ratios.reduce(0, +) / Double(ratios.count)
    let below = ratios.count { $0 < test.tolerance }
    let attainable = draws.count { $0.bound / $0.mean < test.tolerance }
    let halves = draws.reduce(0) { $0 + $1.halves / $1.mean } / Double(draws.count)
    print("lplb, \(test.name): mean \(mean), largest \(ratios.last ?? 0), below \(below), optimum below \(attainable), halves \(halves)")
    // But for tokens that do not divide, the limit is held wherever any split could.
    #expect(
        draws.allSatisfy {
            $0.found / $0.mean < test.tolerance || ($0.bound + 2.001) / $0.mean >= test.tolerance || test.name.contains("two experts")
        })
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
