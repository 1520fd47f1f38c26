import Quantities

/// The worker that served the session before, unless the group is out of balance; new sessions go to the shortest queue.
///
/// Source: the `sticky` policies and the thresholds of `cache_aware` in the vLLM and SGLang routers (defaults: 32 requests and 1.1 times). Assumes
/// that a session's earlier turns are still in its worker's cache, which the router does not hear of.
///
/// Rule: if the longest queue is longer than the shortest by more than `gap` requests and by more than `ratio` times, the request goes to the
/// shortest queue, and its session moves there; else to its session's worker. The `sessions` seen last are remembered, up to twice as many.
/// No guarantee: one session that floods its worker stays until the thresholds are passed. Cost O(workers).
public struct SessionAffinity: RoutingPolicy {
    public static let description = PolicyDescription(
        name: "session-affinity", aliases: ["sticky"], summary: "the worker that served the session before, unless the group is out of balance",
        source: "vLLM and SGLang routers",
        parameters: [
            ParameterDescription("gap", defaultValue: 32, range: 0...1_000_000, summary: "requests by which queues may differ"),
            ParameterDescription("ratio", defaultValue: 1.1, range: 1...1000, summary: "times by which queues may differ"),
            ParameterDescription("sessions", defaultValue: 100_000, range: 1...10_000_000, summary: "sessions remembered at least"),
        ])

    private let gap: Int64
    private let ratio: Double
    private let limit: Int
    /// By session, its worker's own number: of the sessions seen last, and of those seen before them. The older half is forgotten as a whole when the
    /// newer one is full, which costs no order among them.
    private var recent: [Int64: Int32] = [:]
    private var older: [Int64: Int32] = [:]

    public init(parameters: PolicyParameters, random: RandomStream) {
        gap = Int64(parameters["gap"])
        ratio = parameters["ratio"]
        limit = Int(parameters["sessions"])
    }

    public mutating func choose(for request: RequestView, among workers: [WorkerView]) -> Int {
        var (shortest, longest) = (0, 0)
        for index in workers.indices.dropFirst() {
            if workers[index].queueLength < workers[shortest].queueLength { shortest = index }
            if workers[index].queueLength > workers[longest].queueLength { longest = index }
        }
        let (least, most) = (workers[shortest].queueLength, workers[longest].queueLength)
        let isUneven = most - least > gap && Double(most) > ratio * Double(least)
        var choice = shortest
        if !isUneven, let home = recent[request.session] ?? older[request.session],
            let index = workers.firstIndex(where: { $0.traits.node == home })
        {
            choice = index
        }
        remember(request.session, workers[choice].traits.node)
        return choice
    }

    private mutating func remember(_ session: Int64, _ node: Int32) {
        if recent.count >= limit, recent[session] == nil {
            older = recent
            recent = [:]
        }
        recent[session] = node
    }

    public func decisionTime(waiting: Int, workers: Int) -> Nanoseconds { 700 + 6 * Nanoseconds(workers) }
}
