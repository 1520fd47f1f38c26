import Models
import Quantities

/// What a rank does for everybody's tokens.
extension LayerMember {
    /// The spreading rank has the tokens of all hosts: each rank of its host gets them.
    mutating func spread() -> Bool {
        guard let host = shape.relays.expertHost(of: member) else { return true }
        guard let messages = take(.put, step, count: shape.relays.attention.count) else { return false }
        for (sender, leg) in messages {
            if let place = shape.relays.place(ofLeader: Int(sender)) { units[part][place] = leg.units }
        }
        let (near, far) = incoming(messages)
        let arrived = core.receive(near: near, far: far, over: shape.dispatch.receiving, fromExperts: false)
        let members = shape.relays.experts[host]
        let tokens = messages.reduce(0) { $0 + $1.leg.units }
        let bytes = shape.bytes(tokens, of: shape.dispatch)
        let passed = core.pass(arrived, near: bytes * Int64(members.count - 1), far: 0, over: shape.dispatch)
        let counts = Self.sum(messages)
        for target in members {
            let isOwn = target == member
            send(
                LayerLeg(
                    kind: .spread, step: step, flight: isOwn ? Flight(head: arrived.done, tail: arrived.done) : passed.near.flight,
                    origin: arrived.last, originSent: arrived.sent, bytes: isOwn ? 0 : bytes, units: tokens, counts: counts), to: target)
        }
        stage = .experts
        return true
    }

    /// Experts for a micro-batch of all attention ranks, once it is there.
    mutating func computeExperts(_ router: inout ExpertRouter?) -> Bool {
        guard let rank = expertRank else { return true }
        if shape.rails != nil { return computePassed() }
        let isRelayed = shape.mixture.transfer == .twoPhase
        guard let messages = take(isRelayed ? .spread : .dispatch, step, count: isRelayed ? 1 : shape.attentionRanks) else { return false }
        var arrived: Arrived
        if relays, let own = messages.first?.leg {
            arrived = Arrived(done: own.flight.tail, last: own.origin, sent: own.originSent)
        } else {
            let (near, far) = incoming(messages)
            arrived = core.receive(near: near, far: far, over: shape.dispatch.receiving, fromExperts: false)
        }
        let (pairs, distinct, decision) = load(of: rank, messages, &router)
        compute(pairs, distinct, decision: decision, after: arrived)
        if isRelayed {
            reduce(pairs, tokens: messages.first?.leg.units ?? 0)
            if relays {
                stage = .giveBack
                return true
            }
        } else {
            for (sender, leg) in messages { units[part][Int(sender)] = content(of: leg, from: sender).units }
            combine(pairs)
        }
        endExperts()
        return true
    }

    /// The experts' work on so many pairs.
    mutating func compute(_ pairs: Int64, _ distinct: Int32, decision: Nanoseconds, after arrived: Arrived) {
        notes.append(
            core.compute(
                decision + shape.experts.expertTime(distinct: Int(distinct), routed: pairs), after: arrived, isAttention: false, step: step,
                tokens: pairs, distinct: distinct))
    }

    /// Pairs and distinct experts on the rank, and what deciding on replicas takes where that is done here.
    private mutating func load(
        of rank: Int, _ messages: [(sender: Int32, leg: LayerLeg)], _ router: inout ExpertRouter?
    ) -> (pairs: Int64, distinct: Int32, decision: Nanoseconds) {
        if !shape.sendsEverything || router?.isGlobal != true { return loadOfSlots(shape.slots(ofExpert: rank), messages) }
        var all: [Int32] = []
        router?.split(layer: layer, counts: Self.sum(messages), into: &all)
        var pairs: Int64 = 0
        var distinct: Int32 = 0
        for slot in shape.slots(ofExpert: rank) where slot < all.count {
            pairs += Int64(all[slot])
            if all[slot] > 0 { distinct += 1 }
        }
        return (pairs, distinct, router?.decisionTime ?? 0)
    }

