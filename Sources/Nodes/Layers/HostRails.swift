import Models
import Quantities

/// Who passes on for whom where a token goes once to each host: the rank with the sender's place among those of its host, as in DeepEP's normal kernels,
/// whose network cards stand on rails.
struct HostRails: Sendable {
    /// By member and host: the member there that gets its tokens; itself on its own host.
    let rails: [[Int]]
    /// By member: those of other hosts whose tokens it passes on, ascending.
    let sources: [[Int]]
    /// By member: how many others are on its host.
    let mates: [Int]
    /// How many hosts there are besides one.
    let otherHosts: Int

    init(_ membersByHost: [[Int]]) {
        let members = membersByHost.reduce(0) { $0 + $1.count }
        var rails = [[Int]](repeating: [], count: members)
        var sources = rails
        var mates = [Int](repeating: 0, count: members)
        for (host, own) in membersByHost.enumerated() {
            for (place, member) in own.enumerated() {
                mates[member] = own.count - 1
                rails[member] = membersByHost.map { $0[place % $0.count] }
                for other in membersByHost.indices where other != host { sources[rails[member][other]].append(member) }
            }
        }
        self.rails = rails
        self.sources = sources.map { $0.sorted() }
        self.mates = mates
        otherHosts = membersByHost.count - 1
    }
}

/// Tokens of a step on each leg, where a token goes once to each host and there once to each rank. The same numbers come back.
///
/// What a rank keeps, or passes on to itself, crosses no link, but a measured all-to-all has it in its fit.
struct HostUnits {
    /// By member: what goes to other hosts, and what it gets from there to pass on.
    let out: UnsafeMutableBufferPointer<Int64>
    let incoming: UnsafeMutableBufferPointer<Int64>
    /// What it sends inside its host, of its own and passed on, and what it gets there.
    let own: UnsafeMutableBufferPointer<Int64>
    let passed: UnsafeMutableBufferPointer<Int64>
    let taken: UnsafeMutableBufferPointer<Int64>
    /// What counts without being sent.
    let kept: UnsafeMutableBufferPointer<Int64>
    private let hosts: Int

    init(_ shape: GangShape, in memory: LayerMemory) {
        let members = shape.rails == nil ? 0 : shape.members.count
        hosts = shape.membersByHost.count
        out = memory.take(members, 0)
        incoming = memory.take(members, 0)
        own = memory.take(members, 0)
        passed = memory.take(members, 0)
        taken = memory.take(members, 0)
        kept = memory.take(members, 0)
    }

    func clear() { for numbers in [out, incoming, own, passed, taken, kept] { numbers.update(repeating: 0) } }

    /// Adds a rank's tokens.
    /// - Parameter row: numbers of those that reach each host, and then each rank.
    @inline(__always)
    func add<Number: FixedWidthInteger>(_ row: UnsafePointer<Number>, of rank: Int, _ shape: GangShape, _ rails: HostRails) {
        let (ownHost, countsKept) = (shape.hosts[rank], shape.isMeasured)
        rails.rails[rank].withUnsafeBufferPointer { relays in
            for host in 0..<hosts where host != ownHost {
                let tokens = Int64(truncatingIfNeeded: row[host])
                out[rank] += tokens
                incoming[relays[host]] += tokens
            }
            shape.hosts.withUnsafeBufferPointer { hostOf in
                for expert in 0..<hostOf.count {
                    let relay = relays[hostOf[expert]]
                    guard relay != expert || countsKept else { continue }
                    let tokens = Int64(truncatingIfNeeded: row[hosts + expert])
                    if relay == rank { own[rank] += tokens } else { passed[relay] += tokens }
                    taken[expert] += tokens
                    if relay == expert { kept[expert] += tokens }
                }
            }
        }
    }
}

/// What a rank holds between two legs.
struct HostHold {
    /// When it was ready itself.
    var sent: Instant = 0
    var arrived = Arrived.at(0)
    /// What it passes on inside its host.
    var near = Relayed.own(0, origin: 0, originSent: 0)
    /// And beyond.
    var far = Relayed.own(0, origin: 0, originSent: 0)
}

