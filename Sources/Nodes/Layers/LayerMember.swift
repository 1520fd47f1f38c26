import Models
import Quantities

/// One rank's way through the layers of an iteration, message by message.
///
/// What it does is a fixed sequence: for each layer attention for every micro-batch, then experts for every micro-batch, as far as the rank has
/// either. Where it needs messages that are not there yet it stops, and goes on when they have come. Times are worked out from what the messages
/// say, so they do not depend on when the messages come. `LayerEvaluator` does the same for all ranks at once.
struct LayerMember {
    /// Where in the sequence the rank stands.
    enum Stage {
        /// Two phases: the first attention rank of a host passes the experts' outputs on.
        case handOut
        case attend
        /// Waits for the counts of all attention ranks.
        case decide
        /// Two phases: the first attention rank of a host passes the tokens on.
        case put
        /// Two phases: the first expert rank of a host passes the tokens on.
        case spread
        case experts
        /// Two phases: the first expert rank of a host passes the outputs on.
        case giveBack
        /// Once to each host: the rank passes on what came from its rail, and gives back what its host has added up.
        case passIn
        case passOut
        case done
    }

    let shape: GangShape
    let member: Int
    let hasAttention: Bool
    /// Rank among the experts; `nil` for a rank without.
    let expertRank: Int?
    let leads: Bool
    let relays: Bool
    var core = RankCore()
    var notes: [StepNote] = []
    var traffic = Traffic()
    var imbalances: [Int64] = []
    /// Picks dropped in the iteration.
    var dropped: Int64 = 0
    var stage = Stage.done
    var layer = 0
    var part = 0
    /// Of the micro-batches: what the rank brought, and hidden states by the rank of the other side.
    var parts: [LoadSheet.Part] = []
    var units: [[Int64]] = []
    /// Once to each host: by micro-batch, what the rank holds between two legs.
    var holds: [HostHold] = []
    var counts: [Int32] = []
    var slots: [Int32] = []
    /// Messages that have come, by iteration and exchange: few at a time, so that a search along them costs less than a table.
    private var mailbox: [(key: UInt64, messages: [(sender: Int32, leg: LayerLeg)])] = []
    /// Messages to send to one member, or to all of a side; the rank's own go to the mailbox.
    var outbox: [(targets: Range<Int>, leg: LayerLeg)] = []
    private(set) var iteration: Int64 = -1
    private(set) var start: Instant = 0

    init(_ shape: GangShape, member: Int) {
        self.shape = shape
        self.member = member
        hasAttention = member < shape.attentionRanks
        expertRank = shape.gang.isDisaggregated ? (hasAttention ? nil : member - shape.attentionRanks) : member
        leads = shape.mixture.transfer == .twoPhase && shape.relays.place(ofLeader: member) != nil && hasAttention
        relays = shape.mixture.transfer == .twoPhase && shape.relays.place(ofRelay: member) != nil && expertRank != nil
        units = Array(repeating: Array(repeating: 0, count: max(shape.attentionRanks, shape.expertRanks)), count: shape.microBatches)
        holds = Array(repeating: HostHold(), count: shape.microBatches)
    }

    /// An iteration begins; the rank brings these micro-batches.
    mutating func begin(_ iteration: Int64, at start: Instant, parts: [LoadSheet.Part]) {
        self.iteration = iteration
        self.start = start
        self.parts = parts
        core.free = start
        notes.removeAll(keepingCapacity: true)
        imbalances.removeAll(keepingCapacity: true)
        traffic = Traffic()
        dropped = 0
        layer = 0
        part = 0
        stage = hasAttention ? .attend : firstExpertStage
    }

    /// A message of an exchange has come.
    mutating func receive(_ leg: LayerLeg, of iteration: Int64, from sender: Int32) {
        let key = key(leg.kind, leg.step, iteration)
        if let place = mailbox.firstIndex(where: { $0.key == key }) {
            mailbox[place].messages.append((sender, leg))
        } else {
            var messages: [(sender: Int32, leg: LayerLeg)] = []
            messages.reserveCapacity(max(shape.attentionRanks, shape.expertRanks))
            messages.append((sender, leg))
            mailbox.append((key, messages))
        }
    }

    /// Goes on as far as the messages allow.
    /// - Returns: whether the rank is through.
    mutating func run(_ router: inout ExpertRouter?) -> Bool {
        while stage != .done {
            let goesOn =
                switch stage {
                case .handOut: handOut()
                case .attend: attend(&router)
                case .decide: decide(&router)
                case .put: put()
                case .spread: spread()
                case .experts: computeExperts(&router)
                case .giveBack: giveBack()
                case .passIn: passIn()
                case .passOut: passOut()
                case .done: true
                }
            if !goesOn { return false }
        }
        return true
    }

