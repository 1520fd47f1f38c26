import Quantities

/// The worker that follows the session's hash on a ring, unless it has far more requests than the mean: consistent hashing with bounded loads.
///
/// Source: Karger et al. 1997; Mirrokni, Thorup and Zadimoghaddam 2018 (1608.01350); `consistent_hash` of the vLLM router (160 places a worker).
/// Assumes that requests of a session share their beginnings, so that one worker serves them best.
///
/// Rule: each worker has `replicas` places on the ring. From the session's hash on, the first worker takes the request that has fewer than
/// `load` x (requests in the group, this one included) / workers, rounded up. With `load` 0 there is no bound.
///
/// Guarantee: without the bound a worker that joins n others takes an expected 1 / (n + 1) of the sessions, and no session moves between two old
/// ones; a worker that leaves moves its own sessions only. With it no worker has more than the bound, as far as the controller sees loads, and the
/// expected number of sessions that move with a change of members is O(1 / (load - 1)^2) times that. Cost O(log(replicas x workers)), O(workers) for
/// the bound, and O(replicas x workers x log) when members change.
public struct ConsistentHash: RoutingPolicy {
    public static let description = PolicyDescription(
        name: "consistent-hash", aliases: ["hash"], summary: "the worker that follows the session's hash on a ring, with a bound on its load",
        source: "Karger et al. 1997; Mirrokni et al. 2018; vLLM router",
        parameters: [
            ParameterDescription("replicas", defaultValue: 160, range: 1...4096, summary: "places of a worker on the ring"),
            ParameterDescription("load", defaultValue: 1.25, range: 0...1000, summary: "most requests of a worker over the mean; 0: no bound"),
        ])

    /// A worker's place on the ring.
    private struct Point {
        var hash: UInt64
        var worker: Int32
    }

    private let replicas: Int
    private let load: Double
    private var members: [Int32] = []
    private var ring: [Point] = []

    public init(parameters: PolicyParameters, random: RandomStream) {
        replicas = Int(parameters["replicas"])
        load = parameters["load"]
    }

    public mutating func choose(for request: RequestView, among workers: [WorkerView]) -> Int {
        if members.count != workers.count || !members.indices.allSatisfy({ members[$0] == workers[$0].traits.node }) { build(workers) }
        let start = place(after: Self.mix(UInt64(bitPattern: request.session)))
        guard load > 0 else { return Int(ring[start].worker) }
        let total = workers.reduce(Int64(1)) { $0 + max($1.queueLength, 0) }
        // With a bound below the mean nobody may be below it: then the mean is the bound.
        let bound = Int64((max(load, 1) * Double(total) / Double(workers.count)).rounded(.up))
        for step in ring.indices {
            let worker = Int(ring[(start + step) % ring.count].worker)
            if workers[worker].queueLength < bound { return worker }
        }
        return Int(ring[start].worker)
    }

    private mutating func build(_ workers: [WorkerView]) {
        members = workers.map(\.traits.node)
        ring.removeAll(keepingCapacity: true)
        for (index, worker) in workers.enumerated() {
            var hash = Self.mix(UInt64(UInt32(bitPattern: worker.traits.node)) &+ 0x5851_f42d_4c95_7f2d)
            for _ in 0..<replicas {
                hash = Self.mix(hash)
                ring.append(Point(hash: hash, worker: Int32(index)))
            }
        }
        ring.sort { $0.hash != $1.hash ? $0.hash < $1.hash : $0.worker < $1.worker }
    }

    /// The first place on the ring at a hash or after it.
    private func place(after hash: UInt64) -> Int {
        var (low, high) = (0, ring.count)
        while low < high {
            let middle = (low + high) / 2
            if ring[middle].hash < hash { low = middle + 1 } else { high = middle }
        }
        return low == ring.count ? 0 : low
    }

    /// Spreads a word over 64 bits (the finaliser of SplitMix64, Steele, Lea and Flood 2014).
    private static func mix(_ word: UInt64) -> UInt64 {
        var word = word &+ 0x9e37_79b9_7f4a_7c15
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }

    public func decisionTime(waiting: Int, workers: Int) -> Nanoseconds { 800 + 6 * Nanoseconds(workers) }
}
