import Bounds
import Cluster
import Models
import Policies
import Quantities
import TestKit
import Testing

@testable import Auditing
@testable import Nodes

/// The least total latency, by trying every start of every request within the horizon.
private func exhaustive(_ instance: UnitInstance) -> Int {
    var best = Int.max
    let horizon = instance.horizon
    var usage = Array(repeating: 0, count: horizon + 1)
    func place(_ index: Int, _ cost: Int) {
        guard index < instance.requests.count else {
            best = min(best, cost)
            return
        }
        let request = instance.requests[index]
        guard cost + request.output < best, request.arrival + request.output <= horizon else { return }
        for start in request.arrival...(horizon - request.output) {
            let rounds = (start + 1)...(start + request.output)
            guard rounds.allSatisfy({ usage[$0] + request.prompt + $0 - start <= instance.memory }) else { continue }
            for round in rounds { usage[round] += request.prompt + round - start }
            place(index + 1, cost + start + request.output - request.arrival)
            for round in rounds { usage[round] -= request.prompt + round - start }
        }
    }
    place(0, 0)
    return best
}

/// In how many iterations of the product's engine each request of an instance ends; all are there at the start.
private func iterations(_ instance: AuditInstance, _ policy: String, told: PolicyChoice) throws -> (ends: [Int], preemptions: Int64) {
    var plan = EnginePlan(blockSize: 1, tokenBudget: 1 << 20, maxBatch: 100, chunkedPrefill: true)
    plan.scheduling = PolicyChoice(policy)
    let cost = CostModel(model: testModel, device: testDevice, tensorParallel: 1, pipelineParallel: 1, table: nil)
    let scheduler = try #require(SchedulingRegistry.make(plan.scheduling, random: RandomStream(seed: 1, stream: 1)))
    let predictor = try #require(OutputPredictor(told, seed: 1, lengthLimit: Int64(instance.memory) + 1))
    var engine = Engine(plan: plan, cost: cost, stages: 1, blocks: Int64(instance.memory), scheduler: scheduler, predictor: predictor)
    for (number, request) in instance.requests.enumerated() {
        let assignment = Assignment(
            id: Int64(number), stream: 0, promptTokens: Int32(request.unit.prompt + 1), outputTokens: Int32(request.unit.output), priority: 0,
            arrival: 0)
        engine.enqueue(engine.requests.insert(EngineRequest(assignment, phase: .waiting)))
    }
    var ends = Array(repeating: 0, count: instance.requests.count)
    var (now, rounds): (Instant, Int) = (0, 0)
    while engine.startIteration(at: now) != nil {
        now = engine.nextEnd
        rounds += 1
        let place = engine.endIteration()
        for chunk in engine.ring[place].chunks where engine.hasFullCache(chunk.slot) {
            engine.requests[chunk.slot].generated += 1
            let entry = engine.requests[chunk.slot]
            guard entry.remaining <= 0 else { continue }
            ends[Int(entry.request.id)] = rounds
            engine.leave(chunk.slot)
            engine.freeBlocks(of: chunk.slot)
            engine.requests.remove(chunk.slot)
        }
    }
    return (ends, engine.preemptions)
}

@Suite struct SchedulerInRoundsTests {
    private static func instances(_ family: InstanceFamily, _ told: PolicyChoice, count: Int = 40) throws -> [AuditInstance] {
        var random = RandomStream(seed: 11, stream: 1)
        let teller = try #require(Teller(told, seed: 1))
        return (0..<count).map { _ in family.draw(&random, teller) }
    }

    /// The product's policies and the reference ones of the unit-round model were written apart.
    @Test(arguments: InstanceFamily.allCases)
    func productsRulesAreThoseOfTheModel(family: InstanceFamily) throws {
        for instance in try Self.instances(family, PolicyChoice("oracle")) {
            #expect(try audited("mc-sf").run(instance) == UnitModel.run(instance.unit, policy: UnitPolicies.mcSF))
            #expect(try audited("mc-benchmark").run(instance) == UnitModel.run(instance.unit, policy: UnitPolicies.mcBenchmark))
        }
    }