    var step: Int32 { Int32(layer * shape.microBatches + part) }
    /// The number of a micro-batch, which the gate draws for.
    var batch: Int64 { iteration * Int64(shape.microBatches) + Int64(part) }
    var firstExpertStage: Stage { relays ? .spread : .experts }
    private var firstAttentionStage: Stage { leads && layer > 0 ? .handOut : .attend }

    /// On to the next micro-batch, or from attention to experts.
    mutating func endAttention() {
        part += 1
        if part < shape.microBatches {
            stage = firstAttentionStage
            return
        }
        part = 0
        if layer == shape.layers {
            stage = .done
        } else if expertRank != nil {
            stage = shape.rails == nil ? firstExpertStage : .passIn
        } else {
            layer += 1
            stage = firstAttentionStage
        }
    }

    /// On to the next micro-batch, or to the next layer.
    mutating func endExperts() {
        part += 1
        if part < shape.microBatches {
            if stage != .passOut { stage = firstExpertStage }
            return
        }
        part = 0
        if shape.rails != nil, stage == .experts {
            stage = .passOut
            return
        }
        layer += 1
        if hasAttention {
            stage = firstAttentionStage
        } else {
            stage = layer == shape.layers ? .done : firstExpertStage
        }
    }

    /// The messages of an exchange, when `count` of them have come.
    mutating func take(_ kind: LayerLeg.Kind, _ step: Int32, count: Int) -> [(sender: Int32, leg: LayerLeg)]? {
        let key = key(kind, step, iteration)
        guard let place = mailbox.firstIndex(where: { $0.key == key }), mailbox[place].messages.count >= count else {
            return count == 0 ? [] : nil
        }
        return mailbox.remove(at: place).messages
    }

    /// What messages bring, by path.
    func incoming(_ messages: [(sender: Int32, leg: LayerLeg)]) -> (near: Incoming, far: Incoming) {
        var near = Incoming()
        var far = Incoming()
        for (sender, leg) in messages {
            let bytes = content(of: leg, from: sender).bytes
            if shape.hosts[Int(sender)] == shape.hosts[member] {
                near.add(leg.flight, sent: leg.originSent, from: leg.origin, bytes: bytes)
            } else {
                far.add(leg.far, sent: leg.originSent, from: leg.origin, bytes: bytes)
            }
        }
        return (near, far)
    }

    /// Sends a message, or keeps it when it is for the rank itself.
    mutating func send(_ leg: LayerLeg, to target: Int) {
        if target == member {
            receive(leg, of: iteration, from: Int32(member))
        } else {
            traffic.add(messages: 1, bytes: leg.bytes)
            outbox.append((target..<target + 1, leg))
        }
    }

    /// Sends a message of an exchange to all members of a side.
    /// - Parameter bytes: what the messages to others stand for.
    mutating func send(_ leg: LayerLeg, toAll targets: Range<Int>, bytes: ByteCount) {
        traffic.add(messages: targets.contains(member) ? targets.count - 1 : targets.count, bytes: bytes)
        outbox.append((targets, leg))
        if targets.contains(member) { receive(leg, of: iteration, from: Int32(member)) }
    }

    /// Hidden states of a message of an exchange that are for this rank, and the bytes that they stand for.
    func content(of leg: LayerLeg, from sender: Int32) -> (units: Int64, bytes: ByteCount) {
        switch leg.kind {
        case .counts: return (0, Int(sender) == member ? 0 : shape.countBytes)
        case .dispatch:
            var units = leg.units
            if !shape.sendsEverything, let rank = expertRank, leg.counts.count == shape.fleet.slots {
                units = 0
                for slot in shape.slots(ofExpert: rank) { units += Int64(leg.counts[slot]) }
            }
            return (units, shape.bytes(units, of: shape.dispatch, from: Int(sender), to: member))
        case .combine:
            let units = member < leg.counts.count ? Int64(leg.counts[member]) : 0
            return (units, shape.bytes(units, of: shape.combine, from: Int(sender), to: member))
        case .gather, .put, .spread, .reduce, .giveBack, .handOut: return (leg.units, leg.bytes)
        }
    }

    private func key(_ kind: LayerLeg.Kind, _ step: Int32, _ iteration: Int64) -> UInt64 {
        UInt64(bitPattern: iteration) << 28 | UInt64(UInt32(bitPattern: step) & 0xFF_FFFF) << 4 | UInt64(kind.rawValue)
    }
}
