import Quantities
import Testing

@testable import Bounds

/// Tiny instances, the same for the same number.
private func instance(_ seed: UInt64, count: Int, memory: ClosedRange<Int>, arrivals: Int) -> UnitInstance {
    var random = RandomStream(seed: seed, stream: 9)
    let memory = memory.lowerBound + random.below(memory.count)
    let requests = (0..<count).map { _ in
        let prompt = 1 + random.below(3)
        return UnitRequest(arrival: random.below(arrivals + 1), prompt: prompt, output: 1 + random.below(memory - prompt))
    }
    return UnitInstance(requests, memory: memory)
}

/// The least total latency, by trying every start of every request within the horizon.
private func exhaustive(_ instance: UnitInstance) -> Int {
    var best = Int.max
    var starts = Array(repeating: 0, count: instance.requests.count)
    let horizon = instance.horizon
    var usage = Array(repeating: 0, count: horizon + 1)
    func place(_ index: Int, _ cost: Int) {
        let left = instance.requests[index...].reduce(0) { $0 + $1.output }
        guard cost + left < best else { return }
        guard index < instance.requests.count else {
            best = cost
            return
        }
        let request = instance.requests[index]
        for start in request.arrival...max(request.arrival, horizon - request.output) where start + request.output <= horizon {
            let rounds = (start + 1)...(start + request.output)
            guard rounds.allSatisfy({ usage[$0] + request.prompt + $0 - start <= instance.memory }) else { continue }
            for round in rounds { usage[round] += request.prompt + round - start }
            starts[index] = start
            place(index + 1, cost + start + request.output - request.arrival)
            for round in rounds { usage[round] -= request.prompt + round - start }
        }
    }
    place(0, 0)
    return best
}

@Suite struct HindsightTests {
    @Test(arguments: 0..<40 as Range<UInt64>) func optimumIsThatOfExhaustiveSearch(seed: UInt64) throws {
        let instance = instance(seed, count: 3 + Int(seed % 3), memory: 5...11, arrivals: seed % 2 == 0 ? 0 : 6)
        let found = try HindsightOptimum.solve(instance, limits: .init(nodes: 10_000, orders: 20))
        #expect(found.isOptimal)
        #expect(found.total == exhaustive(instance))
        #expect(found.schedule.isFeasible(instance))
    }

    /// Without the local search and the dynamic programmes, all must come from the integer programme.
    @Test(arguments: 40..<60 as Range<UInt64>) func programmeAloneFindsTheOptimum(seed: UInt64) throws {
        let instance = instance(seed, count: 5, memory: 6...12, arrivals: 4)
        let found = try HindsightOptimum.solve(instance, limits: .init(states: 0, nodes: 10_000, orders: 0))
        #expect(found.total == exhaustive(instance))
        #expect(found.isOptimal)
    }

    @Test(arguments: 0..<30 as Range<UInt64>) func relaxationAndVolumeNeverExceedTheOptimum(seed: UInt64) throws {
        let instance = instance(seed + 100, count: 4, memory: 5...14, arrivals: 5)
        let best = exhaustive(instance)
        let relaxed = try HindsightOptimum.solve(instance, limits: .init(states: 0, nodes: 0, orders: 0))
        #expect(relaxed.bound <= best)
        #expect(HindsightOptimum.volumeBound(instance) <= best)
        #expect(relaxed.mcSF >= best)
    }

    @Test func limitLeavesABoundWithItsGap() throws {
        let instance = instance(7, count: 16, memory: 30...30, arrivals: 0)
        let found = try HindsightOptimum.solve(instance, limits: .init(states: 100, nodes: 0, orders: 50))
        #expect(!found.isOptimal)
        #expect(found.bound < found.total)
        #expect(found.gap > 0 && found.gap < 0.25)
        let tooLarge = try HindsightOptimum.solve(instance, limits: .init(states: 0, nodes: 0, coefficients: 10, orders: 50))
        #expect(tooLarge.relaxation == nil)
        #expect(tooLarge.bound <= found.bound)
    }

    @Test func requestBeyondTheMemoryIsNamed() {
        let instance = UnitInstance([UnitRequest(arrival: 0, prompt: 1, output: 2), UnitRequest(arrival: 0, prompt: 6, output: 5)], memory: 10)
        #expect(throws: SolverError.malformed("request 1: found a request that needs 11 tokens of memory in the end, expected at most 10")) {
            try HindsightOptimum.solve(instance)
        }
    }
}

