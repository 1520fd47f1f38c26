import Quantities

/// Placement, and if wanted refusal, by dual prices of the workers' compute, places and caches.
///
/// Source: Li, Sun and Ye 2020 ("Simple and fast algorithm for binary integer and online linear programming"), a subgradient step on the dual for each
/// request; its use for serving: 2607.03948. The linear programme: maximise the sum of rewards, at most one worker for each request, and for each
/// worker and resource no more than there is. Resources of a worker, each in seconds of the worker that a request takes of it:
///
///     compute  prompt tokens / prompt rate                                  where it computes prompts
///     places   o x round / places of a batch                                where it produces outputs, o predicted, round the time of an iteration
///     cache    (s o + o^2 / 2) x round / tokens of cache                    the area under its memory
///
/// Rule: a price for each worker and resource. The request goes where its seconds times the prices are least, and is refused if that is more than
/// its reward (`reward`; 0: never refused). Then every price moves by `step` x (seconds taken - seconds passed since the last decision), and not below 0:
/// in a second a worker gives a second of each of its resources.
///
/// Guarantee of the source: expected regret O(m sqrt n) for n independent, equally distributed requests and m resources used up once, with
/// step 1 / sqrt n. It does not cover what is done here: resources come back with time, so the step is constant and a price is `step` times the
/// work that has piled up (drift plus penalty): backlogs stay below reward / (step x seconds of a request) where it may refuse. Cost O(workers).
public struct OnlineLP: RoutingPolicy {
    public static let description = PolicyDescription(
        name: "online-lp", aliases: ["dual-price"], summary: "placement and refusal by dual prices of compute, places and caches",
        source: "Li, Sun and Ye 2020; 2607.03948",
        parameters: [
            ParameterDescription("step", defaultValue: 0.1, range: 0.000001...1000, summary: "how far a price moves for a second of work"),
            ParameterDescription(
                "reward", defaultValue: 0, range: 0...1_000_000_000, summary: "worth of a request, in prices times seconds; 0: never refuse"),
        ], needsPrediction: true)

    /// Seconds of each resource, or their prices.
    struct Resources: Sendable, Equatable {
        var compute = 0.0
        var places = 0.0
        var cache = 0.0

        /// What these seconds cost at these prices.
        func cost(at prices: Resources) -> Double { compute * prices.compute + places * prices.places + cache * prices.cache }
    }

    private let step: Double
    private let reward: Double
    /// By the workers' own numbers.
    private(set) var prices: [Resources] = []
    private var last: Instant = 0

    public init(parameters: PolicyParameters, random: RandomStream) {
        step = parameters["step"]
        reward = parameters["reward"]
    }

    public mutating func choose(for request: RequestView, among workers: [WorkerView]) -> Int {
        pass(to: request.now, workers)
        let choice = best(for: request, among: workers).place
        let taken = Self.seconds(of: workers[choice], for: request)
        let place = Self.place(of: workers[choice])
        prices[place].compute += step * taken.compute
        prices[place].places += step * taken.places
        prices[place].cache += step * taken.cache
        return choice
    }

    public mutating func refuses(_ request: RequestView, among workers: [WorkerView]) -> Bool {
        guard reward > 0 else { return false }
        pass(to: request.now, workers)
        return best(for: request, among: workers).cost >= reward
    }

    private func best(for request: RequestView, among workers: [WorkerView]) -> (place: Int, cost: Double) {
        var best = 0
        var least = Double.infinity
        for index in workers.indices {
            let cost = Self.seconds(of: workers[index], for: request).cost(at: prices[Self.place(of: workers[index])])
            // Where prices are equal, as they are at 0, the shorter queue wins.
            if cost < least || cost == least && workers[index].queueLength < workers[best].queueLength { (best, least) = (index, cost) }
        }
        return (best, least)
    }

    /// Time gives every worker its seconds back.
    private mutating func pass(to now: Instant, _ workers: [WorkerView]) {
        for worker in workers { while prices.count <= Self.place(of: worker) { prices.append(Resources()) } }
        let given = step * Quantities.seconds(max(now - last, 0))
        last = max(last, now)
        guard given > 0 else { return }
        for place in prices.indices {
            prices[place].compute = max(0, prices[place].compute - given)
            prices[place].places = max(0, prices[place].places - given)
            prices[place].cache = max(0, prices[place].cache - given)
        }
    }

    /// What a request takes of a worker.
    static func seconds(of worker: WorkerView, for request: RequestView) -> Resources {
        var taken = Resources()
        let prompt = Double(request.promptTokens)
        if worker.traits.prefills { taken.compute = prompt / Double(max(worker.traits.prefillRate, 1)) }
        guard worker.traits.decodes else { return taken }
        let output = Double(request.predictedLeft)
        let round = Quantities.seconds(worker.traits.roundTime)
        taken.places = output * round / Double(max(worker.traits.places, 1))
        taken.cache = (prompt * output + output * output / 2) * round / Double(max(worker.totalBlocks, 1)) / Double(max(worker.blockSize, 1))
        return taken
    }

    private static func place(of worker: WorkerView) -> Int { Int(min(max(worker.traits.node, 0), 1 << 16)) }

    public func decisionTime(waiting: Int, workers: Int) -> Nanoseconds { 700 + 12 * Nanoseconds(workers) }
}
