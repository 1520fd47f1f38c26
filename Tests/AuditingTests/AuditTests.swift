import Bounds
import Policies
import Quantities
import Testing

@testable import Auditing

/// A policy by name, told the truth unless said otherwise.
func audited(_ name: String, told: PolicyChoice = PolicyChoice("oracle")) throws -> AuditedPolicy {
    let teller = try #require(Teller(told, seed: 1))
    return try #require(AuditedPolicy(PolicyChoice(name), teller: teller))
}

/// Mistakes that an audit must find.
private struct Careless: SchedulingPolicy {
    static let description = PolicyDescription(name: "careless", summary: "shortest first, without a look ahead", source: "test")
    static let traits: SchedulingTraits = [.ranks, .overtakes]
    init(parameters: PolicyParameters, random: RandomStream) {}
    mutating func rank(of request: QueuedRequest) -> Int64 { Int64(request.remaining) }
}

private struct LongestFirst: SchedulingPolicy {
    static let description = PolicyDescription(name: "longest", summary: "mc-sf's check in the wrong order", source: "test")
    static let traits: SchedulingTraits = [.ranks, .admits, .overtakes]
    private var inner = MemoryConstrainedShortestFirst(
        parameters: PolicyParameters(PolicyChoice("mc-sf"), for: MemoryConstrainedShortestFirst.description), random: RandomStream(seed: 1, stream: 1)
    )
    init(parameters: PolicyParameters, random: RandomStream) {}
    mutating func rank(of request: QueuedRequest) -> Int64 { -Int64(request.remaining) }
    mutating func admit(from waiting: WaitingQueue, _ engine: EngineView, into admitted: inout [QueuedRequest]) {
        inner.admit(from: waiting, engine, into: &admitted)
    }
}

/// Gives what runs up in every round: nothing ever ends.
private struct Restless: SchedulingPolicy {
    static let description = PolicyDescription(name: "restless", summary: "evicts everybody", source: "test")
    static let traits: SchedulingTraits = [.manages]
    init(parameters: PolicyParameters, random: RandomStream) {}
    mutating func manage(_ waiting: WaitingQueue, _ engine: EngineView, _ orders: inout RunningOrders) {
        orders.evicted = engine.running.map(\.slot)
    }
}

private func broken<Policy: SchedulingPolicy>(_ type: Policy.Type, _ guarantees: [Guarantee]) throws -> AuditedPolicy {
    let teller = try #require(Teller(PolicyChoice("oracle"), seed: 1))
    return AuditedPolicy(name: Policy.description.name, guarantees: guarantees, teller: teller) {
        Policy(parameters: PolicyParameters(PolicyChoice(Policy.description.name), for: Policy.description), random: RandomStream(seed: 1, stream: 1))
    }
}

@Suite struct AuditTests {
    private let small = Audit.Effort(instances: 18, changes: 9, limits: .init(states: 0, nodes: 10, orders: 100))

