import Cluster
import Models
import Policies
import Quantities
import TestKit
import Testing

@testable import TopologyFile

/// Mixtures drawn at random, the same for the same number: every form of every key.
private func generatedMixture(_ number: UInt64, experts: Int, topK: Int, layers: Int) -> MixturePlan {
    var random = RandomStream(seed: number, stream: 21)
    let loads = (0..<layers).map { _ in (0..<experts).map { _ in random.below(2) == 0 ? Double(random.below(1_000_000) + 1) : random.unit() } }
    let popularities: [GatePlan.Popularity] = [
        .uniform, .zipf(exponent: random.unit() * 3), .logNormal(sigma: random.unit()), .dirichlet(alpha: random.unit() + 0.01), .recorded(loads),
    ]
    let selections: [GatePlan.Selection] = [
        .topK, .expertChoice, .noisyTopK(noise: random.unit()), .groups(count: experts / topK, kept: 1), .groups(count: 2, kept: 2),
    ]
    let gate = GatePlan(
        popularity: popularities[random.below(5)], selection: selections[random.below(5)], layerCorrelation: random.unit(),
        drift: random.below(2) == 0 ? nil : GatePlan.Drift(period: 1_000_000 + Int64(random.below(1_000_000_000)), share: random.unit()),
        batchNoise: random.unit(), capacityFactor: random.below(2) == 0 ? nil : 1 + random.unit(), biasRate: random.unit() / 100)
    let policies = [
        PolicyChoice("contiguous"), PolicyChoice("eplb", parameters: ["global": 1]), PolicyChoice("aebs"), PolicyChoice("random-replica"),
    ]
    let balance = BalancePlan(
        policy: policies[random.below(4)], redundantExperts: 8 * random.below(2),
        replanInterval: random.below(2) == 0 ? nil : Int64(1_000_000_000 + random.below(1_000_000_000)), startsInformed: random.below(2) == 0)
    let granularities: [LayerGranularity] = [.exact, .iteration, .grouped(1 + random.below(20))]
    return MixturePlan(
        gate: gate, balance: balance, granularity: granularities[random.below(3)], microBatches: 1 + random.below(2),
        fabric: random.below(2) == 0 ? nil : AllToAllModel.all[random.below(AllToAllModel.all.count)],
        dispatchFormat: ActivationFormat.allCases[random.below(3)], combineFormat: ActivationFormat.allCases[random.below(3)])
}

@Suite("A mixture of experts")
struct MixtureTests {
    private func catalogued(_ name: String) throws -> ModelShape { try #require(ModelCatalog.named(name)) }

    @Test("reads back as an equal plan, whatever its gate, its balance and its transfer")
    func roundTrip() throws {
        let model = try catalogued("mixtral-8x7b")
        let device = try #require(DeviceCatalog.named("h200-sxm"))
        for number in 0..<150 as Range<UInt64> {
            var plan = generatedPlan(number)
            plan.records.layers = number.isMultiple(of: 2)
            // Nothing moves between ranks.
            plan.controller.migration = PolicyChoice("none")
            var mixture = generatedMixture(number, experts: 8, topK: 2, layers: 32)
            func pool(_ name: String, _ role: Role, _ mixture: MixturePlan? = nil) -> PoolPlan {
                PoolPlan(name: name, role: role, count: 8, model: model, device: device, mixture: mixture)
            }
            switch number % 4 {
            case 0: plan.pools = [pool("rank", .ep, mixture)]
            case 1: plan.pools = [pool("prefill", .prefill, mixture), pool("decode", .decode, mixture)]
            case 2: plan.pools = [pool("whole", .prefill), pool("rank", .ep, mixture)]
            default:
                mixture.expertPool = "far"
                mixture.microBatches = 1 + Int(number % 4)
                mixture.transfer = ExpertTransfer.allCases[Int(number / 4 % 3)]
                plan.pools = [pool("near", .attention, mixture), pool("far", .expert)]
            }
            let text = TopologyWriter.text(plan)
            let back = try TopologyReader.read(Array(text.utf8), path: "/elsewhere/topology.yaml").get().plan
            #expect(back == plan, "plan \(number):\n\(text)")
        }
    }

    @Test("has its defaults where the role says that there is one, none elsewhere, and none in an expert pool")
    func defaults() throws {
        #expect(try read(mixture("{}")).get().pools[0].mixture == MixturePlan())
        #expect(try read(mixture("none")).get().pools[0].mixture == MixturePlan())
        #expect(try read(small).get().pools[0].mixture == nil)
        let inherited = """
            model: deepseek-v3
            defaults: {device: h200, experts: {balance: {redundant: 32, start: blind}, fabric: deepep-h800}}
            pools:
              prefill: {role: prefill, count: 16, experts: {fabric: links}}
              attention: {role: attention, count: 2, experts: {pool: expert, balance: eplb}}
              expert: {role: expert, count: 8}
            workload: {arrivals: {poisson: 5/s}, requests: 10}
            """
        let pools = try read(inherited).get().pools
        #expect(pools[0].mixture == MixturePlan(balance: BalancePlan(redundantExperts: 32, startsInformed: false)))
        #expect(
            pools[1].mixture
                == MixturePlan(
                    balance: BalancePlan(policy: PolicyChoice("eplb"), redundantExperts: 32, startsInformed: false), fabric: .deepEPH800,
                    expertPool: "expert"))
        #expect(pools[2].mixture == nil)
        let plain = inherited.replacing("role: prefill, count: 16, experts: {fabric: links}", with: "role: prefill, count: 1, tp: 8, experts: none")
        #expect(try read(plain).get().pools[0].mixture == nil)
    }

