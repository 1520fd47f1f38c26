import Policies
import Quantities

/// A stream of the test's own.
func stream(_ number: UInt64) -> RandomStream { RandomStream(seed: number, stream: 99) }

/// Workers with loads drawn at random.
func randomWorkers(_ count: Int, _ random: inout RandomStream) -> [WorkerView] {
    (0..<count).map { node in
        // A power of two, so that a share of it is exact as a floating-point number.
        var view = WorkerView(totalBlocks: 1 << (4 + random.below(12)), blockSize: Int64([1, 8, 16, 128][random.below(4)]))
        view.traits.node = Int32(node)
        view.traits.prefillRate = Int64(5_000 + random.below(3) * 5_000)
        view.contextTokens = Int64(random.below(500_000))
        view.predictedTokens = Int64(random.below(50_000))
        if random.below(2) == 0 {
            view.endingRequests = (0..<WorkerView.endingClasses).map { _ in Int64(random.below(5)) }
            view.endingTokens = view.endingRequests.map { $0 * Int64(random.below(4_000)) }
        }
        view.reportedAt = Instant(random.below(1_000_000))
        view.waitingRequests = Int64(random.below(20))
        view.runningRequests = Int64(random.below(20))
        view.waitingTokens = Int64(random.below(100_000))
        view.usedBlocks = Int64(random.below(Int(view.totalBlocks) + 1))
        view.unseenRequests = Int64(random.below(5))
        view.unseenTokens = Int64(random.below(3000))
        return view
    }
}

/// A request drawn at random.
func randomRequest(_ id: Int64, _ random: inout RandomStream) -> RequestView {
    RequestView(
        id: id, promptTokens: Int32(1 + random.below(8000)), priority: Int32(random.below(5) - 2),
        prediction: random.below(4) == 0 ? .unknown : Prediction(exactly: Int32(1 + random.below(2000))))
}

/// Idle workers.
func idleWorkers(_ count: Int) -> [WorkerView] {
    (0..<count).map { WorkerView(totalBlocks: 100, blockSize: 16, traits: WorkerTraits(node: Int32($0))) }
}

/// A routing policy by name.
func router(_ name: String, _ parameters: [String: Double] = [:], seed: UInt64 = 1) throws -> any RoutingPolicy {
    guard let policy = RoutingRegistry.make(PolicyChoice(name, parameters: parameters), random: stream(seed)) else { throw UnknownPolicy(name: name) }
    return policy
}

struct UnknownPolicy: Error { var name: String }
