import Cluster
import Quantities
import Testing

@testable import Nodes

@Suite("The engine")
struct EngineTests {
    @Test("equals the plain model of its rules, iteration by iteration", arguments: UInt64(0)..<24)
    func reference(number: UInt64) throws {
        let load = RandomLoad(number, stages: 1)
        var driver = try EngineDriver(load.jobs, plan: load.plan, blocks: load.blocks)
        driver.run()
        var model = ReferenceEngine(load.jobs, plan: load.plan, blocks: load.blocks)
        model.run()
        #expect(driver.iterations.count == model.iterations.count)
        let difference = zip(driver.iterations, model.iterations).first { $0 != $1 }
        #expect(difference == nil)
    }

    @Test("never exceeds budget, batch or blocks, and ends every request with its blocks given back")
    func invariants() throws {
        var (preempted, cut, lone, overlapped) = (0, 0, 0, 0)
        for number in UInt64(100)..<130 {
            let load = RandomLoad(number)
            var driver = try EngineDriver(load.jobs, plan: load.plan, blocks: load.blocks, stages: load.stages)
            driver.run()
            check(driver, load, number)
            if driver.engine.preemptions > 0 { preempted += 1 }
            if load.plan.chunkedPrefill, load.jobs.contains(where: { Int($0.prompt) > load.plan.tokenBudget }) { cut += 1 }
            if driver.iterations.contains(where: { $0.chunks.reduce(0) { $0 + Int($1.tokens) } > load.plan.tokenBudget }) { lone += 1 }
            if zip(driver.iterations, driver.iterations.dropFirst()).contains(where: { $1.start < $0.end }) { overlapped += 1 }
        }
        // The loads are hard enough: preemptions, cut prompts, prompts above the budget and iterations side by side occur.
        for count in [preempted, cut, lone, overlapped] { #expect(count >= 3) }
    }

    private func check(_ driver: EngineDriver, _ load: RandomLoad, _ number: UInt64) {
        #expect(driver.violations.isEmpty, "load \(number): \(driver.violations.prefix(3))")
        #expect(driver.done.sorted() == load.jobs.map(\.id), "load \(number)")
        for job in load.jobs where driver.tokens[job.id]?.count != Int(job.output) { Issue.record("load \(number): request \(job.id) lacks tokens") }
        #expect(driver.engine.pool.used == 0)
        #expect(driver.engine.requests.count == 0)
        #expect(driver.engine.waitingTokens == 0)
        #expect(driver.engine.pool.peak <= load.blocks)
    }

    @Test("cuts a prompt into pieces of exactly the budget, the rest last, then decodes a token an iteration")
    func chunks() throws {
        let plan = EnginePlan(tokenBudget: 2048)
        var driver = try EngineDriver([Job(id: 1, arrival: 0, prompt: 10_000, output: 4)], plan: plan, blocks: 1000)
        driver.run()
        #expect(driver.iterations.map { $0.chunks.map(\.tokens) } == [[2048], [2048], [2048], [2048], [1808], [1], [1], [1]])
    }

    @Test("gives decoding requests their tokens first and a waiting prompt what is left of the budget")
    func mixing() throws {
        let jobs = [Job(id: 1, arrival: 0, prompt: 100, output: 4), Job(id: 2, arrival: 1, prompt: 150, output: 1)]
        var driver = try EngineDriver(jobs, plan: EnginePlan(tokenBudget: 100), blocks: 1000)
        driver.run()
        let expected: [[(Int64, Int32)]] = [[(1, 100)], [(1, 1), (2, 99)], [(1, 1), (2, 51)], [(1, 1)]]
        #expect(driver.iterations.count == expected.count)
        for (iteration, chunks) in zip(driver.iterations, expected) { #expect(iteration.chunks.elementsEqual(chunks, by: ==)) }
    }

    @Test("runs whole prompts alone where they may not be cut, even above the budget, and before decoding")
    func wholePrompts() throws {
        let jobs = [
            Job(id: 1, arrival: 0, prompt: 60, output: 2), Job(id: 2, arrival: 0, prompt: 40, output: 1),
            Job(id: 3, arrival: 0, prompt: 300, output: 1),
        ]
        var driver = try EngineDriver(jobs, plan: EnginePlan(tokenBudget: 100, chunkedPrefill: false), blocks: 1000)
        driver.run()
        let expected: [[(Int64, Int32)]] = [[(1, 60), (2, 40)], [(3, 300)], [(1, 1)]]
        #expect(driver.iterations.count == expected.count)
        for (iteration, chunks) in zip(driver.iterations, expected) { #expect(iteration.chunks.elementsEqual(chunks, by: ==)) }
    }

    /// Four requests of 16 tokens on eight blocks of 8: when all need a third block, two of them must go.
    @Test("preempts the lowest priority first, and of equals the latest arrival; the cache is computed again")
    func preemption() throws {
        let jobs = [
            Job(id: 1, arrival: 0, prompt: 16, output: 9, priority: 1), Job(id: 2, arrival: 0, prompt: 16, output: 9, priority: 0),
            Job(id: 3, arrival: 0, prompt: 16, output: 9, priority: 0), Job(id: 4, arrival: 0, prompt: 16, output: 9, priority: 1),
        ]
        var driver = try EngineDriver(jobs, plan: EnginePlan(blockSize: 8), blocks: 8)
        driver.run()
        #expect(driver.violations.isEmpty, "\(driver.violations)")
        // In the order of urgency: 2, 3, 1, 4. First tokens for all; the second one needs the third block: 4 gives its two to 2
        // and 3; then 1 finds none and gives up its own.
        #expect(driver.iterations[0].chunks.map(\.id) == [2, 3, 1, 4])
        #expect(driver.iterations[1].chunks.map(\.id) == [2, 3])
        #expect(driver.iterations[1].preemptions == 2)
        #expect(driver.done == [2, 3, 1, 4])
        // Both start again: with the prompt and the token that they had produced.
        let again = driver.iterations.dropFirst().flatMap(\.chunks).filter { $0.tokens > 1 }
        #expect(again.map(\.id) == [1, 4])
        #expect(again.map(\.tokens) == [17, 17])
        #expect(driver.engine.preemptions == 2)
    }

    @Test("a request that grows alone is never preempted, however tight its memory")
    func alone() throws {
        var driver = try EngineDriver([Job(id: 1, arrival: 0, prompt: 20, output: 44)], plan: EnginePlan(blockSize: 8), blocks: 8)
        driver.run()
        #expect(driver.done == [1])
        #expect(driver.engine.preemptions == 0)
        #expect(driver.engine.pool.peak == 8)
    }

    @Test("goes on with the requests that wait when the only one that runs gives up its blocks")
    func yielding() throws {
        var driver = try EngineDriver([], plan: EnginePlan(blockSize: 8), blocks: 8)
        // As at a decode worker: blocks are held for a cache on its way, one request waits, another runs into the wall.
        let isHeld = driver.engine.pool.take(5)
        func request(_ id: Int64, prompt: Int32) -> Assignment {
            Assignment(id: id, stream: 0, promptTokens: prompt, outputTokens: 30, priority: 0, arrival: id)
        }
        driver.engine.enqueue(driver.engine.requests.insert(EngineRequest(request(1, prompt: 20), phase: .waiting)))
        var second = EngineRequest(request(2, prompt: 20), phase: .running)
        second.computed = 24
        second.generated = 5
        second.blocks = 3
        let isTaken = driver.engine.pool.take(3)
        #expect(isHeld && isTaken)
        let slot = driver.engine.requests.insert(second)
        driver.engine.join(slot)
        let started = driver.engine.startIteration(at: 0)
        let place = try #require(started)
        #expect(driver.engine.ring[place].chunks.map { driver.engine.requests[$0.slot].request.id } == [1])
        #expect(driver.engine.ring[place].preemptions == 1)
    }

    @Test("overlaps iterations in its pipeline stages: each stage takes an equal share, entered in order")
    func pipeline() throws {
        let jobs = (1...4).map { Job(id: Int64($0), arrival: 0, prompt: 512, output: 1) }
        let plan = EnginePlan(tokenBudget: 512)
        var single = try EngineDriver(jobs, plan: plan, blocks: 1000, stages: 1)
        var staged = try EngineDriver(jobs, plan: plan, blocks: 1000, stages: 4)
        single.run()
        staged.run()
        let time = staged.iterations[0].end
        // Whole nanoseconds: each stage rounds its share down.
        for (place, iteration) in staged.iterations.enumerated() {
            #expect(abs(iteration.start - Instant(place) * time / 4) <= 4)
            #expect(abs(iteration.end - iteration.start - time) <= 4)
        }
        let makespan = try #require(staged.iterations.last).end
        #expect(abs(makespan - time * 7 / 4) <= 8)
        #expect(single.iterations.last?.end == single.iterations[0].end * 4)
    }
}
