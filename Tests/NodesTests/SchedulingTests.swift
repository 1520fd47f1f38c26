import Cluster
import Policies
import Quantities
import TestKit
import Testing

@testable import Nodes

/// A load under a policy, to its end.
private func finished(
    _ jobs: [Job], _ policy: String, _ parameters: [String: Double] = [:], predictor: PolicyChoice = PolicyChoice("oracle"), plan: EnginePlan,
    blocks: Int64, stages: Int = 1
) throws -> EngineDriver {
    var plan = plan
    plan.scheduling = PolicyChoice(policy, parameters: parameters)
    var driver = try EngineDriver(jobs, plan: plan, blocks: blocks, stages: stages, predictor: predictor)
    driver.run()
    #expect(driver.violations.isEmpty, "\(policy): \(driver.violations.prefix(3))")
    #expect(driver.done.sorted() == jobs.map(\.id).sorted(), "\(policy)")
    #expect(driver.engine.pool.used == 0)
    return driver
}

@Suite("An engine under every scheduling policy")
struct PolicyEngineTests {
    @Test(
        "ends every request with all its tokens, never beyond budget, batch or blocks, whatever is predicted",
        arguments: SchedulingRegistry.descriptions.map(\.name))
    func invariants(name: String) throws {
        let predictors = PredictorRegistry.descriptions.map { PolicyChoice($0.name) }
        for number in UInt64(200)..<207 {
            let load = RandomLoad(number)
            let driver = try finished(
                load.jobs, name, predictor: predictors[Int(number) % predictors.count], plan: load.plan, blocks: load.blocks, stages: load.stages)
            for job in load.jobs where driver.tokens[job.id]?.count != Int(job.output) { Issue.record("\(name) \(number): tokens are missing") }
        }
    }

    /// Loads under the conditions of the forecast: one stage, prompts that the budget never cuts.
    private func roomyLoad(_ number: UInt64) -> RandomLoad {
        var load = RandomLoad(number, stages: 1)
        load.plan.tokenBudget = 100_000
        for place in load.jobs.indices { load.jobs[place].priority = 0 }
        return load
    }

    @Test(
        "preempts nobody where memory is looked ahead to with lengths that are never too short",
        arguments: ["mc-sf", "mc-benchmark", "sorted-f", "a-max"])
    func neverPreempts(name: String) throws {
        var (hard, compared) = (0, 0)
        for number in UInt64(300)..<312 {
            let load = roomyLoad(number)
            let predictor = name == "a-max" ? PolicyChoice("interval", parameters: ["ratio": 0.4]) : PolicyChoice("oracle")
            let driver = try finished(load.jobs, name, predictor: predictor, plan: load.plan, blocks: load.blocks)
            #expect(driver.engine.preemptions == 0, "load \(number)")
            let plain = try finished(load.jobs, "fcfs", plan: load.plan, blocks: load.blocks)
            if plain.engine.preemptions > 0 { hard += 1 }
            compared += 1
        }
        // Where memory is not looked ahead to these loads do preempt.
        #expect(hard >= compared / 4)
    }

    @Test("mc-sf serves equal prompts by length when all are there, and beats first come, first served on mean latency")
    func shortestFirst() throws {
        var random = RandomStream(seed: 4, stream: 9)
        let jobs = (0..<60).map { Job(id: Int64($0), arrival: 0, prompt: 10, output: Int32(1 + random.below(80))) }
        let plan = EnginePlan(blockSize: 1, tokenBudget: 10_000)
        func meanEnd(_ policy: String) throws -> Double {
            let driver = try finished(jobs, policy, plan: plan, blocks: 400)
            return jobs.reduce(0) { $0 + Double(driver.tokens[$1.id]?.last ?? 0) } / 60
        }
        let (best, plain, benchmark) = (try meanEnd("mc-sf"), try meanEnd("fcfs"), try meanEnd("mc-benchmark"))
        #expect(best < plain)
        #expect(best < benchmark)
    }

    @Test("srpt lets a shorter one take the place of the longest that runs; trail does not once it is past its limit")
    func preemption() throws {
        // One place: the second comes while the first, of 50 tokens, has produced a few.
        let plan = EnginePlan(maxBatch: 1)
        func order(_ policy: String, _ parameters: [String: Double] = [:]) throws -> ([Int64], Int64) {
            var probe = try EngineDriver([Job(id: 1, arrival: 0, prompt: 8, output: 50)], plan: plan, blocks: 100)
            probe.run()
            let middle = probe.iterations[20].start + 1
            let jobs = [Job(id: 1, arrival: 0, prompt: 8, output: 50), Job(id: 2, arrival: middle, prompt: 8, output: 5)]
            let driver = try finished(jobs, policy, parameters, plan: plan, blocks: 100)
            return (driver.done, driver.engine.preemptions)
        }
        #expect(try order("sjf") == ([1, 2], 0))
        #expect(try order("srpt") == ([2, 1], 1))
        #expect(try order("trail", ["limit": 0.8]) == ([2, 1], 1))
        #expect(try order("trail", ["limit": 0.3]) == ([1, 2], 0))
    }

