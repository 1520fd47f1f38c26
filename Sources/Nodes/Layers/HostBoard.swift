import Models
import Quantities

/// The flights of one exchange, gathered by host: what reaches a receiver from its own host, and from all others.
struct HostBoard {
    private let near: UnsafeMutableBufferPointer<Incoming>
    private let far: UnsafeMutableBufferPointer<Incoming>
    private let fromOthers: UnsafeMutableBufferPointer<Incoming>

    init(_ shape: GangShape, in memory: LayerMemory) {
        near = memory.take(shape.membersByHost.count, Incoming())
        far = memory.take(shape.membersByHost.count, Incoming())
        fromOthers = memory.take(shape.membersByHost.count, Incoming())
    }

    /// Gathers what members sent.
    /// - Parameter hosts: of each member.
    @inline(__always)
    func gather(_ members: Range<Int>, _ departures: UnsafeMutableBufferPointer<Departure>, hosts: UnsafeMutableBufferPointer<Int>) {
        near.update(repeating: Incoming())
        far.update(repeating: Incoming())
        for member in members {
            let departure = departures[member]
            let host = hosts[member]
            near[host].add(departure.near, sent: departure.sent, from: Int32(truncatingIfNeeded: member), bytes: 0)
            far[host].add(departure.far, sent: departure.sent, from: Int32(truncatingIfNeeded: member), bytes: 0)
        }
        // The order of adding does not matter: for each host those before it, then those after it.
        var before = Incoming()
        for host in far.indices {
            fromOthers[host] = before
            before.add(far[host])
        }
        var after = Incoming()
        for host in far.indices.reversed() {
            fromOthers[host].add(after)
            after.add(far[host])
        }
    }

    /// Gathers what members sent inside their hosts.
    /// - Parameter sent: by member.
    func gather(_ members: Int, hosts: UnsafeMutableBufferPointer<Int>, _ sent: (Int) -> Relayed) {
        near.update(repeating: Incoming())
        for member in 0..<members { near[hosts[member]].add(sent(member), bytes: 0) }
    }

    /// What reaches a member on a host that gets `bytes`.
    @inline(__always)
    func incoming(on host: Int, bytes: (near: ByteCount, far: ByteCount)) -> (near: Incoming, far: Incoming) {
        var (inside, outside) = (near[host], fromOthers[host])
        inside.bytes = bytes.near
        outside.bytes = bytes.far
        return (inside, outside)
    }
}
