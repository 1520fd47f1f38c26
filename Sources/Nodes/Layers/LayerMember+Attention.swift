import Models
import Quantities

/// What a rank does for its own requests.
extension LayerMember {
    /// Attention for a micro-batch, once the experts' outputs of the layer before are there; after the last layer the head.
    mutating func attend(_ router: inout ExpertRouter?) -> Bool {
        var arrived = Arrived.at(start)
        if layer > 0 {
            guard let set = takeCombined() else { return false }
            arrived = set
        }
        let load = parts[part]
        guard layer < shape.layers else {
            notes.append(core.compute(load.head, after: arrived, isAttention: true, step: step, tokens: load.tokens))
            endAttention()
            return true
        }
        let time = load.attention + (layer == 0 ? load.dense : 0)
        notes.append(core.compute(time, after: arrived, isAttention: true, step: step, tokens: load.tokens))
        let batch = ExpertRouter.Batch(layer: layer, number: batch, rank: member, tokens: load.tokens, start: start)
        if router?.isGlobal == true {
            dropped += Int64(router?.route(batch, into: &counts) ?? 0)
            if !shape.sendsEverything {
                sendCounts()
                stage = .decide
                return true
            }
        } else {
            dropped += Int64(router?.route(batch, into: &slots) ?? 0)
        }
        depart()
        return true
    }

    private mutating func takeCombined() -> Arrived? {
        if let rails = shape.rails { return takeGivenBack(rails) }
        let isRelayed = shape.mixture.transfer == .twoPhase
        let before = step - Int32(shape.microBatches)
        guard let messages = take(isRelayed ? .handOut : .combine, before, count: isRelayed ? 1 : shape.expertRanks) else { return nil }
        noteLoads(messages)
        if leads, let own = messages.first?.leg {
            // It has passed them on itself, and so has them.
            return Arrived(done: own.flight.tail, last: own.origin, sent: own.originSent, isFromExperts: true)
        }
        let (near, far) = incoming(messages)
        return core.receive(near: near, far: far, over: shape.combine.receiving, fromExperts: true)
    }

    mutating func noteLoads(_ messages: [(sender: Int32, leg: LayerLeg)]) {
        guard member == 0 else { return }
        let (sum, most) = Self.loads(messages)
        if sum > 0 { imbalances.append(LayerEvaluator.imbalance(most: most, sum: sum, ranks: shape.expertRanks)) }
    }

    /// Tokens by expert to all other attention ranks.
    private mutating func sendCounts() {
        let bytes = shape.countBytes(from: member)
        let departure = core.port.depart(core.free, near: bytes.near, far: bytes.far, over: shape.among)
        let leg = LayerLeg(
            kind: .counts, step: step, flight: departure.near, far: departure.far, origin: Int32(member), originSent: departure.sent, units: 0,
            counts: counts)
        send(leg, toAll: 0..<shape.attentionRanks, bytes: bytes.near + bytes.far)
    }

    /// A policy that decides on the tokens of all ranks does so once it has them.
    mutating func decide(_ router: inout ExpertRouter?) -> Bool {
        guard let messages = take(.counts, step, count: shape.attentionRanks) else { return false }
        let (near, far) = incoming(messages)
        let arrived = core.receive(near: near, far: far, over: shape.among, fromExperts: false)
        notes.append(core.compute(router?.decisionTime ?? 0, after: arrived, isAttention: true, step: step, tokens: 0))
        var all = [Int32](repeating: 0, count: counts.count)
        var before = all
        for (sender, leg) in messages {
            for expert in all.indices {
                all[expert] &+= leg.counts[expert]
                if sender < member { before[expert] &+= leg.counts[expert] }
            }
        }
        var decision: [Int32] = []
        router?.split(layer: layer, counts: all, into: &decision)
        router?.share(layer: layer, counts: counts, before: before, of: decision, tokens: parts[part].tokens, into: &slots)
        depart()
        return true
    }

    /// The tokens leave, and the shared experts are computed while they are under way.
    private mutating func depart() {
        let sent = core.free
        if parts[part].shared > 0 {
            notes.append(core.compute(parts[part].shared, after: .at(sent), isAttention: true, step: step, tokens: 0))
        }
        if shape.mixture.transfer == .twoPhase {
            gather(sent)
            if leads {
                stage = .put
                return
            }
        } else if let rails = shape.rails {
            sendToHosts(sent, rails)
        } else {
            dispatch(sent)
        }
        endAttention()
    }

