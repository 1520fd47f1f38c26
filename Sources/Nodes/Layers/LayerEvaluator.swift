import Models
import Quantities

/// Works out the layers of an iteration for all ranks at once, from what each of them brings.
///
/// It does, rank by rank and in the same order, what `LayerMember` does on one rank with real messages; so both come to the same times.
struct LayerEvaluator {
    /// One micro-batch on its way through a layer.
    struct Part {
        /// Units under way, and pairs and distinct experts by expert rank.
        var units: UnitMatrix
        var loads: [(pairs: Int64, distinct: Int32)]
        var dispatches: HostBoard
        var combines: HostBoard
        /// When each attention rank, and each expert rank, can compute the micro-batch.
        var combined: [Arrived]
        var dispatched: [Arrived]
        /// Two phases: what the first attention rank, and the first expert rank, of each host sent, and each attention rank's tokens.
        var puts: [(near: Relayed, far: Relayed)] = []
        var relayed: [(near: Relayed, far: Relayed)] = []
        var tokens: [Int64]
    }

    let shape: GangShape
    var cores: [RankCore]
    /// By member, what it did since the iteration began, and what it sent.
    var notes: [[StepNote]]
    var traffic: [Traffic]
    /// Largest over mean load of the expert ranks, for each step, in millionths.
    private(set) var imbalances: [Int64] = []
    var parts: [Part]
    var departures: [Departure]
    private var totals: [Int32] = []
    private var slots: [Int32] = []
    private var share: [Int32] = []
    private var counts: [Int32] = []
    private var before: [Int32] = []

    init(_ shape: GangShape) {
        self.shape = shape
        cores = Array(repeating: RankCore(), count: shape.members.count)
        notes = Array(repeating: [], count: shape.members.count)
        traffic = Array(repeating: Traffic(), count: shape.members.count)
        departures = Array(
            repeating: Departure(sent: 0, near: Flight(head: 0, tail: 0), far: Flight(head: 0, tail: 0)), count: shape.members.count)
        let part = Part(
            units: UnitMatrix(shape), loads: Array(repeating: (0, 0), count: shape.expertRanks), dispatches: HostBoard(shape),
            combines: HostBoard(shape), combined: Array(repeating: .at(0), count: shape.attentionRanks),
            dispatched: Array(repeating: .at(0), count: shape.expertRanks), tokens: Array(repeating: 0, count: shape.attentionRanks))
        parts = Array(repeating: part, count: shape.microBatches)
    }

    /// An iteration begins.
    mutating func begin(at start: Instant) {
        for member in cores.indices {
            cores[member].free = start
            notes[member].removeAll(keepingCapacity: true)
            traffic[member] = Traffic()
        }
        for part in parts.indices {
            for rank in parts[part].combined.indices { parts[part].combined[rank] = .at(start) }
        }
        imbalances.removeAll(keepingCapacity: true)
    }

    /// Goes through some layers.
    /// - Parameters:
    ///   - sheets: by attention rank, with counts from the first of these layers on.
    ///   - router: for a policy that decides on the tokens of all ranks; any rank's.
    mutating func evaluate(_ layers: Range<Int>, _ sheets: [LoadSheet], router: inout ExpertRouter) {
        let decision = router.isGlobal ? router.decisionTime : 0
        for layer in layers {
            for part in parts.indices {
                let place = (layer - layers.lowerBound) * shape.microBatches + part
                if layer > 0 { receiveCombines(part) }
                spread(layer: layer, part, place: place, sheets, &router)
                attend(layer: layer, part, sheets, gathers: router.isGlobal && !shape.sendsEverything, decision: decision)
                if shape.mixture.transfer == .twoPhase { relayDispatch(part, sheets) } else { sendDispatches(part) }
            }
            for part in parts.indices {
                receiveDispatches(part)
                computeExperts(layer: layer, part, decision: shape.sendsEverything ? decision : 0)
                if shape.mixture.transfer == .twoPhase { relayCombine(part) } else { sendCombines(part) }
            }
        }
    }

    /// What is left after the last layer: the head. Answers when each attention rank is done.
    mutating func finish(_ sheets: [LoadSheet]) -> [Instant] {
        for part in parts.indices {
            receiveCombines(part)
            for rank in 0..<shape.attentionRanks {
                let load = sheets[rank].parts[part]
                notes[rank].append(
                    cores[rank].compute(
                        load.head, after: parts[part].combined[rank], isAttention: true, step: Int32(shape.steps + part), tokens: load.tokens))
            }
        }
        return (0..<shape.attentionRanks).map { cores[$0].free }
    }

    /// Where the tokens of a step go: units between ranks, loads of experts.
    private mutating func spread(layer: Int, _ part: Int, place: Int, _ sheets: [LoadSheet], _ router: inout ExpertRouter) {
        let width = shape.width(isGlobal: router.isGlobal)
        if router.isGlobal { decide(layer: layer, place: place, width: width, sheets, &router) }
        totals.reset(count: shape.fleet.slots)
        if router.isGlobal { before.reset(count: width) }
        for rank in 0..<shape.attentionRanks {
            let sheet = sheets[rank]
            if router.isGlobal {
                counts.removeAll(keepingCapacity: true)
                counts.append(contentsOf: sheet.counts[place * width..<(place + 1) * width])
                router.share(layer: layer, counts: counts, before: before, of: slots, into: &share)
                for expert in 0..<width { before[expert] &+= counts[expert] }
                share.withUnsafeBufferPointer { add($0, of: rank, part, tokens: sheet.parts[part].tokens) }
            } else {
                sheet.counts.withUnsafeBufferPointer {
                    add(UnsafeBufferPointer(rebasing: $0[place * width..<(place + 1) * width]), of: rank, part, tokens: sheet.parts[part].tokens)
                }
            }
        }
        parts[part].units.addUp(shape)
        addLoads(part)
    }

