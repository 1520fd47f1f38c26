import Quantities

/// The worker that is expected to be done first with what it has, the request included.
///
/// Source: least work left (Harchol-Balter, Performance Modeling and Design of Computing Systems, 2013, chapter 24), with work as SMetric in the vLLM router
/// counts it: tokens. Work in seconds: prompt tokens still to be computed over the worker's prompt rate, and where outputs are produced the predicted
/// tokens still to come over its decode rate (`WorkerTraits`). Assumes rates that do not depend on the batch, and predictions that are right.
///
/// Guarantee: for servers that work first come, first served at these rates, with right predictions and current loads, it is the same as one common
/// queue, whose mean delay no rule that does not look at lengths beats for equal servers. Batches and stale reports take that away. Cost O(workers).
public struct LeastWork: RoutingPolicy {
    public static let description = PolicyDescription(
        name: "least-work", aliases: ["lwl"], summary: "the worker that is expected to be done first with what it has",
        source: "least work left, Harchol-Balter 2013", needsPrediction: true)

    public init(parameters: PolicyParameters, random: RandomStream) {}

    public mutating func choose(for request: RequestView, among workers: [WorkerView]) -> Int {
        var best = 0
        var least = Double.infinity
        for index in workers.indices {
            let work = Self.seconds(of: workers[index], with: request)
            if work < least { (best, least) = (index, work) }
        }
        return best
    }

    /// Work at a worker, with a request that would come, in seconds.
    static func seconds(of worker: WorkerView, with request: RequestView) -> Double {
        var seconds = 0.0
        if worker.traits.prefills {
            let tokens = worker.waitingTokens + worker.unseenTokens + Int64(request.promptTokens)
            seconds += Double(tokens) / Double(max(worker.traits.prefillRate, 1))
        }
        if worker.traits.decodes {
            let tokens = worker.predictedTokens + worker.unseenPredicted + request.predictedLeft
            seconds += Double(tokens) / Double(max(worker.traits.decodeRate, 1))
        }
        return seconds
    }
}