    /// Straight to each expert rank.
    private mutating func dispatch(_ sent: Instant) {
        let way = shape.dispatch
        var sum = UnitSum()
        var kept: Int64 = 0
        for expert in 0..<shape.expertRanks {
            let target = shape.member(ofExpert: expert)
            let count =
                shape.sendsEverything ? parts[part].tokens : shape.slots(ofExpert: expert).reduce(Int64(0)) { $0 + Int64(slots[$1]) }
            if target == member { kept = count }
            guard target != member || shape.isMeasured else { continue }
            sum.all += count
            if shape.hosts[target] == shape.hosts[member] { sum.near += count }
        }
        let bytes = shape.bytes(sum, of: way, others: shape.experts(around: member))
        let departure = core.port.depart(sent, near: bytes.near, far: bytes.far, over: way.sending)
        let leg = LayerLeg(
            kind: .dispatch, step: step, flight: departure.near, far: departure.far, origin: Int32(member), originSent: departure.sent,
            units: parts[part].tokens, counts: slots.count == shape.fleet.slots ? slots : counts)
        // What stays here is in the fit of a measured all-to-all, and is no message.
        let own = !shape.isMeasured ? 0 : way.tokenBytes * kept
        let first = shape.member(ofExpert: 0)
        send(leg, toAll: first..<first + shape.expertRanks, bytes: bytes.near + bytes.far - own)
    }

    /// To the rank of the host that gathers.
    private mutating func gather(_ sent: Instant) {
        guard let host = shape.relays.attentionHost(of: member) else { return }
        let leader = shape.relays.attention[host][0]
        var leg = LayerLeg(
            kind: .gather, step: step, flight: Flight(head: sent, tail: sent), origin: Int32(member), originSent: sent, bytes: 0,
            units: parts[part].tokens, counts: slots.isEmpty ? counts : slots)
        if leader != member {
            leg.bytes = shape.bytes(parts[part].tokens, of: shape.dispatch)
            leg.flight = core.port.depart(sent, near: leg.bytes, far: 0, over: shape.dispatch.sending).near
        }
        send(leg, to: leader)
    }

    /// The gathering rank has its host's tokens: one message to each host of experts.
    mutating func put() -> Bool {
        guard let host = shape.relays.attentionHost(of: member) else { return true }
        let mates = shape.relays.attention[host]
        guard let messages = take(.gather, step, count: mates.count) else { return false }
        for (sender, leg) in messages { units[part][Int(sender)] = leg.units }
        let (near, far) = incoming(messages)
        let arrived = core.receive(near: near, far: far, over: shape.dispatch.receiving, fromExperts: false)
        let tokens = messages.reduce(0) { $0 + $1.leg.units }
        let bytes = shape.bytes(tokens, of: shape.dispatch)
        let targets = shape.relays.experts.map { $0[0] }
        let nearCount = targets.count { shape.hosts[$0] == shape.hosts[member] }
        let passed = core.pass(
            arrived, near: bytes * Int64(nearCount), far: bytes * Int64(targets.count - nearCount), over: shape.dispatch)
        for target in targets {
            let relayed = shape.hosts[target] == shape.hosts[member] ? passed.near : passed.far
            send(
                LayerLeg(
                    kind: .put, step: step, flight: relayed.flight, origin: relayed.origin, originSent: relayed.originSent, bytes: bytes,
                    units: tokens, counts: Self.sum(messages)), to: target)
        }
        endAttention()
        return true
    }

    /// The gathering rank has the experts' outputs for its host: each rank gets its own.
    mutating func handOut() -> Bool {
        guard let host = shape.relays.attentionHost(of: member) else { return true }
        let before = step - Int32(shape.microBatches)
        guard let messages = take(.giveBack, before, count: shape.relays.experts.count) else { return false }
        let (near, far) = incoming(messages)
        let arrived = core.receive(near: near, far: far, over: shape.combine.receiving, fromExperts: true)
        let mates = shape.relays.attention[host].dropFirst()
        let bytes = mates.map { shape.bytes(units[part][$0], of: shape.combine) }
        let passed = core.pass(arrived, near: bytes.reduce(0, +), far: 0, over: shape.combine)
        let sum = messages.reduce(0) { $0 + $1.leg.loadSum }
        let most = messages.reduce(0) { max($0, $1.leg.loadMost) }
        for (place, mate) in ([member] + mates).enumerated() {
            let isOwn = mate == member
            send(
                LayerLeg(
                    kind: .handOut, step: before, flight: isOwn ? Flight(head: arrived.done, tail: arrived.done) : passed.near.flight,
                    origin: arrived.last, originSent: arrived.sent, bytes: isOwn ? 0 : bytes[place - 1], units: units[part][mate], loadSum: sum,
                    loadMost: most), to: mate)
        }
        stage = .attend
        return true
    }

    /// The sum of the loads that expert ranks told of, and the largest.
    static func loads(_ messages: [(sender: Int32, leg: LayerLeg)]) -> (sum: Int64, most: Int64) {
        (messages.reduce(0) { $0 + $1.leg.loadSum }, messages.reduce(0) { max($0, $1.leg.loadMost) })
    }

    /// Tokens of several messages.
    static func sum(_ messages: [(sender: Int32, leg: LayerLeg)]) -> [Int32] {
        var all = messages.first?.leg.counts ?? []
        for (_, leg) in messages.dropFirst() {
            for place in all.indices where place < leg.counts.count { all[place] &+= leg.counts[place] }
        }
        return all
    }
}
