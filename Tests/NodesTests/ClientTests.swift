import Cluster
import Quantities
import Records
import TestKit
import Testing
import Workload

@testable import Nodes

@Suite("The client")
struct ClientTests {
    private func makeClient(requests: Int = 2, output: Int = 5) -> (Client, Effects) {
        let plan = testPlan([testPool(.colocated)], arrivals: .constant(rate: 1000), requests: requests, output: output)
        var client = Client(names: ["client", "controller", "a", "b"], plan: plan, source: GeneratedRequests(plan.workload, seed: 1))
        var effects = Effects(records: RecordBuffers())
        client.start(&effects)
        while client.nextArrival < .never { client.handle(.arrival, at: client.nextArrival, &effects) }
        return (client, effects)
    }

    private func milestone(_ id: Int64, stream: Int32, _ index: Int32, isLast: Bool = false, decodeNode: Int32 = -1) -> Message {
        .milestone(
            Milestone(
                id: id, stream: stream, index: index, isLast: isLast, prefillNode: 2, decodeNode: decodeNode, prefillStart: 100, preemptions: 0,
                kvTransfer: 0))
    }

    private func tokens(_ id: Int64, stream: Int32, _ indices: ClosedRange<Int32>) -> Message {
        .tokens(indices.map { StreamToken(id: id, stream: stream, index: $0) })
    }

    @Test("records a request from its first to its last token")
    func whole() throws {
        var (client, effects) = makeClient()
        client.handle(milestone(0, stream: 0, 0), at: 2_000_000, &effects)
        client.handle(tokens(0, stream: 0, 1...3), at: 3_000_000, &effects)
        client.handle(milestone(0, stream: 0, 4, isLast: true, decodeNode: 3), at: 4_000_000, &effects)
        #expect(client.statistics.done == 1)
        #expect(client.statistics.outputTokens == 5)
        #expect(client.open == 1)
        let row = String(decoding: effects.records.requests.bytes, as: UTF8.self)
        #expect(row == "0,0.001000000,1000,5,a,b,0.000000100,0.002000000,0.004000000,done,0,0,0,0.000000000\n")
    }

    @Test("counts tokens that come twice, that are left out, and that nobody asked for")
    func account() {
        var (client, effects) = makeClient()
        client.handle(milestone(0, stream: 0, 0), at: 2_000_000, &effects)
        client.handle(milestone(0, stream: 0, 0), at: 2_000_001, &effects)
        #expect(client.statistics.duplicatedTokens == 1)
        client.handle(tokens(0, stream: 0, 3...3), at: 3_000_000, &effects)
        #expect(client.statistics.missingTokens == 2)
        for wild in [(7, 0), (0, 1), (0, -1), (0, Int32.max), (0, .min)] as [(Int64, Int32)] {
            client.handle(tokens(wild.0, stream: wild.1, 1...1), at: 3_000_000, &effects)
            client.handle(milestone(wild.0, stream: wild.1, 0, isLast: true), at: 3_000_000, &effects)
            client.handle(.rejected(id: wild.0, stream: wild.1), at: 3_000_000, &effects)
        }
        #expect(client.statistics.done == 0)
        #expect(client.statistics.rejected == 0)
        #expect(client.open == 2)
    }

    @Test("holds tokens back that overtake the first one, the end of the answer too")
    func overtaken() throws {
        var (client, effects) = makeClient()
        client.handle(tokens(0, stream: 0, 1...3), at: 2_000_000, &effects)
        client.handle(milestone(0, stream: 0, 4, isLast: true, decodeNode: 3), at: 3_000_000, &effects)
        #expect(client.statistics.done == 0)
        #expect(client.statistics.outputTokens == 0)
        client.handle(milestone(0, stream: 0, 0), at: 4_000_000, &effects)
        #expect(client.statistics.done == 1)
        #expect(client.statistics.outputTokens == 5)
        #expect(client.statistics.missingTokens == 0)
        #expect(client.statistics.duplicatedTokens == 0)
        let row = String(decoding: effects.records.requests.bytes, as: UTF8.self)
        #expect(row.contains(",0.004000000,0.004000000,done,"))
    }

    @Test("a closed loop keeps its number of users and their thinking time")
    func closedLoop() {
        let think: Nanoseconds = 30_000_000
        let run = runInProcess(testPlan([testPool(.colocated)], arrivals: .closedLoop(concurrency: 3, think: think), requests: 12))
        let rows = run.records.requestRows.sorted { $0.arrival < $1.arrival }
        #expect(rows.count == 12)
        #expect(rows.prefix(3).allSatisfy { $0.arrival == 0 })
        // Each later arrival follows the end of a request by the thinking time.
        let ends = rows.map { $0.finish + think }.sorted()
        #expect(rows.dropFirst(3).map(\.arrival) == Array(ends.prefix(9)))
    }
}

extension Client {
    /// A message that a worker sent just now.
    fileprivate mutating func handle(_ message: Message, at now: Instant, _ effects: inout Effects) {
        handle(
            Envelope(source: 2, sequence: 0, sent: now, head: now, tail: now, bytes: 1, link: 3, isBulk: false, message: message), at: now, &effects)
    }
}
