import Models
import Quantities

/// Who relays for whom where tokens travel in two phases: the first attention rank of a host gathers for it, the first expert rank of a host
/// spreads for it.
struct Relays: Sendable {
    /// A host's ranks of one side, by member; the first one relays.
    let attention: [[Int]]
    let experts: [[Int]]

    init(_ membersByHost: [[Int]], attentionRanks: Int, isDisaggregated: Bool) {
        attention = membersByHost.map { $0.filter { $0 < attentionRanks } }.filter { !$0.isEmpty }
        experts = membersByHost.map { $0.filter { !isDisaggregated || $0 >= attentionRanks } }.filter { !$0.isEmpty }
    }

    /// The place among `attention` or `experts` of the host for which a member relays; `nil` for the others.
    func place(ofLeader member: Int) -> Int? { attention.firstIndex { $0.first == member } }
    func place(ofRelay member: Int) -> Int? { experts.firstIndex { $0.first == member } }
    /// The place of the host that a member is on.
    func attentionHost(of member: Int) -> Int? { attention.firstIndex { $0.contains(member) } }
    func expertHost(of member: Int) -> Int? { experts.firstIndex { $0.contains(member) } }
}

/// A message that is passed on: when it can be received, and who was the last to send what it holds, and when.
struct Relayed: Sendable, Equatable {
    var flight: Flight
    var origin: Int32
    var originSent: Instant

    /// What a relay has of its own.
    static func own(_ time: Instant, origin: Int32, originSent: Instant) -> Relayed {
        Relayed(flight: Flight(head: time, tail: time), origin: origin, originSent: originSent)
    }
}

extension RankCore {
    /// Sends the same message, or messages of one exchange, in two parts: inside the host and beyond.
    mutating func pass(_ arrived: Arrived, near: ByteCount, far: ByteCount, over way: GangShape.Way) -> (near: Relayed, far: Relayed) {
        let departure = port.depart(arrived.done, near: near, far: far, over: way.sending)
        return (
            Relayed(flight: departure.near, origin: arrived.last, originSent: arrived.sent),
            Relayed(flight: departure.far, origin: arrived.last, originSent: arrived.sent)
        )
    }
}

extension Incoming {
    /// Adds a message that was passed on.
    mutating func add(_ relayed: Relayed, bytes: ByteCount) {
        add(relayed.flight, sent: relayed.originSent, from: relayed.origin, bytes: bytes)
    }
}

extension GangShape {
    /// Bytes of one message with `tokens` hidden states.
    func bytes(_ tokens: Int64, of way: Way) -> ByteCount { header + way.tokenBytes * tokens }
}

/// Two phases: attention ranks to the first of their host, one message to each host of experts, and from there to its ranks; and back.
extension LayerEvaluator {
    /// Tokens are gathered, and put to each host of experts.
    mutating func relayDispatch(_ part: Int, _ sheets: [LoadSheet]) {
        let relays = shape.relays
        let way = shape.dispatch
        let tokens = sheets.map { $0.parts[part].tokens }
        parts[part].tokens = tokens
        parts[part].puts.removeAll(keepingCapacity: true)
        for ranks in relays.attention {
            let leader = ranks[0]
            var gathered = Incoming()
            for rank in ranks {
                let sent = departures[rank].sent
                guard rank != leader else {
                    gathered.add(.own(sent, origin: Int32(rank), originSent: sent), bytes: 0)
                    continue
                }
                let bytes = shape.bytes(tokens[rank], of: way)
                let departure = cores[rank].port.depart(sent, near: bytes, far: 0, over: way.sending)
                traffic[rank].add(messages: 1, bytes: bytes)
                gathered.add(departure.near, sent: sent, from: Int32(rank), bytes: bytes)
            }
            let arrived = cores[leader].receive(near: gathered, far: Incoming(), over: way.receiving, fromExperts: false)
            let bytes = shape.bytes(ranks.reduce(0) { $0 + tokens[$1] }, of: way)
            let near = relays.experts.count { shape.hosts[$0[0]] == shape.hosts[leader] }
            let far = relays.experts.count - near
            parts[part].puts.append(cores[leader].pass(arrived, near: bytes * Int64(near), far: bytes * Int64(far), over: way))
            traffic[leader].add(messages: near + far, bytes: bytes * Int64(near + far))
        }
    }

