import Cluster
import Policies
import Quantities
import Records
import TestKit
import Testing

@testable import Nodes

@Suite("The controller")
struct ControllerTests {
    private struct Harness {
        var controller: Controller
        var effects = Effects(records: RecordBuffers())

        init(prefill: Int, decode: Int, transfer: TransferMode = .afterPrefill) throws {
            let shape = WorkerShape(testPool(.prefill, engine: EnginePlan(transfer: transfer)), of: testPlan([]))
            func make(_ name: String) throws -> any RoutingPolicy {
                try #require(RoutingRegistry.make(PolicyChoice(name), random: RandomStream(seed: 1, stream: 1)))
            }
            let plan = testPlan([testPool(.prefill, count: prefill), testPool(.decode, count: max(1, decode))])
            let layout = ClusterLayout(plan)
            controller = Controller(
                entry: (0..<prefill).map { (Int32(2 + $0), shape) }, decode: (0..<decode).map { (Int32(2 + prefill + $0), shape) },
                routing: try make("join-shortest-queue"), decodeRouting: try make("least-kv"), nodes: 2 + prefill + decode,
                watch: WorkerWatch(plan, layout, table: FaultTable(nodes: layout.nodes.count), born: 0))
        }

        mutating func handle(_ message: Message, from source: Int32, at time: Instant = 0) -> [Effects.Send] {
            effects.sends.removeAll()
            let envelope = Envelope(
                source: source, sequence: 0, sent: time, head: time, tail: time, bytes: 128, link: 3, isBulk: false, message: message)
            controller.handle(envelope, at: time, &effects)
            return effects.sends.filter { if case .routed = $0.message { false } else { true } }
        }

        /// Where a request goes.
        mutating func route(_ id: Int64) -> Int32 {
            handle(.submit(request(id)), from: 0).last?.target ?? -1
        }

        func request(_ id: Int64, prompt: Int32 = 100) -> Assignment {
            Assignment(id: id, stream: 0, promptTokens: prompt, outputTokens: 10, priority: 0, arrival: 0)
        }
    }

    @Test("counts what it has sent and no report covers, so that silence does not pile requests on one worker")
    func silence() throws {
        var harness = try Harness(prefill: 3, decode: 1)
        #expect((0..<9).map { harness.route($0) } == [2, 3, 4, 2, 3, 4, 2, 3, 4])
    }

    @Test("believes a report about what had arrived by then, and counts the rest on top")
    func reports() throws {
        var harness = try Harness(prefill: 2, decode: 1)
        for id in 0..<Int64(6) { _ = harness.route(id) }
        // Worker 2 has received two of its three requests and is done with them: one is on its way.
        var load = LoadReport()
        load.receivedRequests = 2
        load.receivedTokens = 200
        #expect(harness.handle(.status(load), from: 2).isEmpty)
        // Worker 3 still counts for three: the next two go to 2, which then has as many.
        #expect([harness.route(6), harness.route(7), harness.route(8)] == [2, 2, 2])
        #expect(harness.route(9) == 3)
    }

    @Test("bears reports that nobody can have sent", arguments: [Int64.max, -1, .min, 1 << 50])
    func wildReports(number: Int64) throws {
        var harness = try Harness(prefill: 2, decode: 2)
        var load = LoadReport()
        load.receivedRequests = number
        load.receivedTokens = number
        load.usedBlocks = 1 << 30
        for source in [2, 4, 0, 99, -1] as [Int32] { _ = harness.handle(.status(load), from: source) }
        let targets = (0..<20).map { harness.route($0) }
        #expect(targets.allSatisfy { $0 == 2 || $0 == 3 })
        let placement = Placement(request: harness.request(1), prefillNode: 2, prefillSlot: 0)
        for _ in 0..<20 { #expect(harness.handle(.prefilled(placement), from: 2).map(\.target).allSatisfy { $0 == 4 || $0 == 5 }) }
    }

    @Test("tells the decode worker first where caches are pushed by layers, and the prefill worker whom to push to")
    func layerwise() throws {
        var harness = try Harness(prefill: 1, decode: 1, transfer: .layerwise)
        let sends = harness.handle(.submit(harness.request(1)), from: 0)
        #expect(sends.map(\.target) == [3, 2])
        guard case .place(let placement) = sends[0].message, case .assign(let request) = sends[1].message else {
            Issue.record("expected a placement and an assignment")
            return
        }
        #expect(placement.prefillNode == 2 && placement.prefillSlot == -1)
        #expect(request.decodeNode == 3)
    }

    @Test("rejects what no worker can hold, to the client")
    func rejection() throws {
        var harness = try Harness(prefill: 1, decode: 1)
        let sends = harness.handle(.submit(harness.request(5, prompt: 8190)), from: 0)
        #expect(sends.map(\.target) == [0])
        #expect(sends.first?.message == .rejected(id: 5, stream: 0))
    }
}
