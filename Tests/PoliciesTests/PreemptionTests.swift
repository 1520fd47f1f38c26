import Policies
import Quantities
import Testing

@Suite("What is done before a worker ends")
struct PreemptionTests {
    private func policy(_ parameters: [String: Double] = [:]) throws -> any PreemptionPolicy {
        try #require(PreemptionRegistry.make(PolicyChoice("spotserve", parameters: parameters), random: stream(1)))
    }

    private func refuge(places: Int64, nearness: Int64, bandwidth: BytesPerSecond = 1_000_000_000) -> Refuge {
        Refuge(WorkerView(totalBlocks: 1_000_000, blockSize: 1, traits: WorkerTraits(places: places)), nearness: nearness, bandwidth: bandwidth)
    }

    private func view(_ requests: [DepartingRequest], _ refuges: [Refuge], grace: Nanoseconds = 30_000_000_000) -> DepartureView {
        DepartureView(now: 5, deadline: 5 + grace, requests: requests, refuges: refuges)
    }

    /// Bytes times links that they cross.
    private func crossed(_ plan: DeparturePlan, _ view: DepartureView) -> Int64 {
        plan.moves.reduce(0) { $0 + view.requests[$1.request].cacheBytes * (2 - view.refuges[$1.refuge].nearness) }
    }

    @Test("matched places cross no more links than any other assignment, nor than places in order or at random", arguments: 0..<50)
    func matching(_ number: UInt64) throws {
        var random = stream(number)
        let requests = (0..<(1 + random.below(5))).map { _ in
            DepartingRequest(cacheBytes: Int64(1 + random.below(1_000_000)), tokens: 10, produced: Int64(random.below(5)))
        }
        var refuges = (0..<(1 + random.below(4))).map { _ in refuge(places: Int64(random.below(3)), nearness: Int64(random.below(3))) }
        refuges.append(refuge(places: 5, nearness: 0))
        let view = view(requests, refuges)
        var matched = try policy()
        let plan = matched.plan(view)
        #expect(plan.moves.count == requests.count)
        var left = refuges.map { $0.worker.slots(forRequestsOf: 10) }
        for move in plan.moves { left[move.refuge] -= 1 }
        #expect(left.allSatisfy { $0 >= 0 })
        #expect(crossed(plan, view) == least(view, 0, refuges.map { $0.worker.slots(forRequestsOf: 10) }))
        for other in [1.0, 2] {
            var policy = try policy(["matching": other])
            #expect(crossed(policy.plan(view), view) >= crossed(plan, view))
        }
    }

    private func least(_ view: DepartureView, _ request: Int, _ room: [Int]) -> Int64 {
        guard request < view.requests.count else { return 0 }
        var least = Int64.max
        for refuge in room.indices where room[refuge] > 0 {
            var rest = room
            rest[refuge] -= 1
            let cost = view.requests[request].cacheBytes * (2 - view.refuges[refuge].nearness)
            least = min(least, cost + self.least(view, request + 1, rest))
        }
        return least
    }

    @Test("with less room than requests those with most progress are moved, in the order of their progress")
    func progress() throws {
        let requests = [3, 9, 1, 7].map { DepartingRequest(cacheBytes: 100, tokens: 10, produced: $0) }
        var policy = try policy()
        #expect(policy.plan(view(requests, [refuge(places: 2, nearness: 0)])).moves.map(\.request) == [1, 3])
        #expect(policy.plan(view(requests, [])).moves.isEmpty)
    }

    @Test("as many caches are moved as the link passes in the grace period, beginning as late as they can")
    func timing() throws {
        // A second each.
        let requests = (0..<5).map { DepartingRequest(cacheBytes: 1_000_000_000, tokens: 10, produced: 100 - Int64($0)) }
        var policy = try policy(["margin": 0.5])
        let plan = policy.plan(view(requests, [refuge(places: 9, nearness: 0)], grace: 3_600_000_000))
        #expect(plan.moves.map(\.request) == [0, 1, 2])
        #expect(abs(plan.start - (5 + 3_600_000_000 - 500_000_000 - 3_000_000_000)) < 100)
        // Caches on the host's own links travel beside those on the card.
        let both = policy.plan(view(requests, [refuge(places: 2, nearness: 2), refuge(places: 9, nearness: 0)], grace: 3_600_000_000))
        #expect(both.moves.count == 5)
    }
}

@Suite("How many workers serve")
struct ScalingTests {
    private func policy(_ name: String, _ parameters: [String: Double] = [:]) throws -> any ScalingPolicy {
        try #require(ScalingRegistry.make(PolicyChoice(name, parameters: parameters)))
    }

    private func worker(waiting: Int64 = 0, running: Int64, context: Int64 = 0) -> WorkerView {
        var view = WorkerView(totalBlocks: 1000, blockSize: 10)
        (view.waitingRequests, view.runningRequests, view.contextTokens) = (waiting, running, context)
        return view
    }

    private func steps(_ policy: inout any ScalingPolicy, seconds: [Double], _ serving: [WorkerView], starting: Int = 0) -> [ScalingStep] {
        seconds.map { policy.step(ScalingView(now: Instant($0 * 1e9), serving: serving, starting: starting)) }
    }

    @Test("thresholds step after the load has been so for the hold, and once in a hold")
    func threshold() throws {
        var policy = try policy("threshold", ["up": 10, "down": 2, "hold": 5])
        #expect(steps(&policy, seconds: [0, 4, 5, 6, 9, 10], [worker(running: 11)]) == [.same, .same, .more, .same, .same, .more])
        #expect(steps(&policy, seconds: [11, 16], [worker(running: 11)], starting: 1) == [.same, .same])
        #expect(steps(&policy, seconds: [20, 25], [worker(running: 1)]) == [.same, .fewer])
        #expect(steps(&policy, seconds: [26, 40], [worker(running: 5)]) == [.same, .same])
    }

    @Test("freeness is the iterations that the free cache lasts for, below 0 where more waits than fits")
    func freeness() throws {
        // 10,000 tokens of cache.
        for (context, running, step) in [(9_900, 20, ScalingStep.more), (11_000, 20, .more), (9_000, 20, .same), (8_000, 20, .fewer)] {
            var policy = try policy("freeness", ["hold": 0])
            #expect(steps(&policy, seconds: [1], [worker(running: Int64(running), context: Int64(context))]) == [step], "\(context)")
        }
    }

    @Test("square-root staffing wants R + beta sqrt(R) workers")
    func queueing() throws {
        // 72 requests, 8 a worker: R = 9, so 12 with beta = 1.
        for (workers, step) in [(11, ScalingStep.more), (12, .same), (13, .fewer)] {
            var policy = try policy("queueing", ["hold": 0, "window": 0.001])
            let views = (0..<workers).map { worker(running: $0 == 0 ? 72 : 0) }
            #expect(steps(&policy, seconds: [1, 2], views)[1] == step, "\(workers)")
        }
    }

    @Test("none never steps")
    func none() throws {
        var policy = try policy("none")
        #expect(steps(&policy, seconds: [1, 100], [worker(waiting: 1000, running: 1000)]) == [.same, .same])
    }
}