    /// Tokens are spread within each host of experts.
    mutating func spreadDispatch(_ part: Int) {
        let relays = shape.relays
        let way = shape.dispatch
        let tokens = parts[part].tokens
        let puts = parts[part].puts
        let all = tokens.reduce(0, +)
        for members in relays.experts {
            let relay = members[0]
            var near = Incoming()
            var far = Incoming()
            for (place, ranks) in relays.attention.enumerated() {
                let bytes = shape.bytes(ranks.reduce(0) { $0 + tokens[$1] }, of: way)
                if shape.hosts[ranks[0]] == shape.hosts[relay] {
                    near.add(puts[place].near, bytes: bytes)
                } else {
                    far.add(puts[place].far, bytes: bytes)
                }
            }
            let arrived = cores[relay].receive(near: near, far: far, over: way.receiving, fromExperts: false)
            let bytes = shape.bytes(all, of: way)
            let spread = cores[relay].pass(arrived, near: bytes * Int64(members.count - 1), far: 0, over: way)
            traffic[relay].add(messages: members.count - 1, bytes: bytes * Int64(members.count - 1))
            for member in members {
                var incoming = Incoming()
                incoming.add(spread.near, bytes: bytes)
                parts[part].dispatched[member - shape.attentionRanks] =
                    member == relay ? arrived : cores[member].receive(near: incoming, far: Incoming(), over: way.receiving, fromExperts: false)
            }
        }
    }

    /// Outputs are reduced within each host of experts, and given back to each host of attention ranks.
    mutating func relayCombine(_ part: Int) {
        let relays = shape.relays
        let way = shape.combine
        let tokens = parts[part].tokens
        let bytes = shape.bytes(tokens.reduce(0, +), of: way)
        parts[part].relayed.removeAll(keepingCapacity: true)
        for members in relays.experts {
            let relay = members[0]
            var reduced = Incoming()
            for member in members {
                let sent = cores[member].free
                guard member != relay else {
                    reduced.add(.own(sent, origin: Int32(member), originSent: sent), bytes: 0)
                    continue
                }
                let departure = cores[member].port.depart(sent, near: bytes, far: 0, over: way.sending)
                traffic[member].add(messages: 1, bytes: bytes)
                reduced.add(departure.near, sent: sent, from: Int32(member), bytes: bytes)
            }
            let arrived = cores[relay].receive(near: reduced, far: Incoming(), over: way.receiving, fromExperts: true)
            var near: ByteCount = 0
            var far: ByteCount = 0
            for ranks in relays.attention {
                let bytes = shape.bytes(ranks.reduce(0) { $0 + tokens[$1] }, of: way)
                if shape.hosts[ranks[0]] == shape.hosts[relay] { near += bytes } else { far += bytes }
            }
            parts[part].relayed.append(cores[relay].pass(arrived, near: near, far: far, over: way))
            traffic[relay].add(messages: relays.attention.count, bytes: near + far)
        }
    }

    /// Outputs are handed out within each host of attention ranks.
    mutating func receiveRelayedCombines(_ part: Int) {
        let relays = shape.relays
        let way = shape.combine
        let tokens = parts[part].tokens
        for ranks in relays.attention {
            let leader = ranks[0]
            let bytes = shape.bytes(ranks.reduce(0) { $0 + tokens[$1] }, of: way)
            var near = Incoming()
            var far = Incoming()
            for (place, members) in relays.experts.enumerated() {
                if shape.hosts[members[0]] == shape.hosts[leader] {
                    near.add(parts[part].relayed[place].near, bytes: bytes)
                } else {
                    far.add(parts[part].relayed[place].far, bytes: bytes)
                }
            }
            let arrived = cores[leader].receive(near: near, far: far, over: way.receiving, fromExperts: true)
            let mates = ranks.dropFirst()
            let given = mates.reduce(0) { $0 + shape.bytes(tokens[$1], of: way) }
            let spread = cores[leader].pass(arrived, near: given, far: 0, over: way)
            traffic[leader].add(messages: mates.count, bytes: given)
            parts[part].combined[leader] = arrived
            for rank in mates {
                var incoming = Incoming()
                incoming.add(spread.near, bytes: shape.bytes(tokens[rank], of: way))
                parts[part].combined[rank] = cores[rank].receive(near: incoming, far: Incoming(), over: way.receiving, fromExperts: true)
            }
        }
    }
}