    /// The same where the slots are chosen already.
    func loadOfSlots(
        _ slots: Range<Int>, _ messages: [(sender: Int32, leg: LayerLeg)]
    ) -> (pairs: Int64, distinct: Int32, decision: Nanoseconds) {
        var pairs: Int64 = 0
        var distinct: Int32 = 0
        for slot in slots {
            var tokens: Int64 = 0
            for (_, leg) in messages where slot < leg.counts.count { tokens += Int64(leg.counts[slot]) }
            pairs += tokens
            if tokens > 0 { distinct += 1 }
        }
        return (pairs, distinct, 0)
    }

    /// Straight back to each attention rank.
    private mutating func combine(_ load: Int64) {
        let way = shape.combine
        var sum = UnitSum()
        for rank in 0..<shape.attentionRanks where rank != member || shape.isMeasured {
            sum.all += units[part][rank]
            if shape.hosts[rank] == shape.hosts[member] { sum.near += units[part][rank] }
        }
        let bytes = shape.bytes(sum, of: way, others: shape.attention(around: member))
        let departure = core.port.depart(core.free, near: bytes.near, far: bytes.far, over: way.sending)
        let leg = LayerLeg(
            kind: .combine, step: step, flight: departure.near, far: departure.far, origin: Int32(member), originSent: departure.sent, units: 0,
            loadSum: load, loadMost: load, counts: units[part][0..<shape.attentionRanks].map { Int32(clamping: $0) })
        let own = !shape.isMeasured || expertRank != member ? 0 : way.tokenBytes * units[part][member]
        send(leg, toAll: 0..<shape.attentionRanks, bytes: bytes.near + bytes.far - own)
    }

    /// To the rank of the host that reduces.
    private mutating func reduce(_ load: Int64, tokens: Int64) {
        guard let host = shape.relays.expertHost(of: member) else { return }
        let relay = shape.relays.experts[host][0]
        let sent = core.free
        var leg = LayerLeg(
            kind: .reduce, step: step, flight: Flight(head: sent, tail: sent), origin: Int32(member), originSent: sent, bytes: 0, units: tokens,
            loadSum: load, loadMost: load)
        if relay != member {
            leg.bytes = shape.bytes(tokens, of: shape.combine)
            leg.flight = core.port.depart(sent, near: leg.bytes, far: 0, over: shape.combine.sending).near
        }
        send(leg, to: relay)
    }

    /// The reducing rank has its host's outputs: one message to each host of attention ranks.
    mutating func giveBack() -> Bool {
        guard let host = shape.relays.expertHost(of: member) else { return true }
        guard let messages = take(.reduce, step, count: shape.relays.experts[host].count) else { return false }
        let (near, far) = incoming(messages)
        let arrived = core.receive(near: near, far: far, over: shape.combine.receiving, fromExperts: true)
        let leaders = shape.relays.attention.map { $0[0] }
        let bytes = leaders.indices.map { shape.bytes(units[part][$0], of: shape.combine) }
        var nearBytes: ByteCount = 0
        var farBytes: ByteCount = 0
        for (place, leader) in leaders.enumerated() {
            if shape.hosts[leader] == shape.hosts[member] { nearBytes += bytes[place] } else { farBytes += bytes[place] }
        }
        let passed = core.pass(arrived, near: nearBytes, far: farBytes, over: shape.combine)
        let (sum, most) = Self.loads(messages)
        for (place, leader) in leaders.enumerated() {
            let relayed = shape.hosts[leader] == shape.hosts[member] ? passed.near : passed.far
            send(
                LayerLeg(
                    kind: .giveBack, step: step, flight: relayed.flight, origin: relayed.origin, originSent: relayed.originSent,
                    bytes: bytes[place], units: units[part][place], loadSum: sum, loadMost: most), to: leader)
        }
        endExperts()
        return true
    }
}
