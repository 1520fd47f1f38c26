import Bounds
import Models
import Policies
import Quantities

/// Where the tokens of a rank go: the gate picks experts, the balancing policy places them and chooses among replicas.
///
/// Every rank has its own, and where a decision is made for all ranks they all come to the same one.
struct ExpertRouter {
    private let shape: GangShape
    private let shared: RouterCommons
    private var policy: any BalancePolicy
    private(set) var placements: [ExpertPlacement]
    /// By layer, where a token goes once to each host; else empty.
    private var reaches: [ExpertReach]
    /// Picks of this rank by layer and expert since the last plan; empty where no plan is ever made anew.
    private(set) var counters: [Int64]
    /// Policies that ask for the tokens of all ranks, and what their decision takes.
    var isGlobal: Bool { shared.isGlobal }
    var decisionTime: Nanoseconds { shared.decisionTime }
    private var counts: [Int32] = []
    private var slots: [Int32] = []

    /// One micro-batch of a rank in a layer.
    struct Batch {
        var layer: Int
        var number: Int64
        var rank: Int
        var tokens: Int64
        var start: Instant
    }

    /// `nil` when the policy cannot serve the gang, which a checked plan never has.
    init?(_ shape: GangShape, rank: Int, seed: UInt64) {
        guard let start = RouterCommons(shape, seed: seed) else { return nil }
        self.init(shape, rank: rank, seed: seed, start)
    }

    /// - Parameter start: from where the ranks begin; of this rank alone unless it `mayBeShared`.
    init?(_ shape: GangShape, rank: Int, seed: UInt64, _ start: RouterCommons) {
        self.shape = shape
        shared = start
        placements = start.placements
        reaches = start.reaches
        policy = start.planner
        if !start.isGlobal, rank > 0 {
            guard let own = Self.policy(shape, rank: rank, seed: seed) else { return nil }
            policy = own
        }
        counters = start.countsPicks ? [Int64](repeating: 0, count: shape.layers * shape.fleet.experts) : []
    }

    /// The gang's policy with the random stream of a rank; `nil` when it cannot serve the gang.
    static func policy(_ shape: GangShape, rank: Int, seed: UInt64) -> (any BalancePolicy)? {
        let random = RandomStream(seed: seed, stream: RandomPurpose.balancing(pool: shape.gang.pool, rank: rank))
        return BalanceRegistry.make(shape.mixture.balance.policy, fleet: shape.fleet, random: random) { SimplexSolver.values($0) }
    }

    /// Tokens of a rank by expert, where a policy decides for all, else by slot; behind those by slot, where a token goes once to each host, the tokens
    /// that reach each host and rank.
    /// - Returns: picks that were dropped.
    mutating func route(_ batch: Batch, into numbers: inout [Int32]) -> Int {
        if shared.isFused {
            let dropped = shared.gate.route(
                layer: batch.layer, batch: batch.number, rank: batch.rank, tokens: Int(batch.tokens), at: batch.start, into: &numbers)
            numbers.withUnsafeMutableBufferPointer {
                shared.shares[batch.layer].divide($0)
                tighten($0, batch)
            }
            return dropped
        }
        if isGlobal { return pick(batch, into: &numbers) }
        // Taken out, so that there is one owner.
        var counts: [Int32] = []
        swap(&counts, &self.counts)
        let dropped = pick(batch, into: &counts)
        if reaches.isEmpty {
            split(layer: batch.layer, counts: counts, into: &numbers)
        } else {
            splitWithReach(batch, counts, into: &numbers)
        }
        swap(&counts, &self.counts)
        return dropped
    }

    /// Numbers by slot, and those of tokens that reach hosts and ranks behind them: the gate's where it has them, else what is expected.
    private mutating func splitWithReach(_ batch: Batch, _ counts: [Int32], into numbers: inout [Int32]) {
        let experts = shape.fleet.experts
        split(layer: batch.layer, counts: Array(counts[0..<experts]), into: &numbers)
        if shared.gateReaches {
            numbers.append(contentsOf: counts[experts...])
            numbers.withUnsafeMutableBufferPointer { tighten($0, batch) }
        } else {
            reaches[batch.layer].expect(bySlot: &numbers, topK: shape.topK, tokens: Int(batch.tokens))
        }
    }

    /// Numbers of tokens that reach hosts and ranks within what those by slot allow, where replicas have parts of an expert's tokens.
    private func tighten(_ numbers: UnsafeMutableBufferPointer<Int32>, _ batch: Batch) {
        guard !reaches.isEmpty, reaches[batch.layer].hasReplicas else { return }
        reaches[batch.layer].tighten(numbers, tokens: Int(batch.tokens))
    }

    /// The same for all batches of the rank in some layers, in bytes.
    private func tighten(_ layers: Range<Int>, _ batches: [Batch], _ rows: UnsafeMutableRawBufferPointer) {
        let bytes = rows.bindMemory(to: UInt8.self)
        let width = bytes.count / (layers.count * batches.count)
        var start = 0
        for layer in layers {
            for batch in batches {
                let row = UnsafeMutableBufferPointer(rebasing: bytes[start..<start + width])
                if reaches[layer].hasReplicas { reaches[layer].tighten(row, tokens: Int(batch.tokens)) }
                start += width
            }
        }
    }

