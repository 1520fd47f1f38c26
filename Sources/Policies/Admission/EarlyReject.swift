import Quantities

/// A request is refused when it is not expected to get its first token in time.
///
/// Source: early rejection of Mooncake (2407.00079, section 6; FAST 25). Expects the first token after the prompt tokens that wait at the least loaded worker, the
/// request's own, and its share of what the controller holds, at the worker's prompt rate (`WorkerTraits`). Refuses if that is more than `slack` times the
/// objective's bound, or if no decode worker has less than `decode-load` of its cache in use: a request that could not be decoded wastes its prefill. The load of
/// decode workers is that of now and not of when the prefill ends, which lets admissions swing (Mooncake's figure 9).
///
/// Guarantee: with exact rates, current reports and workers that serve first come, first served, no admitted request misses `slack` times the bound. Unlike
/// `queue-limit` it refuses long prompts first. Cost O(workers).
public struct EarlyReject: AdmissionPolicy {
    public static let description = PolicyDescription(
        name: "slo-early-reject", aliases: ["early-reject"], summary: "a request is refused when its first token is not expected in time",
        source: "Mooncake, FAST 25",
        parameters: [
            ParameterDescription("slack", defaultValue: 1, range: 0.01...1000, summary: "expected over allowed time to the first token"),
            ParameterDescription("decode-load", defaultValue: 1, range: 0.01...1, summary: "share of the cache of decode workers that may be in use"),
        ])
    public static let needsFirstTokenBound = true

    private let limit: Double
    private let decodeLoad: Double

    public init(parameters: PolicyParameters, firstTokenBound: Nanoseconds?) {
        limit = parameters["slack"] * seconds(firstTokenBound ?? .never)
        decodeLoad = parameters["decode-load"]
    }

    public mutating func admits(_ request: RequestView, to cluster: ClusterView) -> Bool {
        let rates = cluster.entry.reduce(0.0) { $0 + Double(max($1.traits.prefillRate, 1)) }
        let held = Double(cluster.heldTokens) / max(rates, 1)
        let least = cluster.entry.reduce(Double.infinity) { least, worker in
            let tokens = worker.waitingTokens + worker.unseenTokens + Int64(request.promptTokens)
            return min(least, Double(tokens) / Double(max(worker.traits.prefillRate, 1)))
        }
        guard least + held <= limit else { return false }
        return cluster.decode.isEmpty || cluster.decode.contains { Double($0.expectedBlocks) < decodeLoad * Double($0.totalBlocks) }
    }
}
