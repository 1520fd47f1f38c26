import Models
import Quantities

/// Dispatch and combine from each rank of one side straight to each of the other.
extension LayerEvaluator {
    /// The dispatches of a micro-batch leave.
    func sendDispatches(_ part: Int) {
        if let rails = shape.rails { return sendToHosts(part, rails) }
        let (shape, units, cores, departures, traffic) = (shape, parts[part].units, cores, departures, traffic)
        let way = shape.dispatch
        for rank in 0..<shape.attentionRanks {
            let others = shape.experts(around: rank)
            let bytes = shape.bytes(units.byAttention[rank], of: way, others: others)
            departures[rank] = cores[rank].port.depart(departures[rank].sent, near: bytes.near, far: bytes.far, over: way.sending)
            let kept = shape.countsKept ? units.kept[rank] * way.tokenBytes : 0
            traffic[rank].add(messages: others.count, bytes: bytes.near + bytes.far - kept)
        }
        parts[part].dispatches.gather(0..<shape.attentionRanks, departures, hosts: hosts)
    }

    /// Experts take in what was dispatched to them.
    mutating func receiveDispatches(_ part: Int) {
        guard shape.mixture.transfer != .twoPhase else { return spreadDispatch(part) }
        if let rails = shape.rails { return takeFromHosts(part, rails) }
        let (shape, units, cores, board, dispatched) = (shape, parts[part].units, cores, parts[part].dispatches, parts[part].dispatched)
        let way = shape.dispatch
        let first = shape.member(ofExpert: 0)
        for expert in 0..<shape.expertRanks {
            let member = first + expert
            let bytes = shape.bytes(units.byExpert[expert], of: way, others: shape.attention(around: member))
            let (near, far) = board.incoming(on: hosts[member], bytes: bytes)
            dispatched[expert] = cores[member].receive(near: near, far: far, over: way.receiving, fromExperts: false)
        }
    }

    /// The combines of a micro-batch leave.
    func sendCombines(_ part: Int) {
        if let rails = shape.rails { return reduceInHosts(part, rails) }
        let (shape, units, cores, departures, traffic) = (shape, parts[part].units, cores, departures, traffic)
        let way = shape.combine
        let first = shape.member(ofExpert: 0)
        for expert in 0..<shape.expertRanks {
            let member = first + expert
            let others = shape.attention(around: member)
            let bytes = shape.bytes(units.byExpert[expert], of: way, others: others)
            departures[member] = cores[member].port.depart(cores[member].free, near: bytes.near, far: bytes.far, over: way.sending)
            let kept = shape.countsKept ? units.kept[expert] * way.tokenBytes : 0
            traffic[member].add(messages: others.count, bytes: bytes.near + bytes.far - kept)
        }
        parts[part].combines.gather(first..<first + shape.expertRanks, departures, hosts: hosts)
    }

    /// Attention ranks take in what experts sent back.
    mutating func receiveCombines(_ part: Int) {
        guard shape.mixture.transfer != .twoPhase else { return receiveRelayedCombines(part) }
        if let rails = shape.rails { return takeBackFromHosts(part, rails) }
        let (shape, units, cores, board, combined) = (shape, parts[part].units, cores, parts[part].combines, parts[part].combined)
        let way = shape.combine
        for rank in 0..<shape.attentionRanks {
            let bytes = shape.bytes(units.byAttention[rank], of: way, others: shape.experts(around: rank))
            let (near, far) = board.incoming(on: hosts[rank], bytes: bytes)
            combined[rank] = cores[rank].receive(near: near, far: far, over: way.receiving, fromExperts: true)
        }
    }
}

/// How many ranks a member exchanges with, itself not counted.
struct Others {
    var near: Int
    var far: Int
    var count: Int { near + far }
}

extension GangShape {
    /// Expert ranks that an attention rank sends to.
    func experts(around rank: Int) -> Others { expertsAround[rank] }

    /// Attention ranks that a member with experts sends to.
    func attention(around member: Int) -> Others { attentionAround[member] }

    /// Bytes of `sum` hidden states in messages to or from `others`.
    @inline(__always)
    func bytes(_ sum: UnitSum, of way: Way, others: Others) -> (near: ByteCount, far: ByteCount) {
        (header * ByteCount(others.near) + way.tokenBytes * sum.near, header * ByteCount(others.far) + way.tokenBytes * (sum.all - sum.near))
    }

    /// Bytes of one message with `units` hidden states: none for what a rank keeps, unless a measured all-to-all counts it.
    func bytes(_ units: Int64, of way: Way, from source: Int, to target: Int) -> ByteCount {
        source == target ? (isMeasured ? way.tokenBytes * units : 0) : header + way.tokenBytes * units
    }

    /// Bytes of one message with tokens by expert.
    var countBytes: ByteCount { MessageSize.header + 4 * ByteCount(fleet.experts) }

    /// Bytes of one rank's counts for a policy that decides on all, to all other attention ranks.
    func countBytes(from rank: Int) -> (near: ByteCount, far: ByteCount) {
        let bytes = countBytes
        let near = membersByHost[hosts[rank]].count { $0 < attentionRanks && $0 != rank }
        return (bytes * ByteCount(near), bytes * ByteCount(attentionRanks - 1 - near))
    }
}