    /// Adds a rank's tokens by slot.
    private mutating func add(_ source: UnsafeBufferPointer<Int32>, of rank: Int, _ part: Int, tokens: Int64) {
        let perRank = shape.fleet.slotsPerRank
        let sendsEverything = shape.sendsEverything
        let expertRanks = shape.expertRanks
        totals.withUnsafeMutableBufferPointer { totals in
            parts[part].units.units.withUnsafeMutableBufferPointer { units in
                for slot in 0..<min(totals.count, source.count) { totals[slot] &+= source[slot] }
                let base = rank * expertRanks
                if sendsEverything {
                    for expert in 0..<expertRanks { units[base + expert] = tokens }
                    return
                }
                for expert in 0..<expertRanks {
                    var sum: Int32 = 0
                    for slot in expert * perRank..<(expert + 1) * perRank { sum &+= source[slot] }
                    units[base + expert] = Int64(sum)
                }
            }
        }
    }

    /// The decision of a policy for the tokens of all ranks.
    private mutating func decide(layer: Int, place: Int, width: Int, _ sheets: [LoadSheet], _ router: inout ExpertRouter) {
        counts.reset(count: width)
        for sheet in sheets {
            for expert in 0..<width { counts[expert] &+= sheet.counts[place * width + expert] }
        }
        router.split(layer: layer, counts: counts, into: &slots)
    }

    private mutating func addLoads(_ part: Int) {
        var sum: Int64 = 0
        var most: Int64 = 0
        for expert in 0..<shape.expertRanks {
            var pairs: Int64 = 0
            var distinct: Int32 = 0
            for slot in shape.slots(ofExpert: expert) {
                pairs += Int64(totals[slot])
                if totals[slot] > 0 { distinct += 1 }
            }
            parts[part].loads[expert] = (pairs, distinct)
            sum += pairs
            most = max(most, pairs)
        }
        if sum > 0 { imbalances.append(Self.imbalance(most: most, sum: sum, ranks: shape.expertRanks)) }
    }

    /// Largest over mean, in millionths. What is larger than any load stands for that.
    static func imbalance(most: Int64, sum: Int64, ranks: Int) -> Int64 { min(most, 1 << 32) * Int64(ranks) * 1_000_000 / max(1, sum) }

    /// Attention, the router, what an exchange of counts asks for, and the departure.
    private mutating func attend(layer: Int, _ part: Int, _ sheets: [LoadSheet], gathers: Bool, decision: Nanoseconds) {
        let step = Int32(layer * shape.microBatches + part)
        for rank in 0..<shape.attentionRanks {
            let load = sheets[rank].parts[part]
            let time = load.attention + (layer == 0 ? load.dense : 0)
            notes[rank].append(
                cores[rank].compute(time, after: parts[part].combined[rank], isAttention: true, step: step, tokens: load.tokens))
            if gathers {
                let bytes = shape.countBytes(from: rank)
                departures[rank] = cores[rank].port.depart(cores[rank].free, near: bytes.near, far: bytes.far, over: shape.among)
                traffic[rank].add(messages: shape.attentionRanks - 1, bytes: bytes.near + bytes.far)
            }
        }
        if gathers {
            let departures = departures
            var board = HostBoard(shape)
            board.gather(shape, 0..<shape.attentionRanks) { departures[$0] }
            for rank in 0..<shape.attentionRanks {
                let (near, far) = board.incoming(at: rank, shape, bytes: shape.countBytes(from: rank))
                let arrived = cores[rank].receive(near: near, far: far, over: shape.among, fromExperts: false)
                notes[rank].append(cores[rank].compute(decision, after: arrived, isAttention: true, step: step, tokens: 0))
            }
        }
        // The shared experts are computed while the tokens are under way.
        for rank in 0..<shape.attentionRanks {
            departures[rank].sent = cores[rank].free
            let shared = sheets[rank].parts[part].shared
            if shared > 0 {
                notes[rank].append(cores[rank].compute(shared, after: .at(cores[rank].free), isAttention: true, step: step, tokens: 0))
            }
        }
    }

    private mutating func computeExperts(layer: Int, _ part: Int, decision: Nanoseconds) {
        for expert in 0..<shape.expertRanks {
            let member = shape.member(ofExpert: expert)
            let load = parts[part].loads[expert]
            notes[member].append(
                cores[member].compute(
                    decision + shape.experts.expertTime(distinct: Int(load.distinct), routed: load.pairs), after: parts[part].dispatched[expert],
                    isAttention: false, step: Int32(layer * shape.microBatches + part), tokens: load.pairs, distinct: load.distinct))
        }
    }
}
