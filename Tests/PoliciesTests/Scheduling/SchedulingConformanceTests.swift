import Policies
import Quantities
import Testing

/// A scheduling policy by name.
func scheduler(_ name: String, _ parameters: [String: Double] = [:]) throws -> any SchedulingPolicy {
    try #require(SchedulingRegistry.make(PolicyChoice(name, parameters: parameters), random: stream(5)))
}

/// What a policy decided before an iteration.
struct Decision: Equatable {
    var orders = RunningOrders()
    var admitted: [Int64] = []
}

extension SchedulingPolicy {
    /// Its decision for a queue, whose ranks it gives, and a batch, as an engine would ask for it.
    mutating func decide(_ requests: [QueuedRequest], _ engine: EngineView) -> Decision {
        var decision = Decision()
        var queue = WaitingQueue()
        for var request in requests {
            request.rank = rank(of: request)
            queue.insert(request)
        }
        manage(queue, engine, &decision.orders)
        var rest = engine
        rest.running.removeAll { decision.orders.evicted.contains($0.slot) }
        for request in engine.running where decision.orders.evicted.contains(request.slot) { rest.freeBlocks += Int64(request.blocks) }
        var admitted: [QueuedRequest] = []
        if !queue.isEmpty { admit(from: queue, rest, into: &admitted) }
        decision.admitted = admitted.map(\.id)
        return decision
    }
}

/// A batch with its memory, drawn at random.
func randomEngine(_ random: inout RandomStream, requests: Int) -> EngineView {
    let blockSize = Int64([1, 8, 16][random.below(3)])
    var view = EngineView(
        now: 1_000, blockSize: blockSize, freeBlocks: 0, totalBlocks: 0, tokenBudget: [64, 2048][random.below(2)], maxBatch: 8 + random.below(40),
        cutsPrompts: random.below(3) > 0, growsCaches: random.below(4) > 0)
    for number in 0..<min(requests, view.maxBatch) {
        let (prompt, generated) = (Int32(1 + random.below(300)), Int32(random.below(100)))
        let tokens = prompt + generated
        view.running.append(
            RunningRequest(
                slot: Int32(1_000 + number), id: Int64(1_000 + number), priority: Int32(random.below(3)), arrival: Instant(number), tokens: tokens,
                computed: tokens - 1, generated: generated, blocks: Int32(view.blocks(for: tokens - 1)),
                prediction: Prediction(exactly: generated + Int32(1 + random.below(200))), firstExpected: Int32(1 + random.below(300)),
                isEvictable: random.below(5) > 0))
    }
    view.running.sort { ($0.priority, $0.arrival) < ($1.priority, $1.arrival) }
    let used = view.running.reduce(0) { $0 + Int64($1.blocks) }
    view.freeBlocks = Int64(random.below(600)) / blockSize
    view.totalBlocks = used + view.freeBlocks + Int64(random.below(20))
    return view
}

@Suite("Every scheduling policy")
struct SchedulingConformanceTests {
    static let descriptions = SchedulingRegistry.descriptions

    @Test("orders what can be done: for those that run or wait, once each, at the ends of its parameters too", arguments: descriptions)
    func validOrders(description: PolicyDescription) throws {
        var choices: [[String: Double]] = [[:]]
        for parameter in description.parameters {
            choices += [[parameter.name: parameter.range.lowerBound], [parameter.name: parameter.range.upperBound]]
        }
        for choice in choices {
            var random = stream(4)
            var policy = try scheduler(description.name, choice)
            var problems: [String] = []
            for _ in 0..<120 {
                let engine = randomEngine(&random, requests: random.below(30))
                let requests = (0..<random.below(30)).map { randomQueued(Int64($0), &random) }
                problems += Self.problems(of: policy.decide(requests, engine), requests, engine)
                if !engine.running.isEmpty { problems += engine.running.indices.contains(policy.victim(among: engine.running)) ? [] : ["no victim"] }
            }
            #expect(problems.isEmpty, "\(choice): \(problems.prefix(3))")
        }
    }

    private static func problems(of decision: Decision, _ requests: [QueuedRequest], _ engine: EngineView) -> [String] {
        var found: [String] = []
        func check(_ holds: Bool, _ text: String) { if !holds { found.append(text) } }
        let evictable = Set(engine.running.filter(\.isEvictable).map(\.slot))
        check(evictable.isSuperset(of: decision.orders.evicted), "evicts who cannot be")
        check(Set(engine.running.map(\.slot)).isSuperset(of: decision.orders.paused), "pauses who does not run")
        check(Set(requests.map(\.id)).isSuperset(of: decision.admitted), "admits who does not wait")
        for list in [decision.orders.evicted.map(Int64.init), decision.orders.paused.map(Int64.init), decision.admitted] {
            check(Set(list).count == list.count, "names one twice")
        }
        check(decision.admitted.count <= engine.freePlaces + decision.orders.evicted.count, "admits more than there are places")
        check(decision.orders.decidesAgain > engine.now, "decides again at once")
        return found
    }

    @Test("decides the same under the same seed, and as with its defaults spelt out", arguments: descriptions)
    func determinism(description: PolicyDescription) throws {
        func decisions(_ parameters: [String: Double]) throws -> [Decision] {
            var random = stream(6)
            var policy = try scheduler(description.name, parameters)
            return (0..<60).map { _ in
                let engine = randomEngine(&random, requests: random.below(30))
                return policy.decide((0..<random.below(30)).map { randomQueued(Int64($0), &random) }, engine)
            }
        }
        let spelt = Dictionary(uniqueKeysWithValues: description.parameters.map { ($0.name, $0.defaultValue) })
        #expect(try decisions([:]) == decisions([:]))
        #expect(try decisions([:]) == decisions(spelt))
    }

    @Test("asks only for what its traits say", arguments: descriptions.map(\.name))
    func traits(name: String) throws {
        var random = stream(7)
        var policy = try scheduler(name)
        let traits = type(of: policy).traits
        for _ in 0..<60 {
            let engine = randomEngine(&random, requests: 20)
            let requests = (0..<20).map { randomQueued(Int64($0), &random) }
            if !traits.contains(.ranks) { #expect(requests.allSatisfy { policy.rank(of: $0) == 0 }) }
            let decision = policy.decide(requests, engine)
            if !traits.contains(.manages) { #expect(decision.orders == RunningOrders()) }
            if !traits.contains(.admits) { #expect(decision.admitted.count == min(20, engine.freePlaces + decision.orders.evicted.count)) }
            if !traits.contains(.choosesVictims) { #expect(policy.victim(among: engine.running) == engine.running.count - 1) }
        }
    }
}
