import Bounds
import Policies
import Quantities
import Testing

@testable import Auditing

/// What papers prove of their constructions, in closed form.
@Suite struct ConstructionTests {
    private let limits = HindsightOptimum.Limits(states: 0, nodes: 200, orders: 300)

    @Test(arguments: ["fcfs", "mc-benchmark", "mc-sf", "priority"])
    func giantsAheadHoldUpAllOthers(name: String) throws {
        let policy = try audited(name)
        for (instance, (giants, others)) in zip(Construction.giantsAhead.instances(for: policy), [(2, 8), (3, 16), (5, 32)]) {
            let finding = try policy.judge(instance, limits: limits)
            let queue = giants * (giants + 1) / 2
            #expect(finding.total == others * (giants + 1) + queue)
            #expect(finding.optimum.isOptimal)
            #expect(finding.optimum.total == others + giants + queue)
            #expect(finding.ratio > Double(giants) * 0.75)
        }
    }

    /// The rule of 2508.06133 takes the many small ones first.
    @Test(arguments: [Construction.giantsAhead, .shortGiants])
    func sortedFIsOptimalWhereShortestFirstIsNot(construction: Construction) throws {
        let policy = try audited("sorted-f")
        for instance in construction.instances(for: policy) {
            let finding = try policy.judge(instance, limits: limits)
            #expect(finding.total == finding.optimum.total && finding.optimum.isOptimal)
        }
    }

    @Test(arguments: ["mc-sf", "sjf"])
    func shortGiantsGoFirst(name: String) throws {
        let policy = try audited(name)
        for (instance, (giants, others)) in zip(Construction.shortGiants.instances(for: policy), [(2, 8), (4, 16), (6, 32)]) {
            let finding = try policy.judge(instance, limits: limits)
            let queue = giants * (giants + 1) / 2
            #expect(finding.total == others * (giants + 2) + queue)
            #expect(finding.optimum.total == 2 * others + 2 * giants + queue)
        }
    }

    /// Every deterministic rule, the one with the constant for requests that are all there included, falls for a burst that comes too late for it.
    @Test(arguments: ["fcfs", "mc-sf", "mc-benchmark", "sjf", "sorted-f", "edf"])
    func lateBurstIsFarFromTheOptimum(name: String) throws {
        let policy = try audited(name)
        let instances = Construction.lateBurst.instances(for: policy)
        var ratios: [Double] = []
        for (place, memory) in [16, 36, 64].enumerated() {
            let finding = try policy.judge(instances[2 * place], limits: limits)
            let root = [4, 6, 8][place]
            let served = (0..<root).reduce(0) { $0 + $1 / 2 }
            let least = memory - 1 + (memory / 2 - served) * (root + 1) + served
            let most = memory / 2 + 2 * memory - 1 - root
            #expect(finding.instance.meets(.equalPrompts) && finding.instance.meets(.exactPredictions))
            #expect(try #require(finding.total) >= least)
            #expect(finding.optimum.total <= most)
            #expect(finding.ratio >= Double(least) / Double(most))
            ratios.append(finding.ratio)
        }
        // It grows with the number of requests.
        #expect(ratios == ratios.sorted() && ratios[2] > 1.3 * ratios[0])
    }

    @Test(arguments: [2, 4, 8])
    func upperBoundsTakenForLengthsWasteTheirRatio(width: Int) throws {
        let policy = try audited("a-max", told: PolicyChoice("interval", parameters: ["ratio": 1 / Double(width)]))
        for (instance, times) in zip(Construction.roomForNothing.instances(for: policy), [1, 2, 4]) {
            let finding = try policy.judge(instance, limits: limits)
            #expect(abs(finding.ratio - Double(times * width + 1) / Double(times + 1)) < 1e-12)
            #expect(finding.ratio <= Double(width * (1 + width)) / 2)
        }
        // Lower bounds are right there.
        let optimist = try audited("a-min", told: PolicyChoice("interval", parameters: ["ratio": 1 / Double(width)]))
        for instance in Construction.roomForNothing.instances(for: optimist) { #expect(try optimist.judge(instance, limits: limits).ratio == 1) }
    }

    @Test func intervalConstructionsNeedIntervals() throws {
        let policy = try audited("mc-sf")
        for construction in [Construction.roomForNothing, .longAhead, .doublings] { #expect(construction.instances(for: policy).isEmpty) }
    }
}
