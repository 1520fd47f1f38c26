import Models
import Quantities

/// Dispatch and combine from each rank of one side straight to each of the other.
extension LayerEvaluator {
    /// The dispatches of a micro-batch leave.
    mutating func sendDispatches(_ part: Int) {
        for rank in 0..<shape.attentionRanks {
            let bytes = shape.bytes(parts[part].units.byAttention[rank], of: shape.dispatch, others: shape.experts(around: rank))
            departures[rank] = cores[rank].port.depart(departures[rank].sent, near: bytes.near, far: bytes.far, over: shape.dispatch.sending)
            let kept = shape.kept(parts[part].units, rank) * shape.dispatch.tokenBytes
            traffic[rank].add(messages: shape.experts(around: rank).count, bytes: bytes.near + bytes.far - kept)
        }
        let departures = departures
        parts[part].dispatches.gather(shape, 0..<shape.attentionRanks) { departures[$0] }
    }

    /// Experts take in what was dispatched to them.
    mutating func receiveDispatches(_ part: Int) {
        guard shape.mixture.transfer != .twoPhase else { return spreadDispatch(part) }
        for expert in 0..<shape.expertRanks {
            let member = shape.member(ofExpert: expert)
            let bytes = shape.bytes(parts[part].units.byExpert[expert], of: shape.dispatch, others: shape.attention(around: member))
            let (near, far) = parts[part].dispatches.incoming(at: member, shape, bytes: bytes)
            parts[part].dispatched[expert] = cores[member].receive(near: near, far: far, over: shape.dispatch.receiving, fromExperts: false)
        }
    }

    /// The combines of a micro-batch leave.
    mutating func sendCombines(_ part: Int) {
        for expert in 0..<shape.expertRanks {
            let member = shape.member(ofExpert: expert)
            let bytes = shape.bytes(parts[part].units.byExpert[expert], of: shape.combine, others: shape.attention(around: member))
            departures[member] = cores[member].port.depart(cores[member].free, near: bytes.near, far: bytes.far, over: shape.combine.sending)
            let kept = shape.kept(parts[part].units, member) * shape.combine.tokenBytes
            traffic[member].add(messages: shape.attention(around: member).count, bytes: bytes.near + bytes.far - kept)
        }
        let (departures, shape) = (departures, shape)
        parts[part].combines.gather(shape, (0..<shape.expertRanks).lazy.map { shape.member(ofExpert: $0) }) { departures[$0] }
    }

    /// Attention ranks take in what experts sent back.
    mutating func receiveCombines(_ part: Int) {
        guard shape.mixture.transfer != .twoPhase else { return receiveRelayedCombines(part) }
        for rank in 0..<shape.attentionRanks {
            let bytes = shape.bytes(parts[part].units.byAttention[rank], of: shape.combine, others: shape.experts(around: rank))
            let (near, far) = parts[part].combines.incoming(at: rank, shape, bytes: bytes)
            parts[part].combined[rank] = cores[rank].receive(near: near, far: far, over: shape.combine.receiving, fromExperts: true)
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
    func bytes(_ sum: UnitMatrix.Sum, of way: Way, others: Others) -> (near: ByteCount, far: ByteCount) {
        (header * ByteCount(others.near) + way.tokenBytes * sum.near, header * ByteCount(others.far) + way.tokenBytes * (sum.all - sum.near))
    }

    /// Units that a member keeps for itself and that a measured all-to-all counts; they are no message.
    func kept(_ units: UnitMatrix, _ member: Int) -> Int64 {
        mixture.fabric == nil || gang.isDisaggregated ? 0 : units.units[member * expertRanks + member]
    }

    /// Bytes of one message with `units` hidden states: none for what a rank keeps, unless a measured all-to-all counts it.
    func bytes(_ units: Int64, of way: Way, from source: Int, to target: Int) -> ByteCount {
        source == target ? (mixture.fabric == nil ? 0 : way.tokenBytes * units) : header + way.tokenBytes * units
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