    /// Tokens of all batches of the rank in some layers, packed.
    /// - Parameters:
    ///   - batches: by micro-batch.
    ///   - rows: of all layers, for each the micro-batches side by side.
    ///   - width: bytes of each number, enough for the batches' tokens.
    mutating func route(layers: Range<Int>, _ batches: [Batch], into rows: UnsafeMutableRawBufferPointer, width: Int) -> Int {
        guard let first = batches.first, rows.count > 0, !layers.isEmpty else { return 0 }
        if let shares = shared.layerShares, width == 1 {
            let dropped = shared.gate.route(
                layers: layers, batches: batches.map { Gate.Batch(number: $0.number, tokens: Int($0.tokens)) }, rank: first.rank, at: first.start,
                into: rows)
            shares.divide(layers, of: rows, count: batches.count)
            if !reaches.isEmpty { tighten(layers, batches, rows) }
            return dropped
        }
        var slots: [Int32] = []
        swap(&slots, &self.slots)
        let stride = rows.count / (layers.count * batches.count)
        var (dropped, row) = (0, rows.baseAddress)
        for layer in layers {
            for var batch in batches {
                batch.layer = layer
                dropped += route(batch, into: &slots)
                slots.withUnsafeBufferPointer { PackedCounts.write($0, width: width, to: row, at: 0) }
                row = row.map { $0 + stride }
            }
        }
        swap(&slots, &self.slots)
        return dropped
    }

    /// Tokens of a rank by expert.
    private mutating func pick(_ batch: Batch, into counts: inout [Int32]) -> Int {
        let dropped = shared.gate.route(
            layer: batch.layer, batch: batch.number, rank: batch.rank, tokens: Int(batch.tokens), at: batch.start, into: &counts)
        if !counters.isEmpty {
            let base = batch.layer * shape.fleet.experts
            for expert in 0..<shape.fleet.experts { counters[base + expert] += Int64(counts[expert]) }
        }
        return dropped
    }

    /// What the rank counted since it was last asked.
    mutating func takeCounters() -> [Int64] {
        defer { for place in counters.indices { counters[place] = 0 } }
        return counters
    }

    /// Moves the gate's bias by what all ranks counted in an iteration.
    mutating func updateBias(_ counters: [Int64]) {
        let experts = shape.fleet.experts
        guard counters.count == shape.layers * experts else { return }
        for layer in 0..<shape.layers { shared.gate.updateBias(layer: layer, loads: (0..<experts).map { Int(counters[layer * experts + $0]) }) }
    }

    /// Tokens by slot, for tokens by expert: of this rank, or of all ranks where the policy decides for all.
    mutating func split(layer: Int, counts: [Int32], into slots: inout [Int32]) {
        policy.split(layer: layer, counts: counts, placement: placements[layer], into: &slots)
    }

    /// The part of one rank's tokens in each slot, where `slots` is the decision on the tokens of all ranks: in proportion to it, each rank rounded
    /// from where those before it ended, so that the parts of all ranks add up to the decision.
    /// - Parameters:
    ///   - before: tokens by expert of the ranks before this one.
    ///   - tokens: of the rank. Where each goes once to each host, those that are expected to reach hosts and ranks stand behind the slots.
    func share(layer: Int, counts: [Int32], before: [Int32], of slots: [Int32], tokens: Int64, into part: inout [Int32]) {
        defer { if !reaches.isEmpty { reaches[layer].expect(bySlot: &part, topK: shape.topK, tokens: Int(tokens)) } }
        let placement = placements[layer]
        part.reset(count: slots.count)
        for expert in counts.indices where counts[expert] > 0 {
            let replicas = placement.replicas(of: expert)
            var first = Int64(before[expert])
            var end = first + Int64(counts[expert])
            var left = replicas.reduce(Int64(0)) { $0 + Int64(slots[Int($1)]) }
            for slot in replicas {
                let tokens = Int64(slots[Int(slot)])
                let (from, upTo) = left > 0 ? (first * tokens / left, end * tokens / left) : (first, end)
                part[Int(slot)] = Int32(truncatingIfNeeded: upTo - from)
                first -= from
                end -= upTo
                left -= tokens
            }
        }
    }

    /// Places all experts anew, by what all ranks counted since the last time.
    /// - Returns: how long the weights of moved experts are under way, and how many bytes they are.
    mutating func replan(counters total: [Int64]) -> (time: Nanoseconds, bytes: ByteCount) {
        let experts = shape.fleet.experts
        var moves = Array(
            repeating: (nearIn: ByteCount(0), farIn: ByteCount(0), nearOut: ByteCount(0), farOut: ByteCount(0)), count: shape.expertRanks)
        for layer in 0..<shape.layers {
            let loads = (0..<experts).map { Double(total[layer * experts + $0]) }
            let new = policy.place(layer: layer, loads: loads)
            for fetch in new.fetches(from: placements[layer]) {
                let isNear = shape.hosts[shape.member(ofExpert: fetch.rank)] == shape.hosts[shape.member(ofExpert: fetch.source)]
                if isNear {
                    moves[fetch.rank].nearIn += shape.expertBytes
                    moves[fetch.source].nearOut += shape.expertBytes
                } else {
                    moves[fetch.rank].farIn += shape.expertBytes
                    moves[fetch.source].farOut += shape.expertBytes
                }
            }
            placements[layer] = new
            if !reaches.isEmpty {
                reaches[layer] = shape.reach(of: new)
                if shared.gateReaches { shared.gate.setReach(layer: layer, reaches[layer]) }
            }
        }
        var time: Nanoseconds = 0
        var bytes: ByteCount = 0
        for move in moves {
            let near = max(move.nearIn, move.nearOut)
            let far = max(move.farIn, move.farOut)
            time = max(time, shape.weightPaths.time(scaleUp: near, scaleOut: far))
            bytes += move.nearIn + move.farIn
        }
        return (time, bytes)
    }
}