    @Test("can be set from the command line")
    func settings() throws {
        let changes = ["pools.rank.experts.balance=eplb", "pools.rank.experts.balance.redundant=8", "pools.rank.experts.gate.popularity.zipf=0.7"]
        let changed = try read(mixture("{}"), settings: changes).get().pools[0].mixture
        #expect(changed?.balance == BalancePlan(policy: PolicyChoice("eplb"), redundantExperts: 8))
        #expect(changed?.gate.popularity == .zipf(exponent: 0.7))
        let parameter = changes.prefix(2) + ["pools.rank.experts.balance.policy.global=1"]
        #expect(try read(mixture("{}"), settings: Array(parameter)).get().pools[0].mixture?.balance.policy.parameters == ["global": 1])
        #expect(
            mistakes(mixture("{}"), settings: ["pools.rank.experts.balance=lpbl"])
                == [
                    "--set pools.rank.experts.balance=lpbl:1:1: unknown policy 'lpbl', expected one of contiguous, eplb, lplb, aebs, token-balanced, "
                        + "random-replica; did you mean 'lplb'?"
                ])
    }

    @Test("with wrong values is refused, each at its place")
    func values() {
        func expectMixture(_ experts: String, _ expected: [Mistake], _ location: SourceLocation = #_sourceLocation) {
            expect(mixture(experts), expected, sourceLocation: location)
        }
        expectMixture(
            "{gate: {popularity: zipf, selection: topk, drift: {period: 5s}, batch-noise: 6, capacity-factor: 0, layer-correlation: -1, bias-rate: x}}",
            [
                ("zipf", "found 'zipf', expected uniform or a mapping with one key of zipf, log-normal, dirichlet, recorded"),
                ("topk", "found 'topk', expected top-k, expert-choice or a mapping with one key of groups, noisy-top-k; did you mean 'top-k'?"),
                ("{period", "found no key 'share' in drift"), ("6,", "found '6', expected a number from 0 to 5"),
                ("0, layer", "found '0', expected a number above 0"), ("-1", "found '-1', expected a number from 0 to 1"),
                ("x}}", "found 'x', expected a number from 0 to 10"),
            ])
        expectMixture(
            "{gate: {popularity: {zipf: -0.1}, selection: {groups: {count: 0}}}, balance: {policy: {policy: eplb, global: 2}, redundant: -8}}",
            [
                ("-0.1", "found '-0.1', expected a number from 0 to 10"), ("{count: 0", "found no key 'kept' in groups"),
                ("0}}}", "found '0', expected a whole number from 1 to 65536"), ("2}, red", "found '2', expected a number from 0 to 1"),
                ("-8}", "found '-8', expected a number of replicas from 0 to 1000000"),
            ])
        expectMixture(
            "{layers: {grouped: 0}, micro-batches: 5, fabric: deepep, dispatch: fp16, transfer: two-fase, balance: {start: cold, replan-interval: 5}}",
            [
                ("0}, micro", "found '0', expected a number of layers from 1 to 2000"),
                ("5, fabric", "found '5', expected a number of parts from 1 to 4"),
                ("deepep,", "unknown fabric 'deepep', expected one of links, deepep-h800"),
                ("fp16", "unknown format 'fp16', expected one of bf16, fp8, int8"),
                ("two-fase", "unknown transfer 'two-fase', expected one of point-to-point, broadcast, two-phase; did you mean 'two-phase'?"),
                ("cold", "unknown start 'cold', expected one of informed, blind"), ("5}}", "found '5' without a unit"),
            ])
        expectMixture("{kernel: per-node}", [("per-node", "unknown kernel 'per-node', expected one of per-expert, per-host")])
        expectMixture("{gaet: {}}", [("gaet", "unknown key 'gaet' in experts, expected one of pool, gate, balance")])
        expectMixture("[]", [("[]", "found a list, expected experts as a mapping")])
        expectMixture(
            "{gate: {popularity: {recorded: [1 2 3, -4 5]}}}",
            [("-4 5", "found '-4 5', expected a text with a load for each expert: numbers from 0 to 1000000000000 with spaces between them")])
    }

    @Test("whose gate does not fit the model is refused, each at its place")
    func gates() {
        let row = "1 1 1 1 1 1 1 1"
        let rows = Array(repeating: row, count: 32)
        func recorded(_ rows: [String]) -> String { mixture("{gate: {popularity: {recorded: [\(rows.joined(separator: ", "))]}}}") }
        #expect(mistakes(recorded(rows)) == [])
        expect(recorded(rows.dropLast()), [("{recorded", "found loads of 31 layers, expected the 32 layers with experts")])
        expect(
            recorded(["1 1 1 1 1 1 2"] + rows.dropFirst()), [("1 1 1 1 1 1 2", "found layer 0 has 7 loads, expected one for each of 8 experts")])
        expect(
            recorded(["0 0 0 0 0 0 0 0"] + rows.dropFirst()),
            [("0 0 0 0 0 0 0 0", "found all loads of layer 0 are 0, expected at least one above")])
        expect(
            mixture("{gate: {selection: {groups: {count: 3, kept: 1}}}}"),
            [("{groups", "found 8 experts in 3 groups, expected a number of groups that divides them")])
        expect(
            mixture("{gate: {selection: {groups: {count: 8, kept: 1}}}}"),
            [("{groups", "found a token picks 2 experts of 1 groups with 1 each, expected at most 1")])
        expect(
            mixture("{gate: {selection: {groups: {count: 2, kept: 3}}}}"), [("{groups", "found 3 of 2 groups stay, expected 1 to 2")])
    }

    @Test("takes at most so many recorded loads that a resolved topology can hold them")
    func recordedLimit() {
        let row = Array(repeating: "1", count: 256).joined(separator: " ")
        let rows = Array(repeating: row, count: 58).joined(separator: ", ")
        let pools = (0..<5).map { "p\($0): {role: ep, count: 32, device: h200, experts: {gate: {popularity: {recorded: [\(rows)]}}}}" }
        func text(_ count: Int) -> String {
            "model: deepseek-v3\npools:\n  " + pools.prefix(count).joined(separator: "\n  ")
                + "\nworkload: {arrivals: {poisson: 5/s}, requests: 10}\n"
        }
        #expect(mistakes(text(4)) == [])
        let found = mistakes(text(5))
        #expect(found.count == 1 && found[0].hasPrefix("7:"), "\(found)")
        #expect(found.first?.hasSuffix("found 74240 recorded loads in all pools, expected at most 64000") == true, "\(found)")
    }
}