@Suite struct UnitModelTests {
    /// Two requests that fit one after the other only: the short one first.
    @Test func shortestGoesFirstWhereOnlyOneFits() throws {
        let instance = UnitInstance([UnitRequest(arrival: 0, prompt: 3, output: 5), UnitRequest(arrival: 0, prompt: 3, output: 2)], memory: 8)
        let outcome = try #require(UnitModel.run(instance, policy: UnitPolicies.mcSF))
        #expect(outcome.ends == [7, 2])
        #expect(outcome.evictions == 0)
        let inOrder = try #require(UnitModel.run(instance, policy: UnitPolicies.mcBenchmark))
        #expect(inOrder.ends == [5, 7])
    }

    @Test(arguments: 0..<60 as Range<UInt64>) func mcSFKeepsWithinMemoryWithoutEviction(seed: UInt64) throws {
        let instance = instance(seed, count: 12, memory: 8...40, arrivals: 20)
        for policy in [UnitPolicies.mcSF, UnitPolicies.mcBenchmark] {
            let outcome = try #require(UnitModel.run(instance, policy: policy))
            #expect(outcome.evictions == 0)
            let schedule = UnitSchedule(starts: outcome.starts)
            #expect(schedule.isFeasible(instance))
            #expect(schedule.totalLatency(instance) == outcome.totalLatency(instance))
            let last = schedule.makespan(instance)
            for round in 0...last { #expect(schedule.usage(at: round, instance) <= instance.memory) }
        }
    }

    /// A policy that starts whatever arrives loses work, but all requests end.
    @Test func overflowEvictsTheNewest() throws {
        let instance = UnitInstance(Array(repeating: UnitRequest(arrival: 0, prompt: 1, output: 6), count: 3), memory: 10)
        let outcome = try #require(UnitModel.run(instance) { UnitDecision(start: $0.waiting.map(\.request)) })
        #expect(outcome.evictions > 0)
        #expect(outcome.ends[0] == 6)
        #expect(outcome.ends.allSatisfy { $0 >= 6 })
    }

    /// By hand: the second round is skipped by the first request, which keeps 3 tokens and ends a round later.
    @Test func whoPausesKeepsItsTokens() throws {
        let instance = UnitInstance([UnitRequest(arrival: 0, prompt: 2, output: 3), UnitRequest(arrival: 1, prompt: 3, output: 1)], memory: 7)
        let outcome = try #require(
            UnitModel.run(instance) { state in
                if state.round == 2 { #expect(state.running.map(\.start) == [1]) }
                return UnitDecision(start: state.waiting.map(\.request), pause: state.round == 1 ? [0] : [])
            })
        #expect(outcome.ends == [4, 2])
        #expect(outcome.starts == [1, 1])
        #expect(outcome.evictions == 0)
        // Without the pause there would be 4 + 4 tokens in the second round, more than fit.
        let unpaused = try #require(UnitModel.run(instance) { UnitDecision(start: $0.waiting.map(\.request)) })
        #expect(unpaused.evictions > 0)
        // Everybody pauses for ever.
        #expect(UnitModel.run(instance) { UnitDecision(start: $0.waiting.map(\.request), pause: [0, 1]) } == nil)
    }

    @Test func policyThatNeverStartsStalls() {
        let instance = UnitInstance([UnitRequest(arrival: 2, prompt: 1, output: 1)], memory: 5)
        #expect(UnitModel.run(instance) { _ in UnitDecision() } == nil)
    }

    @Test func emptyInstanceEndsAtOnce() throws {
        #expect(try #require(UnitModel.run(UnitInstance([], memory: 5), policy: UnitPolicies.mcSF)).ends.isEmpty)
        #expect(try HindsightOptimum.solve(UnitInstance([], memory: 5)).isOptimal)
    }
}

@Suite struct PooledMachineTests {
    /// Hand-computed: 4 units at 0, 1 unit at 1; the second one goes first when it comes.
    @Test func shortestRemainingFirst() {
        let jobs = [PooledJob(release: 0, work: 4), PooledJob(release: 1, work: 1)]
        #expect(PooledMachine.leastTotalEnd(jobs, speed: 1) == 2 + 5)
        #expect(PooledMachine.leastTotalEnd(jobs, speed: 2) == 1.5 + 2.5)
        // Busy in 0...1 and 2...5, mean (0.5 + 3 * 3.5) / 4; and 1.5.
        #expect(abs(PooledMachine.leastTotalMeanBusyTime(jobs, speed: 1) - (11.0 / 4 + 1.5)) < 1e-12)
    }
}
