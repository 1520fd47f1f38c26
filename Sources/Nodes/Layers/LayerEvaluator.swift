import Models
import Quantities

/// Works out the layers of an iteration for all ranks at once, from what each of them brings.
///
/// It does, rank by rank and in the same order, what `LayerMember` does on one rank with real messages; so both come to the same times.
struct LayerEvaluator {
    /// One micro-batch on its way through a layer.
    struct Part {
        /// What each attention rank brings.
        let brought: UnsafeMutableBufferPointer<LoadSheet.Part>
        let units: StepUnits
        let dispatches: HostBoard
        let combines: HostBoard
        /// When each attention rank, and each expert rank, can compute the micro-batch.
        let combined: UnsafeMutableBufferPointer<Arrived>
        let dispatched: UnsafeMutableBufferPointer<Arrived>
        /// Two phases: what the first attention rank, and the first expert rank, of each host sent, and each attention rank's tokens.
        var puts: [(near: Relayed, far: Relayed)] = []
        var relayed: [(near: Relayed, far: Relayed)] = []
        var tokens: [Int64]
        /// Once to each host: what each rank holds between two legs.
        let holds: UnsafeMutableBufferPointer<HostHold>

        init(_ shape: GangShape, in memory: LayerMemory) {
            brought = memory.take(shape.attentionRanks, LoadSheet.Part(tokens: 0, attention: 0, dense: 0, shared: 0, head: 0))
            units = StepUnits(shape, in: memory)
            dispatches = HostBoard(shape, in: memory)
            combines = HostBoard(shape, in: memory)
            combined = memory.take(shape.attentionRanks, .at(0))
            dispatched = memory.take(shape.expertRanks, .at(0))
            tokens = Array(repeating: 0, count: shape.attentionRanks)
            holds = memory.take(shape.rails == nil ? 0 : shape.members.count, HostHold())
        }
    }

    let shape: GangShape
    private let memory: LayerMemory
    let hosts: UnsafeMutableBufferPointer<Int>
    let cores: UnsafeMutableBufferPointer<RankCore>
    /// By member, what it did since the iteration began, and what it sent.
    let notes: NoteBoard
    let traffic: UnsafeMutableBufferPointer<Traffic>
    /// Largest over mean load of the expert ranks, for each step, in millionths.
    private(set) var imbalances: [Int64] = []
    var parts: [Part]
    let departures: UnsafeMutableBufferPointer<Departure>
    private let counted: HostBoard
    private var adder: StepAdder
    private var slots: [Int32] = []
    private var share: [Int32] = []
    private var counts: [Int32] = []
    private var before: [Int32] = []

    init(_ shape: GangShape) {
        let memory = LayerMemory()
        self.shape = shape
        self.memory = memory
        let members = shape.members.count
        hosts = memory.take(members, 0)
        for member in 0..<members { hosts[member] = shape.hosts[member] }
        cores = memory.take(members, RankCore())
        // Attention, a decision, shared experts and experts in each step, and the head.
        notes = NoteBoard(members: members, room: 4 * shape.steps + shape.microBatches, in: memory)
        traffic = memory.take(members, Traffic())
        let nothing = Flight(head: 0, tail: 0)
        departures = memory.take(members, Departure(sent: 0, near: nothing, far: nothing))
        counted = HostBoard(shape, in: memory)
        adder = StepAdder(shape, in: memory)
        parts = (0..<shape.microBatches).map { _ in Part(shape, in: memory) }
    }

    /// An iteration begins.
    /// - Parameter keepsNotes: whether what each member did will be asked for piece by piece.
    mutating func begin(at start: Instant, keepsNotes: Bool = true) {
        notes.clear(keepsNotes: keepsNotes)
        for member in cores.indices {
            cores[member].free = start
            traffic[member] = Traffic()
        }
        for part in parts { part.combined.update(repeating: .at(start)) }
        imbalances.removeAll(keepingCapacity: true)
    }

    /// Goes through some layers.
    /// - Parameters:
    ///   - sheets: by attention rank, with counts from the first of these layers on.
    ///   - router: for a policy that decides on the tokens of all ranks; any rank's.
    mutating func evaluate(_ layers: Range<Int>, _ sheets: [LoadSheet], router: inout ExpertRouter) {
        let decision = router.isGlobal ? router.decisionTime : 0
        take(sheets)
        for layer in layers {
            for part in parts.indices {
                let place = (layer - layers.lowerBound) * shape.microBatches + part
                if layer > 0 { receiveCombines(part) }
                spread(layer: layer, part, place: place, sheets, &router)
                attend(layer: layer, part)
                if router.isGlobal, !shape.sendsEverything { decide(layer: layer, part, decision) }
                leave(layer: layer, part)
                if shape.mixture.transfer == .twoPhase { relayDispatch(part, sheets) } else { sendDispatches(part) }
            }
            if let rails = shape.rails { for part in parts.indices { passInHosts(part, rails) } }
            for part in parts.indices {
                receiveDispatches(part)
                computeExperts(layer: layer, part, decision: shape.sendsEverything ? decision : 0)
                if shape.mixture.transfer == .twoPhase { relayCombine(part) } else { sendCombines(part) }
            }
            if let rails = shape.rails { for part in parts.indices { giveBackToHosts(part, rails) } }
        }
    }

    private func take(_ sheets: [LoadSheet]) {
        for (rank, sheet) in sheets.enumerated() {
            for (place, part) in parts.enumerated() { part.brought[rank] = sheet.parts[place] }
        }
    }

