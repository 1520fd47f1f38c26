import Quantities

/// The copy of a cache that another worker computes.
struct Replica: Sendable {
    let id: Int64
    let stream: Int32
    let source: Int32
    var tokens: Int32
    var blocks: Int64
}

/// Copies take what nobody else needs: they give way to the worker's own requests, the oldest first.
extension Engine {
    /// Blocks that copies hold.
    var replicaBlocks: Int64 { replicas.isEmpty ? 0 : replicas.reduce(0) { $0 + $1.blocks } }

    /// Takes `count` blocks, from copies if it must, or none and answers `false`.
    @inline(__always)
    mutating func take(_ count: Int64) -> Bool {
        if pool.take(count) { return true }
        return !replicas.isEmpty && takeFromReplicas(count)
    }

    private mutating func takeFromReplicas(_ count: Int64) -> Bool {
        guard pool.free + replicaBlocks >= count else { return false }
        while !pool.take(count) { pool.give(replicas.removeFirst().blocks) }
        return true
    }

    /// Adds tokens to a copy. One that has a gap, or for which there is no room, stays as it is.
    mutating func keepReplica(id: Int64, stream: Int32, source: Int32, from: Int32, tokens: Int32) {
        let place = replicas.firstIndex { $0.id == id && $0.stream == stream && $0.source == source }
        let held = place.map { replicas[$0] } ?? Replica(id: id, stream: stream, source: source, tokens: 0, blocks: 0)
        let blocks = pool.blocks(for: Int64(tokens)) - held.blocks
        guard from <= held.tokens, tokens > held.tokens, pool.take(max(0, blocks)) else { return }
        guard let place else {
            replicas.append(Replica(id: id, stream: stream, source: source, tokens: tokens, blocks: blocks))
            return
        }
        replicas[place].tokens = tokens
        replicas[place].blocks += max(0, blocks)
    }

    mutating func dropReplica(id: Int64, stream: Int32, source: Int32) {
        guard let place = replicas.firstIndex(where: { $0.id == id && $0.stream == stream && $0.source == source }) else { return }
        pool.give(replicas.remove(at: place).blocks)
    }

    /// The copy of a request's cache, whose blocks are the caller's from now on.
    mutating func takeReplica(id: Int64, source: Int32) -> Replica? {
        replicas.lastIndex { $0.id == id && $0.source == source }.map { replicas.remove(at: $0) }
    }

    /// Nothing runs, and what waits has blocks that others need: it computes its cache from the start.
    mutating func shedWaiting(except slot: Int32) -> Bool {
        var isAny = false
        for place in 0..<waiting.count where waiting[place].slot != slot && requests[waiting[place].slot].blocks > 0 {
            let other = waiting[place].slot
            waitingTokens += Int64(requests[other].computed)
            requests[other].computed = 0
            freeBlocks(of: other)
            isAny = true
        }
        return isAny
    }
}