    @Test(arguments: ["mc-sf", "mc-benchmark", "sorted-f", "a-max"])
    func statedGuaranteesHold(name: String) throws {
        let told = name == "a-max" ? PolicyChoice("interval", parameters: ["ratio": 0.25]) : PolicyChoice("oracle")
        let report = try Audit.run(audited(name, told: told), effort: small, seed: 5)
        #expect(!report.verdicts.isEmpty)
        for verdict in report.verdicts { #expect(verdict.kind == .held && verdict.instances > 0, "\(verdict.guarantee.claim)") }
        #expect(report.stalls == 0)
        // An optimum that a policy beats is none.
        #expect(report.origins.allSatisfy { $0.mean >= 1 && $0.worst >= $0.mean })
        #expect(report.origins.contains { $0.name == "search" && $0.instances > 0 })
    }

    @Test func evictionsOfACarelessRuleAreFound() throws {
        let report = try Audit.run(broken(Careless.self, [Guarantee(.noEvictions, when: [.noShortPredictions])]), effort: small, seed: 5)
        let verdict = try #require(report.verdicts.first)
        #expect(verdict.kind == .refuted)
        #expect(try #require(verdict.worst?.outcome).evictions > 0)
        #expect(report.exhibit == verdict.worst)
    }

    @Test func wrongOrderIsFoundByItsRatio() throws {
        let claim = Guarantee(.ratioToOptimum(1.25), when: [.allAtStart, .equalPrompts, .exactPredictions])
        let right = try Audit.run(broken(LongestFirst.self, [claim]), effort: small, seed: 5)
        let verdict = try #require(right.verdicts.first)
        let worst = try #require(verdict.worst)
        #expect(verdict.kind == .refuted)
        #expect(worst.isCovered(by: claim))
        #expect(worst.ratio > 1.25)
    }

    @Test func ruleWithoutAnEndIsFound() throws {
        let claim = Guarantee(.ratioToOptimum(1e9), when: [])
        let report = try Audit.run(broken(Restless.self, [claim]), effort: .init(instances: 6, changes: 0), seed: 5)
        #expect(report.stalls > 0)
        #expect(report.verdicts.first?.kind == .refuted)
    }

    @Test func guaranteeThatNothingIsAboutIsUntested() throws {
        let claim = Guarantee(
            .ratioToOptimum(1.001), when: [.oneInterval, .equalPrompts, .boundsHold, .roomForTwo, .noShortPredictions, .allAtStart])
        let report = try Audit.run(broken(LongestFirst.self, [claim]), effort: .init(instances: 1, changes: 0), seed: 2)
        #expect(report.verdicts.first?.instances == 0)
        #expect(report.verdicts.first?.kind == .untested)
    }

    @Test func sameSeedSameFindings() throws {
        let effort = Audit.Effort(instances: 6, changes: 6, limits: .init(states: 0, nodes: 5, orders: 50))
        let policy = try audited("fcfs")
        let (one, two) = (try Audit.run(policy, effort: effort, seed: 9), try Audit.run(policy, effort: effort, seed: 9))
        #expect(one.origins == two.origins && one.worst == two.worst)
        let other = try Audit.run(policy, effort: effort, seed: 10)
        #expect(one.origins != other.origins)
    }

    /// The search goes on from the worst of a family, so what it ends with is at least as bad.
    @Test func searchFindsWorseThanTheFamilies() throws {
        let effort = Audit.Effort(instances: 6, changes: 30, limits: .init(states: 0, nodes: 5, orders: 50))
        let report = try Audit.run(audited("fcfs"), effort: effort, seed: 3)
        let families = Set(InstanceFamily.allCases.map(\.rawValue))
        let drawn = report.origins.filter { families.contains($0.name) }.map(\.worst).max() ?? 0
        let searched = try #require(report.origins.first { $0.name == "search" })
        #expect(searched.worst >= drawn)
    }
}

@Suite struct ConditionTests {
    private func instance(_ requests: [(Int, Int, Int, Prediction)], memory: Int) -> AuditInstance {
        AuditInstance(
            requests.map { AuditRequest(UnitRequest(arrival: $0.0, prompt: $0.1, output: $0.2), prediction: $0.3) }, memory: memory)
    }

    @Test func conditionsSayWhatAnInstanceIs() {
        let exact = instance([(0, 2, 3, Prediction(exactly: 3)), (0, 2, 5, Prediction(exactly: 5))], memory: 14)
        #expect(Guarantee.Condition.allCases.filter { !exact.meets($0) } == [.oneInterval])
        let mixed = instance(
            [(0, 1, 3, Prediction(expected: 2, lower: 2, upper: 4)), (1, 2, 4, Prediction(expected: 2, lower: 2, upper: 3))], memory: 11)
        #expect(Guarantee.Condition.allCases.filter { mixed.meets($0) }.isEmpty)
        #expect(mixed.intervalRatio == 2)
        let interval = Prediction(expected: 2, lower: 1, upper: 4)
        let wide = instance([(7, 1, 1, interval), (7, 1, 4, interval)], memory: 10)
        #expect(Guarantee.Condition.allCases.filter { !wide.meets($0) } == [.exactPredictions, .noShortPredictions])
    }

