import Cluster
import Models
import Quantities
import TestKit
import Testing

@testable import Nodes

@Suite("Workers")
struct WorkerTests {
    /// Cache memory for so many tokens.
    private func memory(_ tokens: Int) -> ByteCount { ByteCount(tokens) * testModel.cacheBytesPerToken }

    @Test("a request that fits the length limit to the token is served, one token more is rejected", arguments: [0, 1])
    func lengthLimit(excess: Int) throws {
        let pools = [testPool(.prefill, engine: EnginePlan(maxModelLength: 1000)), testPool(.decode)]
        let run = runInProcess(testPlan(pools, prompt: 900, output: 100 + excess))
        let row = try #require(run.records.requestRows.first)
        #expect(row.status == (excess == 0 ? "done" : "rejected"))
        #expect(row.outputTokens == (excess == 0 ? 100 : 0))
        #expect(run.client.done + run.client.rejected == 1)
    }

    @Test("a prompt longer than the memory of any worker is rejected, not waited for")
    func memoryLimit() {
        let small = EnginePlan(kvMemory: memory(512))
        let run = runInProcess(testPlan([testPool(.prefill), testPool(.decode, engine: small)], requests: 3, prompt: 600))
        #expect(run.client.rejected == 3)
        #expect(run.client.done == 0)
        #expect(run.workers.allSatisfy { $0.iterations == 0 })
    }

    /// Room for two prompts at the prefill worker and for one request at the decode worker: the fourth prompt can start only when
    /// the first request is done, the second one's cache is pulled and the third one's prompt has taken its place.
    @Test("prefill blocks stay taken until the cache is pulled: a full decode worker holds prompts up")
    func backPressure() throws {
        let pools = [
            testPool(.prefill, engine: EnginePlan(kvMemory: memory(2016))), testPool(.decode, engine: EnginePlan(kvMemory: memory(1200))),
        ]
        let run = runInProcess(testPlan(pools, arrivals: .constant(rate: 1e6), requests: 4, prompt: 1000, output: 200))
        let rows = run.records.requestRows.sorted { $0.id < $1.id }
        try #require(rows.count == 4)
        let control = LinkPlan().control.latency
        // Tokens take longer to the user than the release takes to the prefill worker, by a control latency at the most.
        #expect(rows[3].prefillStart > rows[0].finish - control)
        #expect(rows[2].prefillStart < rows[0].finish)
        let iterations = run.records.iterationRows.filter { $0.node == "prefill-0" }
        #expect(iterations.allSatisfy { $0.blocks <= $0.totalBlocks })
        // While the second and the third wait for their pulls, nothing runs.
        #expect(iterations.map(\.requests) == [1, 1, 1, 1] || iterations.map(\.requests) == [2, 1, 1])
        #expect(run.workers.allSatisfy { $0.blocksAtEnd == 0 })
    }

    @Test("preemption at a decode worker costs prompts again: prefill tokens appear in its iterations, as many as were lost")
    func recomputation() {
        let pools = [testPool(.prefill), testPool(.decode, engine: EnginePlan(kvMemory: memory(2048)))]
        let run = runInProcess(testPlan(pools, arrivals: .constant(rate: 1000), requests: 8, prompt: 400, output: 200))
        let decode = run.records.iterationRows.filter { $0.node == "decode-0" }
        let preemptions = run.records.requestRows.reduce(0) { $0 + $1.preemptions }
        #expect(preemptions > 0)
        #expect(decode.reduce(0) { $0 + $1.preemptions } == preemptions)
        let again = decode.reduce(0) { $0 + $1.prefillTokens }
        // Each time between the prompt with one token and the prompt with all but the last.
        #expect(again >= preemptions * 401 && again <= preemptions * 599)
        #expect(run.client.done == 8)
        #expect(run.client.outputTokens == 1600)
    }

    @Test("a decode worker without memory pressure computes nothing but one token of each request an iteration")
    func decodeOnly() {
        let run = runInProcess(testPlan([testPool(.prefill), testPool(.decode)], arrivals: .constant(rate: 200), requests: 20, output: 30))
        let decode = run.records.iterationRows.filter { $0.node == "decode-0" }
        #expect(decode.allSatisfy { $0.prefillTokens == 0 && $0.decodeTokens == $0.requests })
        #expect(decode.reduce(0) { $0 + $1.decodeTokens } == 20 * 29)
        let prefill = run.records.iterationRows.filter { $0.node == "prefill-0" }
        #expect(prefill.reduce(0) { $0 + $1.prefillTokens } == 20 * 1000)
        #expect(prefill.allSatisfy { $0.decodeTokens == 0 })
    }

    @Test("tokens reach the user in order and once, even when the first one is overtaken on a slow front-end network")
    func overtaking() {
        var links = LinkPlan()
        links.control.bandwidth = 100_000
        // Load reports at every event fill the prefill worker's way to the front end, but not the decode workers'.
        let engine = EnginePlan(transfer: .layerwise, reportInterval: 1_000)
        let plan = testPlan(
            [testPool(.prefill, engine: engine), testPool(.decode, count: 4, engine: EnginePlan(transfer: .layerwise))], links: links,
            arrivals: .closedLoop(concurrency: 24, think: 0), requests: 96, prompt: 20, output: 3)
        let run = runInProcess(plan)
        #expect(run.client.done == 96)
        #expect(run.client.missingTokens == 0)
        #expect(run.client.duplicatedTokens == 0)
        #expect(run.client.outputTokens == 96 * 3)
        for row in run.records.requestRows { #expect(row.firstToken >= row.arrival && row.finish >= row.firstToken) }
        #expect(run.records.requestRows.contains { $0.firstToken == $0.finish }, "no first token was overtaken")
    }
}
