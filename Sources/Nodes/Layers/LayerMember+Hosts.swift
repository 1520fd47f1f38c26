import Models
import Quantities

/// Dispatch and combine where a token goes once to each host, message by message.
///
/// Messages are named as those of the two phases: `put` to a host, `spread` inside it, `reduce` inside it, `giveBack` to the host of the tokens.
extension LayerMember {
    /// One message to each other host, to the rank of this one's rail there, with all that the ranks of that host are to know.
    mutating func sendToHosts(_ sent: Instant, _ rails: HostRails) {
        let hosts = shape.membersByHost.count
        let own = shape.hosts[member]
        let row = shape.fleet.slots
        let others = (0..<hosts).filter { $0 != own }
        let tokens = others.reduce(Int64(0)) { $0 + Int64(slots[row + $1]) }
        let flight = core.departFar(sent, bytes: shape.bytes(tokens, of: shape.dispatch, messages: others.count), shape)
        holds[part].sent = sent
        for host in others {
            let units = Int64(slots[row + host])
            send(
                LayerLeg(
                    kind: .put, step: step, flight: flight, origin: Int32(member), originSent: sent, bytes: shape.bytes(units, of: shape.dispatch),
                    units: units, counts: slots), to: rails.rails[member][host])
        }
        // The rank's own row, for the ranks of its host.
        receive(
            LayerLeg(kind: .put, step: step, flight: flight, origin: Int32(member), originSent: sent, units: 0, counts: slots), of: iteration,
            from: Int32(member))
    }

    /// What came from the rank's rail, and its own, to the ranks of its host.
    mutating func passIn() -> Bool {
        guard let rails = shape.rails else { return true }
        guard let messages = take(.put, step, count: rails.sources[member].count + 1) else { return false }
        let mates = shape.membersByHost[shape.hosts[member]]
        let firstRank = shape.fleet.slots + shape.membersByHost.count
        var (own, passed): ([Int64], [Int64]) = (Array(repeating: 0, count: mates.count), Array(repeating: 0, count: mates.count))
        var counts = [[Int32]](repeating: Array(repeating: 0, count: shape.fleet.slotsPerRank), count: mates.count)
        for (sender, leg) in messages {
            units[part][Int(sender)] = leg.units
            for (place, mate) in mates.enumerated() {
                let tokens = Int64(leg.counts[firstRank + mate])
                if Int(sender) == member { own[place] += tokens } else { passed[place] += tokens }
                for (index, slot) in shape.slots(ofExpert: mate).enumerated() { counts[place][index] &+= leg.counts[slot] }
            }
        }
        var (ownSum, passedSum): (Int64, Int64) = (0, 0)
        for (place, mate) in mates.enumerated() where mate != member || shape.isMeasured {
            ownSum += own[place]
            passedSum += passed[place]
        }
        let (_, far) = incoming(messages.filter { Int($0.sender) != member })
        let near = core.passIn(
            holds[part].sent, rank: member, far: far, own: shape.bytes(ownSum, of: shape.dispatch, messages: mates.count - 1),
            passed: shape.dispatch.tokenBytes * passedSum, isAlone: mates.count == 1, shape)
        for (place, mate) in mates.enumerated() {
            let tokens = own[place] + passed[place]
            send(
                LayerLeg(
                    kind: .spread, step: step, flight: near.flight, origin: near.origin, originSent: near.originSent,
                    bytes: shape.bytes(tokens, of: shape.dispatch, from: member, to: mate), units: tokens, counts: counts[place]), to: mate)
        }
        part += 1
        if part == shape.microBatches {
            part = 0
            stage = .experts
        }
        return true
    }

    /// Experts for a micro-batch, once the ranks of the host have passed it on; the outputs go back to them.
    mutating func computePassed() -> Bool {
        let mates = shape.membersByHost[shape.hosts[member]]
        guard let messages = take(.spread, step, count: mates.count) else { return false }
        let (near, _) = incoming(messages)
        let arrived = core.receive(near: near, far: Incoming(), over: shape.dispatch.receiving, fromExperts: false)
        let (pairs, distinct, decision) = loadOfSlots(0..<shape.fleet.slotsPerRank, messages)
        compute(pairs, distinct, decision: decision, after: arrived)
        let sent = core.free
        holds[part].sent = sent
        let taken = messages.reduce(Int64(0)) { $0 + (Int($1.sender) != member || shape.isMeasured ? $1.leg.units : 0) }
        let flight = core.departNear(
            sent, bytes: shape.bytes(taken, of: shape.combine, messages: mates.count - 1), isAlone: mates.count == 1, shape)
        for (sender, leg) in messages {
            send(
                LayerLeg(
                    kind: .reduce, step: step, flight: flight, origin: Int32(member), originSent: sent,
                    bytes: shape.bytes(leg.units, of: shape.combine, from: member, to: Int(sender)), units: leg.units, loadSum: pairs, loadMost: pairs
                ),
                to: Int(sender))
        }
        endExperts()
        return true
    }

    /// The outputs of the host's ranks, added up, to where the tokens came from.
    mutating func passOut() -> Bool {
        guard let rails = shape.rails else { return true }
        let mates = shape.membersByHost[shape.hosts[member]]
        guard let messages = take(.reduce, step, count: mates.count) else { return false }
        let sources = rails.sources[member]
        let (near, _) = incoming(messages)
        let tokens = sources.reduce(Int64(0)) { $0 + units[part][$1] }
        let far: Relayed
        (holds[part].arrived, far) = core.passOut(
            holds[part].sent, near: near, bytes: shape.bytes(tokens, of: shape.combine, messages: sources.count), shape)
        let (sum, most) = Self.loads(messages)
        for source in sources {
            send(
                LayerLeg(
                    kind: .giveBack, step: step, flight: far.flight, origin: far.origin, originSent: far.originSent,
                    bytes: shape.bytes(units[part][source], of: shape.combine), units: units[part][source], loadSum: sum, loadMost: most), to: source)
        }
        // The loads of the rank's own host.
        receive(
            LayerLeg(
                kind: .giveBack, step: step, flight: far.flight, origin: far.origin, originSent: far.originSent, units: 0, loadSum: sum,
                loadMost: most), of: iteration, from: Int32(member))
        endExperts()
        return true
    }

    /// What other hosts gave back, beside the outputs of the rank's own host.
    mutating func takeGivenBack(_ rails: HostRails) -> Arrived? {
        guard let messages = take(.giveBack, step - Int32(shape.microBatches), count: rails.otherHosts + 1) else { return nil }
        noteLoads(messages)
        let (_, far) = incoming(messages.filter { Int($0.sender) != member })
        return core.takeIn(holds[part].arrived, far: far, shape)
    }
}