    @Test(arguments: InstanceFamily.allCases)
    func familiesCanBeServedAndKeepWhatTheyPromise(family: InstanceFamily) throws {
        var random = RandomStream(seed: 4, stream: 1)
        let teller = try #require(Teller(PolicyChoice("interval", parameters: ["ratio": 0.25]), seed: 1))
        for _ in 0..<60 {
            let instance = family.draw(&random, teller)
            #expect(instance.unit.problem == nil)
            #expect((4...8).contains(instance.requests.count))
            #expect(instance.meets(.boundsHold))
            if family == .equalPrompts || family == .oneInterval { #expect(instance.meets(.equalPrompts) && instance.meets(.allAtStart)) }
            if family == .oneInterval { #expect(instance.meets(.oneInterval)) }
        }
    }

    @Test func changesKeepAnInstanceServable() throws {
        var random = RandomStream(seed: 4, stream: 2)
        let teller = try #require(Teller(PolicyChoice("interval", parameters: ["ratio": 0.25]), seed: 1))
        var instance = InstanceFamily.arrivals.draw(&random, teller)
        let mutation = InstanceMutation(teller: teller)
        var changes = 0
        for _ in 0..<500 {
            guard let changed = mutation.draw(instance, &random) else { continue }
            changes += 1
            #expect(changed.unit.problem == nil && changed != instance && changed.meets(.boundsHold))
            instance = changed
        }
        #expect(changes > 100)
    }
}

@Suite struct WorkloadPatternTests {
    @Test func patternRepeats() {
        let pattern = WorkloadPattern([.init(prompt: 5, output: 1, gap: 10), .init(prompt: 7, output: 2, gap: 0)])
        let requests = pattern.requests(5)
        #expect(requests.map(\.arrival) == [0, 10_000_000, 10_000_000, 20_000_000, 20_000_000])
        #expect(requests.map(\.promptTokens) == [5, 7, 5, 7, 5])
        #expect(requests.map(\.id) == [0, 1, 2, 3, 4])
    }

    @Test func changesKeepPatternsInBounds() {
        var random = RandomStream(seed: 1, stream: 1)
        var pattern = WorkloadPattern.starts(8, &random)[5]
        for _ in 0..<2_000 {
            pattern = pattern.changed(&random)
            #expect((1...12).contains(pattern.slots.count))
            #expect(pattern.slots.allSatisfy { $0.prompt >= 1 && $0.output >= 1 && (0...2_000).contains($0.gap) })
        }
    }
}

@Suite struct StudyTests {
    @Test(arguments: PublishedStudy.allCases)
    func instancesAreOfTheStudysSize(study: PublishedStudy) throws {
        var random = RandomStream(seed: 7, stream: 1)
        let teller = try #require(Teller(PolicyChoice("oracle"), seed: 1))
        var counts: Set<Int> = []
        for _ in 0..<200 {
            let instance = study.draw(&random, teller)
            counts.insert(instance.requests.count)
            #expect(instance.unit.problem == nil && (30...50).contains(instance.memory) && instance.meets(.exactPredictions))
            #expect(instance.requests.allSatisfy { (1...5).contains($0.unit.prompt) })
            switch study {
            case .atStart: #expect((40...60).contains(instance.requests.count) && instance.meets(.allAtStart))
            case .arrivals: #expect(instance.unit.lastArrival < 60)
            }
        }
        #expect(counts.count > 15)
    }

    /// The shorter instance is the beginning of the longer one, so that sizes can be compared.
    @Test func firstRequestsAreThoseOfTheWholeInstance() throws {
        let teller = try #require(Teller(PolicyChoice("oracle"), seed: 1))
        var (one, other) = (RandomStream(seed: 3, stream: 1), RandomStream(seed: 3, stream: 1))
        for _ in 0..<20 {
            let whole = PublishedStudy.arrivals.draw(&one, teller)
            let part = PublishedStudy.arrivals.draw(&other, teller, requests: 7)
            #expect(part.memory == whole.memory && part.requests == Array(whole.requests.prefix(7)))
        }
    }

    @Test func figuresOfOneFamilyAgreeWithEachOther() throws {
        let effort = Audit.Effort(instances: 12, changes: 0, limits: .init(states: 0, nodes: 50, orders: 100))
        let policy = try audited("mc-sf")
        let found = try #require(try Audit.run(policy, family: "study-at-start", requests: 4, effort: effort, seed: 2))
        #expect(found.origins.map(\.name) == ["study-at-start"])
        let origin = found.origins[0]
        #expect(origin.instances == 12 && origin.exact <= origin.instances && origin.proved <= origin.instances)
        #expect(1 <= origin.mean && origin.mean <= origin.meanAtMost && origin.mean <= origin.worst && origin.worst <= origin.worstAtMost)
        if origin.proved == 12 { #expect(origin.mean == origin.meanAtMost && origin.worst == origin.worstAtMost) }
        #expect(try Audit.run(policy, family: "no such family", effort: effort, seed: 2) == nil)
    }
}
