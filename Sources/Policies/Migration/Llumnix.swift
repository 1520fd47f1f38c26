import Quantities

/// Requests move from the workers with the least freeness to those with the most.
///
/// Source: Llumnix (OSDI 24), Algorithm 1. Freeness is `(M - sum of virtual usages) / B`, in blocks for each running request: how many blocks each can
/// grow by before the memory is full. The virtual usage of a running request is what it holds; that of the request at the head of the queue is what it
/// demands, so that a worker which is free in pieces only looks full and balancing frees room for it (de-fragmentation); that of others that wait is 0. The
/// urgent requests of a worker share a `headroom`. Workers below `low` are sources, those above `high` are targets; the lowest is paired with the
/// highest.
///
/// The thresholds are the project's own choice: the paper does not print those for migration, and scales between 10 and 60. Load reports are as old as
/// they are, and a source may have freed memory meanwhile. No guarantee. Cost O(workers log workers).
public struct Llumnix: MigrationPolicy {
    public static let description = PolicyDescription(
        name: "llumnix", summary: "from the workers with the least freeness to those with the most, by virtual usage",
        source: "Llumnix (OSDI 24), Algorithm 1",
        parameters: [
            ParameterDescription(
                "low", unit: "blocks", defaultValue: 10, range: -1e6...1e6, summary: "workers with a freeness below are sources"),
            ParameterDescription("high", unit: "blocks", defaultValue: 30, range: -1e6...1e6, summary: "workers with a freeness above are targets"),
            ParameterDescription(
                "headroom", unit: "blocks", defaultValue: 100, range: 0...1e6, summary: "what the urgent requests of a worker have for themselves"),
            ParameterDescription(
                "stages", defaultValue: 3, range: 0...100, summary: "stages of copying before the one that a request stops for; 0: stop and copy"),
        ])

    private let low: Double
    private let high: Double
    private let headroom: Int64
    public let stages: Int32

    public init(parameters: PolicyParameters) {
        low = parameters["low"]
        high = parameters["high"]
        headroom = Int64(parameters["headroom"])
        stages = Int32(parameters["stages"])
    }

    /// Blocks for each request of the batch that nobody has a claim to; negative where more is claimed than there is.
    public func freeness(_ worker: WorkerView) -> Double {
        let usage = worker.expectedBlocks + worker.headBlocks + (worker.urgentRequests > 0 ? headroom : 0)
        return Double(worker.totalBlocks - usage) / Double(max(1, worker.runningRequests + worker.unseenRequests))
    }

    public mutating func pairs(among workers: [WorkerView]) -> [MigrationPair] {
        let freeness = workers.map { self.freeness($0) }
        // Nothing is gained where the only request of a worker changes places.
        let sources = workers.indices.filter { freeness[$0] < low && !workers[$0].isMigrating && workers[$0].runningRequests > 1 }
            .sorted { (freeness[$0], $0) < (freeness[$1], $1) }
        let targets = workers.indices.filter { freeness[$0] > high }.sorted { (-freeness[$0], $0) < (-freeness[$1], $1) }
        // With limits that overlap a worker may be among both: a request never moves to where there is less.
        return zip(sources, targets).filter { freeness[$0] < freeness[$1] }.map { MigrationPair(source: $0, target: $1) }
    }
}