    /// What is left after the last layer: the head. Answers when each attention rank is done.
    mutating func finish(_ sheets: [LoadSheet]) -> [Instant] {
        for part in parts.indices {
            receiveCombines(part)
            let (brought, combined) = (parts[part].brought, parts[part].combined)
            for rank in 0..<shape.attentionRanks {
                notes.append(
                    cores[rank].compute(
                        brought[rank].head, after: combined[rank], isAttention: true, step: Int32(shape.steps + part), tokens: brought[rank].tokens),
                    of: rank)
            }
        }
        return (0..<shape.attentionRanks).map { cores[$0].free }
    }

    /// Where the tokens of a step go: units between ranks, loads of experts.
    private mutating func spread(layer: Int, _ part: Int, place: Int, _ sheets: [LoadSheet], _ router: inout ExpertRouter) {
        let width = shape.width(isGlobal: router.isGlobal)
        let (units, brought) = (parts[part].units, parts[part].brought)
        adder.begin(units)
        if router.isGlobal {
            decide(layer: layer, place: place, width: width, sheets, &router)
            before.reset(count: width)
        }
        for rank in 0..<shape.attentionRanks {
            let packed = sheets[rank].packed
            guard router.isGlobal else {
                packed.bytes.withUnsafeBytes { bytes in
                    guard let row = bytes.baseAddress.map({ $0 + place * width * packed.width }) else { return }
                    adder.add(row, width: packed.width, of: rank, tokens: brought[rank].tokens, to: units)
                }
                continue
            }
            counts.withUnsafeMutableBufferPointer { packed.read(place * width, width, into: $0) }
            router.share(layer: layer, counts: counts, before: before, of: slots, tokens: brought[rank].tokens, into: &share)
            for expert in 0..<width { before[expert] &+= counts[expert] }
            share.withUnsafeBytes { bytes in
                guard let row = bytes.baseAddress else { return }
                adder.add(row, width: 4, of: rank, tokens: brought[rank].tokens, to: units)
            }
        }
        let (sum, most) = adder.finish(units)
        if sum > 0 { imbalances.append(Self.imbalance(most: most, sum: sum, ranks: shape.expertRanks)) }
    }

    /// The decision of a policy for the tokens of all ranks.
    private mutating func decide(layer: Int, place: Int, width: Int, _ sheets: [LoadSheet], _ router: inout ExpertRouter) {
        var all = [Int32](repeating: 0, count: width)
        counts.reset(count: width)
        for sheet in sheets {
            counts.withUnsafeMutableBufferPointer { sheet.packed.read(place * width, width, into: $0) }
            for expert in 0..<width { all[expert] &+= counts[expert] }
        }
        router.split(layer: layer, counts: all, into: &slots)
    }

    /// Largest over mean, in millionths. What is larger than any load stands for that.
    static func imbalance(most: Int64, sum: Int64, ranks: Int) -> Int64 { min(most, 1 << 32) * Int64(ranks) * 1_000_000 / max(1, sum) }

    /// Attention and the router.
    private func attend(layer: Int, _ part: Int) {
        let step = Int32(layer * shape.microBatches + part)
        let (brought, combined, cores, notes) = (parts[part].brought, parts[part].combined, cores, notes)
        for rank in 0..<shape.attentionRanks {
            let load = brought[rank]
            let time = load.attention + (layer == 0 ? load.dense : 0)
            notes.append(cores[rank].compute(time, after: combined[rank], isAttention: true, step: step, tokens: load.tokens), of: rank)
        }
    }

    /// What an exchange of counts, and a decision on the tokens of all ranks, ask for.
    private func decide(layer: Int, _ part: Int, _ decision: Nanoseconds) {
        let step = Int32(layer * shape.microBatches + part)
        for rank in 0..<shape.attentionRanks {
            let bytes = shape.countBytes(from: rank)
            departures[rank] = cores[rank].port.depart(cores[rank].free, near: bytes.near, far: bytes.far, over: shape.among)
            traffic[rank].add(messages: shape.attentionRanks - 1, bytes: bytes.near + bytes.far)
        }
        counted.gather(0..<shape.attentionRanks, departures, hosts: hosts)
        for rank in 0..<shape.attentionRanks {
            let (near, far) = counted.incoming(on: hosts[rank], bytes: shape.countBytes(from: rank))
            let arrived = cores[rank].receive(near: near, far: far, over: shape.among, fromExperts: false)
            notes.append(cores[rank].compute(decision, after: arrived, isAttention: true, step: step, tokens: 0), of: rank)
        }
    }

    /// The tokens leave; the shared experts are computed while they are under way.
    private func leave(layer: Int, _ part: Int) {
        let step = Int32(layer * shape.microBatches + part)
        let (brought, cores, notes, departures) = (parts[part].brought, cores, notes, departures)
        for rank in 0..<shape.attentionRanks {
            departures[rank].sent = cores[rank].free
            let shared = brought[rank].shared
            guard shared > 0 else { continue }
            notes.append(cores[rank].compute(shared, after: .at(cores[rank].free), isAttention: true, step: step, tokens: 0), of: rank)
        }
    }

    private func computeExperts(layer: Int, _ part: Int, decision: Nanoseconds) {
        let step = Int32(layer * shape.microBatches + part)
        let (loads, dispatched, cores, notes) = (parts[part].units.loads, parts[part].dispatched, cores, notes)
        let cost = shape.experts
        let first = shape.member(ofExpert: 0)
        for expert in 0..<shape.expertRanks {
            let load = loads[expert]
            notes.append(
                cores[first + expert].compute(
                    decision + cost.expertTime(distinct: Int(load.distinct), routed: load.pairs), after: dispatched[expert], isAttention: false,
                    step: step, tokens: load.pairs, distinct: load.distinct),
                of: first + expert)
        }
    }
}