    /// What the model says of a policy is what the engine does with it, iteration for iteration, while nobody loses its cache.
    @Test(arguments: ["fcfs", "fcfs-protected", "sjf", "srpt", "trail", "edf", "priority", "mc-sf", "mc-benchmark", "sorted-f", "a-max", "a-min"])
    func engineEndsRequestsInTheSameIterations(name: String) throws {
        let told = PolicyChoice("interval", parameters: ["ratio": 0.5, "symmetric": name == "sjf" ? 1 : 0])
        var compared = 0
        for family in [InstanceFamily.atStart, .equalPrompts, .unequalPrompts] {
            for instance in try Self.instances(family, told) {
                let outcome = try #require(try audited(name, told: told).run(instance))
                guard outcome.evictions == 0 else { continue }
                let (ends, preemptions) = try iterations(instance, name, told: told)
                #expect(preemptions == 0)
                #expect(outcome.ends == ends)
                compared += 1
            }
        }
        #expect(compared > 10)
    }

    @Test func ratioIsThatToTheOptimumOfExhaustiveSearch() throws {
        for instance in try Self.instances(.arrivals, PolicyChoice("oracle"), count: 30) {
            let small = AuditInstance(Array(instance.requests.prefix(3)), memory: instance.memory)
            let finding = try audited("fcfs").judge(small)
            let total = try #require(finding.total)
            #expect(finding.optimum.isOptimal)
            #expect(finding.ratio == Double(total) / Double(exhaustive(small.unit)))
        }
    }

    /// A schedule with restarts ends no earlier than one of the model: its last starts are one.
    @Test(arguments: ["fcfs", "srpt", "a-min", "trail", "priority", "fcfs-protected"])
    func whoIsEvictedBeginsAgain(name: String) throws {
        let told = PolicyChoice("interval", parameters: ["ratio": 0.3])
        var evictions = 0
        for family in [InstanceFamily.atStart, .arrivals, .oneInterval] {
            for instance in try Self.instances(family, told) {
                let outcome = try #require(try audited(name, told: told).run(instance))
                evictions += outcome.evictions
                let schedule = UnitSchedule(starts: outcome.starts)
                #expect(schedule.isFeasible(instance.unit))
                #expect(schedule.totalLatency(instance.unit) == outcome.totalLatency(instance.unit))
            }
        }
        #expect(evictions > 0)
    }

    /// One that skips rounds ends no earlier than one of the model that starts later and runs without a break.
    @Test(arguments: ["wait", "nested-wait"]) func whoPausesEndsLikeOneThatStartsLater(name: String) throws {
        var pauses = 0
        for family in [InstanceFamily.atStart, .arrivals, .unequalPrompts] {
            for instance in try Self.instances(family, PolicyChoice("oracle")) {
                let choice = PolicyChoice(name, parameters: ["patience": 0.1])
                let policy = try #require(SchedulingRegistry.make(choice, random: RandomStream(seed: 1, stream: 1)))
                var scheduler = SchedulerInRounds(policy, instance)
                let outcome = try #require(
                    UnitModel.run(instance.unit) { state in
                        let decision = scheduler.decide(state)
                        pauses += decision.pause.count
                        return decision
                    })
                let schedule = UnitSchedule(starts: outcome.starts)
                #expect(schedule.isFeasible(instance.unit))
                #expect(schedule.totalLatency(instance.unit) == outcome.totalLatency(instance.unit))
            }
        }
        #expect(pauses > 0)
    }

    @Test func predictorsThatCannotBeToldOnceAreNone() {
        #expect(Teller(PolicyChoice("refined"), seed: 1) == nil)
        #expect(Teller(PolicyChoice("nobody"), seed: 1) == nil)
    }
}
