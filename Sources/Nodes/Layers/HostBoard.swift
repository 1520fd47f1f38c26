import Models
import Quantities

/// The flights of one exchange, gathered by host: what reaches a receiver from its own host, and from all others.
struct HostBoard {
    private var near: [Incoming]
    private var far: [Incoming]
    private var fromOthers: [Incoming]

    init(_ shape: GangShape) {
        near = Array(repeating: Incoming(), count: shape.membersByHost.count)
        far = near
        fromOthers = near
    }

    /// Gathers what members sent.
    mutating func gather(_ shape: GangShape, _ members: some Sequence<Int>, departure: (Int) -> Departure) {
        for host in near.indices {
            near[host] = Incoming()
            far[host] = Incoming()
            fromOthers[host] = Incoming()
        }
        for member in members {
            let departure = departure(member)
            let host = shape.hosts[member]
            near[host].add(departure.near, sent: departure.sent, from: Int32(member), bytes: 0)
            far[host].add(departure.far, sent: departure.sent, from: Int32(member), bytes: 0)
        }
        for host in near.indices {
            for other in near.indices where other != host { fromOthers[host].add(far[other]) }
        }
    }

    /// What reaches a member that gets `bytes`.
    @inline(__always)
    func incoming(at member: Int, _ shape: GangShape, bytes: (near: ByteCount, far: ByteCount)) -> (near: Incoming, far: Incoming) {
        let host = shape.hosts[member]
        var (inside, outside) = (near[host], fromOthers[host])
        inside.bytes = bytes.near
        outside.bytes = bytes.far
        return (inside, outside)
    }
}
