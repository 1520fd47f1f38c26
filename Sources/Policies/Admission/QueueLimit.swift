import Quantities

/// A request is refused while as many wait as may: a bounded queue.
///
/// Source: `--max-queued-requests` of SGLang; `max_pending_requests` of HTTP proxies such as Envoy. Counts the requests that wait at the workers that take new
/// ones, on their way there, or at the controller, against `requests` for each worker. Load reports are as old as they are, so the queues themselves may be
/// longer by what came meanwhile.
///
/// Guarantee: the wait of an admitted request is at most the time that `requests` of the longest requests take a worker, if routing keeps queues
/// even. None on which requests are refused: it is who comes at a bad time. Cost O(workers).
public struct QueueLimit: AdmissionPolicy {
    public static let description = PolicyDescription(
        name: "queue-limit", summary: "a request is refused while as many wait as may",
        source: "SGLang --max-queued-requests; Envoy circuit breakers",
        parameters: [ParameterDescription("requests", defaultValue: 64, range: 1...1_000_000, summary: "requests that may wait for each worker")])

    private let requests: Int64

    public init(parameters: PolicyParameters, firstTokenBound: Nanoseconds?) { requests = Int64(parameters["requests"]) }

    public mutating func admits(_ request: RequestView, to cluster: ClusterView) -> Bool {
        let waiting = cluster.entry.reduce(cluster.heldRequests) { $0 + $1.waitingRequests + $1.unseenRequests }
        return waiting < requests * Int64(cluster.entry.count)
    }
}
