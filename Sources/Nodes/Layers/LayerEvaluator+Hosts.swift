import Models
import Quantities

/// Dispatch and combine where a token goes once to each host: over the network to the rank of the sender's rail, and from there inside the host.
extension LayerEvaluator {
    /// The tokens of a micro-batch leave for other hosts.
    func sendToHosts(_ part: Int, _ rails: HostRails) {
        let (shape, units, holds, cores, traffic) = (shape, parts[part].units.hosts, parts[part].holds, cores, traffic)
        for rank in 0..<shape.attentionRanks {
            let bytes = shape.bytes(units.out[rank], of: shape.dispatch, messages: rails.otherHosts)
            holds[rank].sent = departures[rank].sent
            holds[rank].far = Relayed(
                flight: cores[rank].departFar(departures[rank].sent, bytes: bytes, shape), origin: Int32(rank), originSent: departures[rank].sent)
            traffic[rank].add(messages: rails.otherHosts, bytes: bytes)
        }
    }

    /// They are there, and leave for the ranks of the host.
    func passInHosts(_ part: Int, _ rails: HostRails) {
        let (shape, units, holds, cores, traffic) = (shape, parts[part].units.hosts, parts[part].holds, cores, traffic)
        let way = shape.dispatch
        for rank in 0..<shape.attentionRanks {
            let mates = rails.mates[rank]
            let own = shape.bytes(units.own[rank], of: way, messages: mates)
            let passed = way.tokenBytes * units.passed[rank]
            let far = incoming(
                to: rank, from: rails.sources[rank], holds, bytes: shape.bytes(units.incoming[rank], of: way, messages: rails.sources[rank].count))
            holds[rank].near = cores[rank].passIn(
                holds[rank].sent, rank: rank, far: far, own: own, passed: passed, isAlone: mates == 0, shape)
            traffic[rank].add(messages: mates, bytes: own + passed - way.tokenBytes * units.kept[rank])
        }
        parts[part].dispatches.gather(shape.attentionRanks, hosts: hosts) { holds[$0].near }
    }

    /// Experts take in what the ranks of their host sent and passed on.
    func takeFromHosts(_ part: Int, _ rails: HostRails) {
        let (shape, units, cores, dispatched) = (shape, parts[part].units.hosts, cores, parts[part].dispatched)
        for rank in 0..<shape.expertRanks {
            let bytes = shape.bytes(units.taken[rank], of: shape.dispatch, messages: rails.mates[rank])
            let near = parts[part].dispatches.incoming(on: hosts[rank], bytes: (bytes, 0)).near
            dispatched[rank] = cores[rank].receive(near: near, far: Incoming(), over: shape.dispatch.receiving, fromExperts: false)
        }
    }

    /// Outputs leave for the ranks of the host that add them up.
    func reduceInHosts(_ part: Int, _ rails: HostRails) {
        let (shape, units, holds, cores, traffic) = (shape, parts[part].units.hosts, parts[part].holds, cores, traffic)
        for rank in 0..<shape.expertRanks {
            let bytes = shape.bytes(units.taken[rank], of: shape.combine, messages: rails.mates[rank])
            let sent = cores[rank].free
            holds[rank].sent = sent
            holds[rank].near = Relayed(
                flight: cores[rank].departNear(sent, bytes: bytes, isAlone: rails.mates[rank] == 0, shape), origin: Int32(rank), originSent: sent)
            traffic[rank].add(messages: rails.mates[rank], bytes: bytes - shape.combine.tokenBytes * units.kept[rank])
        }
        parts[part].combines.gather(shape.expertRanks, hosts: hosts) { holds[$0].near }
    }

    /// They are added up, and leave for the hosts of their tokens.
    func giveBackToHosts(_ part: Int, _ rails: HostRails) {
        let (shape, units, holds, cores, traffic) = (shape, parts[part].units.hosts, parts[part].holds, cores, traffic)
        let way = shape.combine
        for rank in 0..<shape.attentionRanks {
            let bytes = shape.bytes(units.own[rank] + units.passed[rank], of: way, messages: rails.mates[rank])
            let near = parts[part].combines.incoming(on: hosts[rank], bytes: (bytes, 0)).near
            let out = shape.bytes(units.incoming[rank], of: way, messages: rails.sources[rank].count)
            (holds[rank].arrived, holds[rank].far) = cores[rank].passOut(holds[rank].sent, near: near, bytes: out, shape)
            traffic[rank].add(messages: rails.sources[rank].count, bytes: out)
        }
    }

    /// Attention ranks take in what came back.
    func takeBackFromHosts(_ part: Int, _ rails: HostRails) {
        let (shape, units, holds, cores) = (shape, parts[part].units.hosts, parts[part].holds, cores)
        for rank in 0..<shape.attentionRanks {
            let senders = rails.rails[rank].filter { $0 != rank }
            let bytes = shape.bytes(units.out[rank], of: shape.combine, messages: rails.otherHosts)
            let far = incoming(to: rank, from: senders, holds, bytes: bytes)
            parts[part].combined[rank] = cores[rank].takeIn(holds[rank].arrived, far: far, shape)
        }
    }

    private func incoming(
        to rank: Int, from senders: [Int], _ holds: UnsafeMutableBufferPointer<HostHold>, bytes: ByteCount
    ) -> Incoming {
        var incoming = Incoming()
        for sender in senders { incoming.add(holds[sender].far, bytes: 0) }
        incoming.bytes = bytes
        return incoming
    }
}
