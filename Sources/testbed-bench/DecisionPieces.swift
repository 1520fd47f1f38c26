import Policies
import Quantities

/// Times of routing decisions by policy: one request among 64 workers, and for policies that decide on several, 256 requests.
///
/// Loads are those of decode workers at work, prompts 10 to 6,000 tokens; `bf-io` is to stay below 10 ms.
struct DecisionPieces {
    let rounds: Int

    private static let workers = 64
    private static let waiting = 256

    /// Name, and microseconds of the median decision and of the slowest.
    func measure() -> [(name: String, microseconds: Double)] {
        var found: [(String, Double)] = []
        for policy in RoutingRegistry.descriptions {
            if let times = times(PolicyChoice(policy.name), slots: nil) {
                found.append(("\(policy.name), 1 request, 64 workers", Measure.median(times)))
            }
        }
        for (name, horizon) in [("bf-io", 0.0), ("bf-io", 40), ("balance-route", 0), ("balance-route", 80)] {
            for slots in [1, 2, 4] {
                guard let times = times(PolicyChoice(name, parameters: ["horizon": horizon]), slots: slots) else { continue }
                let what = "\(name), horizon \(Int(horizon)), 256 requests, \(slots * Self.workers) slots"
                found.append((what, Measure.median(times)))
                found.append((what + ", slowest of \(rounds)", times.max() ?? .nan))
            }
        }
        return found
    }

    private func times(_ choice: PolicyChoice, slots: Int?) -> [Double]? {
        var random = RandomStream(seed: 1, stream: 1)
        guard var policy = RoutingRegistry.make(choice, random: random) else { return nil }
        var sum = 0
        let times = (0..<rounds).map { _ in
            let workers = (0..<Self.workers).map { worker($0, &random) }
            let waiting = (0..<(slots == nil ? 1 : Self.waiting)).map { id in
                RequestView(
                    id: Int64(id), promptTokens: Int32(10 + random.below(5_990)), priority: 0,
                    prediction: Prediction(exactly: Int32(1 + random.below(500))))
            }
            return Measure.time {
                if let slots, var batch = policy as? any BatchRoutingPolicy {
                    sum += batch.assign(waiting, to: workers, slots: Array(repeating: slots, count: Self.workers)).count
                } else {
                    sum += policy.choose(for: waiting[0], among: workers)
                }
            } * 1e6
        }
        return sum < 0 ? nil : times
    }

    private func worker(_ node: Int, _ random: inout RandomStream) -> WorkerView {
        var view = WorkerView(totalBlocks: 60_000, blockSize: 16, traits: WorkerTraits(node: Int32(node)))
        view.runningRequests = 40
        view.endingRequests = (0..<WorkerView.endingClasses).map { _ in Int64(random.below(8)) }
        view.endingTokens = view.endingRequests.map { $0 * Int64(500 + random.below(3_000)) }
        view.contextTokens = view.endingTokens.reduce(0, +)
        view.usedBlocks = view.contextTokens / 16
        return view
    }
}