    @Test("priority has a running request give way to a more urgent one, first come, first served does not")
    func urgency() throws {
        let jobs = [
            Job(id: 1, arrival: 0, prompt: 8, output: 40, priority: 1), Job(id: 2, arrival: 0, prompt: 8, output: 40, priority: 1),
            Job(id: 3, arrival: 1, prompt: 8, output: 5, priority: 0),
        ]
        let plan = EnginePlan(maxBatch: 2)
        let urgent = try finished(jobs, "priority", plan: plan, blocks: 100)
        #expect(urgent.done == [3, 1, 2])
        #expect(urgent.engine.preemptions == 1)
        #expect(try finished(jobs, "fcfs", plan: plan, blocks: 100).engine.preemptions == 0)
    }

    @Test("wait computes nothing before its threshold, and the last requests after its patience")
    func threshold() throws {
        let step: Instant = 1_000_000
        let jobs = (0..<5).map { Job(id: Int64($0), arrival: Instant($0) * step, prompt: 8, output: 1) }
        for policy in ["wait", "nested-wait"] {
            let driver = try finished(jobs, policy, ["threshold": 3, "patience": 0.5], plan: EnginePlan(), blocks: 100)
            #expect(driver.iterations.map { $0.chunks.map(\.id) } == [[0, 1, 2], [3, 4]], "\(policy)")
            #expect(driver.iterations[0].start == 2 * step)
            // Both come to wait; the first of them has done so for the time of patience.
            #expect(driver.iterations[1].start >= 500_000_000 && driver.iterations[1].start <= 500_000_000 + driver.iterations[0].end + 5 * step)
        }
    }

    @Test("nested-wait pauses requests at the entry of a segment until there are enough, and advances them by patience")
    func segments() throws {
        // Two pass the first segment together and two more join them; the second segment waits for two, and gets all four.
        let jobs = (0..<4).map { Job(id: Int64($0), arrival: $0 < 2 ? 0 : 60_000_000_000, prompt: 8, output: 5) }
        let parameters = ["threshold": 2, "segments": 2, "width": 2, "survival": 0.99, "patience": 1_000]
        let driver = try finished(jobs, "nested-wait", parameters, plan: EnginePlan(), blocks: 100)
        let sizes = driver.iterations.map { ($0.start >= 60_000_000_000, $0.chunks.count) }
        // Nobody advances between the first iteration and the arrival of the others; then the first segment has what it needs.
        #expect(driver.iterations[1].start == 60_000_000_000)
        #expect(sizes[0].1 == 2 && sizes[1].1 == 4)
        // Nothing more arrives: the rest comes by patience.
        #expect(driver.iterations[2].start - driver.iterations[1].start >= 1_000_000_000_000)
    }

    @Test("a-min evicts the smallest lower bound when memory runs out, and everybody ends though nothing but 1 is known of lengths")
    func optimism() throws {
        let jobs = (0..<12).map { Job(id: Int64($0), arrival: 0, prompt: 16, output: Int32(5 + 7 * $0)) }
        let all = PolicyChoice("class", parameters: ["classes": 1, "first": 200])
        let plan = EnginePlan(blockSize: 1, tokenBudget: 10_000)
        let driver = try finished(jobs, "a-min", predictor: all, plan: plan, blocks: 260)
        #expect(driver.engine.preemptions > 0)
        let pessimist = try finished(jobs, "a-max", predictor: all, plan: plan, blocks: 260)
        #expect(pessimist.engine.preemptions == 0)
        let ends = [driver, pessimist].map { driver in jobs.reduce(0) { $0 + (driver.tokens[$1.id]?.last ?? 0) } }
        #expect(ends[0] < ends[1])
    }

    @Test("sorted-f does not serve giants with short outputs first, as shortest first does")
    func giants() throws {
        let giants = (0..<6).map { Job(id: Int64($0), arrival: 0, prompt: 380, output: 2) }
        let dwarfs = (6..<66).map { Job(id: Int64($0), arrival: 0, prompt: 4, output: 4) }
        let plan = EnginePlan(blockSize: 1, tokenBudget: 10_000)
        func total(_ policy: String) throws -> Instant {
            let driver = try finished(giants + dwarfs, policy, plan: plan, blocks: 400)
            return (giants + dwarfs).reduce(0) { $0 + (driver.tokens[$1.id]?.last ?? 0) }
        }
        #expect(try Double(total("sorted-f")) < 0.6 * Double(total("mc-sf")))
    }
}