/// The four legs of a dispatch and a combine, at one rank. Bytes on a link have the headers of their messages, those of a measured all-to-all none.
extension RankCore {
    /// A rank's tokens leave for other hosts.
    mutating func departFar(_ sent: Instant, bytes: ByteCount, _ shape: GangShape) -> Flight {
        port.relay(sent, own: bytes, passed: 0, arriving: nil, over: shape.dispatch.sending.scaleOut, isFar: true)
    }

    /// Its own tokens, and those that came from other hosts for it to pass on, leave for the ranks of its host.
    mutating func passIn(
        _ sent: Instant, rank: Int, far: Incoming, own: ByteCount, passed: ByteCount, isAlone: Bool, _ shape: GangShape
    ) -> Relayed {
        let path = shape.insideHost(shape.dispatch, isAlone: isAlone)
        guard far.lastTail >= 0 else {
            let flight = port.relay(sent, own: own, passed: 0, arriving: nil, over: path, isFar: false)
            return Relayed(flight: flight, origin: Int32(rank), originSent: sent)
        }
        let arrived = receive(near: Incoming(), far: far, over: shape.dispatch.receiving, fromExperts: false)
        let flight = port.relay(
            sent, own: own, passed: passed, arriving: shape.chunks(far, arrived, over: path), over: path, isFar: false)
        let isOwn = arrived.done <= sent
        return Relayed(flight: flight, origin: isOwn ? Int32(rank) : arrived.last, originSent: isOwn ? sent : arrived.sent)
    }

    /// Its outputs leave for the ranks of its host.
    mutating func departNear(_ sent: Instant, bytes: ByteCount, isAlone: Bool, _ shape: GangShape) -> Flight {
        port.relay(sent, own: bytes, passed: 0, arriving: nil, over: shape.insideHost(shape.combine, isAlone: isAlone), isFar: false)
    }

    /// The outputs of its host, added up, leave for other hosts. Answers those of its own tokens too.
    mutating func passOut(_ sent: Instant, near: Incoming, bytes: ByteCount, _ shape: GangShape) -> (own: Arrived, far: Relayed) {
        let arrived = receive(near: near, far: Incoming(), over: shape.combine.receiving, fromExperts: true)
        let flight = port.relay(
            sent, own: 0, passed: bytes, arriving: shape.chunks(near, arrived, over: shape.combine.sending.scaleUp),
            over: shape.combine.sending.scaleOut, isFar: true)
        return (arrived, Relayed(flight: flight, origin: arrived.last, originSent: arrived.sent))
    }

    /// Outputs from other hosts are there, as those of the rank's own host are.
    mutating func takeIn(_ own: Arrived, far: Incoming, _ shape: GangShape) -> Arrived {
        guard far.lastTail >= 0 else { return own }
        let arrived = receive(near: Incoming(), far: far, over: shape.combine.receiving, fromExperts: true)
        return arrived.done > own.done ? arrived : own
    }
}

extension GangShape {
    /// The way to the ranks of a host. A rank that is alone there passes on to itself, which takes no hop but in a measured all-to-all.
    func insideHost(_ way: Way, isAlone: Bool) -> AllToAllModel.Path {
        var path = way.sending.scaleUp
        if isAlone, !isMeasured { path.latency = 0 }
        return path
    }

    /// When the chunks of what has come can be passed on. A measured all-to-all has both legs in its latency, which counts once.
    func chunks(_ incoming: Incoming, _ arrived: Arrived, over path: AllToAllModel.Path) -> Flight {
        let hop = isMeasured ? path.latency : 0
        return Flight(head: incoming.firstHead - hop, tail: arrived.done - hop)
    }

    /// Bytes of messages to or from `count` others.
    func bytes(_ tokens: Int64, of way: Way, messages count: Int) -> ByteCount { header * ByteCount(count) + way.tokenBytes * tokens }
}
