import Cluster
import Policies
import Quantities
import Records
import TestKit
import Testing

@testable import Nodes

@Suite("A controller with requests that wait, admission and decision cost")
struct ControllerBatchTests {
    private struct Harness {
        var controller: Controller
        var effects = Effects(records: RecordBuffers())

        init(routing: String, workers: Int, engine: EnginePlan, admission: PolicyChoice = PolicyChoice("none"), cost: DecisionCost = .free) throws {
            let plan = testPlan([testPool(.colocated, count: workers, engine: engine)])
            let shape = WorkerShape(plan.pools[0], of: plan)
            let layout = ClusterLayout(plan)
            func make(_ name: String) throws -> any RoutingPolicy {
                try #require(RoutingRegistry.make(PolicyChoice(name), random: RandomStream(seed: 1, stream: 1)))
            }
            controller = Controller(
                entry: (0..<workers).map { (Int32(2 + $0), shape) }, decode: [], routing: try make(routing), decodeRouting: try make("least-kv"),
                admission: admission.name == "none" ? nil : AdmissionRegistry.make(admission, firstTokenBound: nil), nodes: 2 + workers,
                watch: WorkerWatch(plan, layout, table: FaultTable(nodes: layout.nodes.count), born: 0), decisionCost: cost)
        }

        /// What the controller assigns, and how long after the event it leaves.
        mutating func handle(_ message: Message, from source: Int32, at time: Instant = 0) -> [Int64] {
            effects.sends.removeAll()
            controller.handle(
                Envelope(source: source, sequence: 0, sent: time, head: time, tail: time, bytes: 128, link: 3, isBulk: false, message: message),
                at: time, &effects)
            return effects.sends.compactMap { send in if case .assign(let request) = send.message { request.id } else { nil } }
        }

        mutating func submit(_ id: Int64, prompt: Int32 = 100, at time: Instant = 0) -> [Int64] {
            handle(
                .submit(Assignment(id: id, stream: 0, promptTokens: prompt, outputTokens: 10, priority: 0, arrival: time)), from: 0, at: time)
        }

        var rejections: Int { effects.sends.count { if case .rejected = $0.message { true } else { false } } }
    }

    private static let batched = ["bf-io", "balance-route"]

    @Test("requests wait while no place is free, and leave when a report says that one is", arguments: batched)
    func lateBinding(policy: String) throws {
        var harness = try Harness(routing: policy, workers: 2, engine: EnginePlan(maxBatch: 2))
        var sent: [Int64] = []
        for id in Int64(0)..<7 { sent += harness.submit(id) }
        #expect(sent == [0, 1, 2, 3])
        var load = LoadReport()
        load.receivedRequests = 2
        load.receivedTokens = 200
        load.runningRequests = 1
        #expect(harness.handle(.status(load), from: 2) == [4])
        // The same again says nothing new: what was sent since is on its way.
        #expect(harness.handle(.status(load), from: 2) == [])
        load.receivedRequests = 3
        load.receivedTokens = 300
        load.runningRequests = 0
        #expect(harness.handle(.status(load), from: 2) == [5, 6])
    }

    @Test("places of ranks are given away together, when the reports of an iteration's end have come", arguments: batched)
    func gathering(policy: String) throws {
        var harness = try Harness(routing: policy, workers: 2, engine: EnginePlan(maxBatch: 2))
        harness.controller.entry.gatheringTime = 1_000
        for id in Int64(0)..<6 { _ = harness.submit(id) }
        var load = LoadReport()
        load.receivedRequests = 2
        load.receivedTokens = 200
        load.runningRequests = 1
        #expect(harness.handle(.status(load), from: 2, at: 5_000) == [])
        #expect(harness.handle(.status(load), from: 3, at: 5_300) == [])
        // Nor does one that comes meanwhile get in before.
        #expect(harness.submit(6, at: 5_400) == [])
        #expect(harness.effects.timers[.decision] == 6_000)
        for channel in [Channel.assign, .place, .stream] {
            #expect(harness.controller.earliestSend(on: channel, harness.effects.timers) == 6_000)
        }
        harness.effects.sends.removeAll()
        harness.controller.handle(.decision, at: 6_000, &harness.effects)
        let assigned = harness.effects.sends.filter { if case .assign = $0.message { true } else { false } }
        #expect(assigned.map(\.target).sorted() == [2, 3])
        #expect(harness.effects.timers[.decision] == .never)
    }

    @Test("requests wait while the cache has no room for one of mean length", arguments: batched)
    func memory(policy: String) throws {
        // Room for 1,000 tokens.
        var harness = try Harness(
            routing: policy, workers: 1, engine: EnginePlan(kvMemory: testModel.cacheBytesPerToken * 1008, maxModelLength: 900))
        var sent: [Int64] = []
        for id in Int64(0)..<4 { sent += harness.submit(id, prompt: 400) }
        #expect(sent == [0, 1])
        var load = LoadReport()
        load.receivedRequests = 2
        load.receivedTokens = 800
        load.usedBlocks = 27
        #expect(harness.handle(.status(load), from: 2) == [2])
    }

    @Test("decisions of a fixed cost are made one after the other, and what they decide leaves then", arguments: ["round-robin", "bf-io"])
    func fixedCost(policy: String) throws {
        var harness = try Harness(routing: policy, workers: 2, engine: EnginePlan(), cost: .fixed(1_000))
        _ = harness.submit(0, at: 10_000)
        #expect(harness.effects.delay == 1_000)
        _ = harness.submit(1, at: 10_200)
        #expect(harness.effects.delay == 1_800)
        _ = harness.submit(2, at: 20_000)
        #expect(harness.effects.delay == 1_000)
        #expect(harness.handle(.status(LoadReport()), from: 2, at: 30_000) == [])
        #expect(harness.effects.delay == 0)
    }

    @Test("a request that is not admitted goes back to the client, and takes nothing")
    func admission() throws {
        var harness = try Harness(
            routing: "join-shortest-queue", workers: 2, engine: EnginePlan(), admission: PolicyChoice("queue-limit", parameters: ["requests": 2]))
        var sent: [Int64] = []
        for id in Int64(0)..<4 { sent += harness.submit(id) }
        #expect(harness.submit(4) == [])
        #expect(harness.rejections == 1)
        #expect(sent == [0, 1, 2, 3])
        var load = LoadReport()
        load.receivedRequests = 2
        load.receivedTokens = 200
        _ = harness.handle(.status(load), from: 2)
        #expect(harness.submit(5) == [5])
    }

    @Test("a scheduling decision lengthens the iteration before which requests waited")
    func schedulingCost() throws {
        func iterations(_ cost: DecisionCost) -> [IterationRecord] {
            var plan = testPlan([testPool(.colocated)], requests: 1, prompt: 1000, output: 3)
            plan.decisionCost = cost
            return runInProcess(plan).records.iterationRows
        }
        let (free, charged) = (iterations(.free), iterations(.fixed(7_000)))
        try #require(free.count == 3 && charged.count == 3)
        let longer = zip(free, charged).map { ($1.end - $1.start) - ($0.end - $0.start) }
        #expect(longer == [7_000, 0, 0])
        // The routing decision came before.
        #expect(charged[0].start == free[0].start + 7_000)
    }
}
