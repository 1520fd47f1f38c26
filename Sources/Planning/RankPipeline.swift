import Models
import Quantities

/// The micro-batches of an iteration on ranks that have attention and experts on the same device: what is under way travels while another micro-batch is computed.
///
/// All ranks are equally full and go alike; the one that has most of the experts' tokens stands for all, for the others wait for it in every layer. It
/// follows the rules of `ExchangePort`, operation by operation as the emulated ranks do: O(layers x micro-batches).
struct RankPipeline {
    /// Bytes to or from ranks of the same host, and of other hosts; `nil` where there are none.
    struct Bytes: Equatable {
        var near: ByteCount?
        var far: ByteCount?
    }

    /// Nanoseconds of a micro-batch in one layer: attention and router; shared experts, while tokens are under way; routed experts.
    var attention: Nanoseconds
    var shared: Nanoseconds
    var experts: Nanoseconds
    /// Of a micro-batch before the first of these layers, and after the last.
    var dense: Nanoseconds
    var head: Nanoseconds
    /// Tokens of the rank itself, and those that it gets for its experts; there and back.
    var dispatched: (sent: Bytes, received: Bytes)
    var combined: (sent: Bytes, received: Bytes)
    var dispatch: AllToAllModel.Phase
    var combine: AllToAllModel.Phase
    /// For a policy that decides on the tokens of all ranks: what they tell each other, over which links, and the time of a decision.
    var counts: (bytes: Bytes, over: AllToAllModel.Phase, decision: Nanoseconds)?
    var layers: Int
    var microBatches: Int

    /// From the start of an iteration to its end.
    var total: Nanoseconds {
        var port = ExchangePort()
        var free: Instant = 0
        var back = [Departure?](repeating: nil, count: microBatches)
        var out = back
        func takeBack(_ part: Int, _ port: inout ExchangePort) -> Instant {
            back[part].map { Self.receive($0, combined.received, over: combine, &port) } ?? 0
        }
        for layer in 0..<layers {
            for part in 0..<microBatches {
                free = max(free, takeBack(part, &port)) + attention + (layer == 0 ? dense : 0)
                if let counts {
                    let told = Self.depart(free, counts.bytes, over: counts.over, &port)
                    free = max(free, Self.receive(told, counts.bytes, over: counts.over, &port)) + counts.decision
                }
                out[part] = Self.depart(free, dispatched.sent, over: dispatch, &port)
                free += shared
            }
            for part in 0..<microBatches {
                let arrived = out[part].map { Self.receive($0, dispatched.received, over: dispatch, &port) } ?? 0
                free = max(free, arrived) + experts
                back[part] = Self.depart(free, combined.sent, over: combine, &port)
            }
        }
        for part in 0..<microBatches { free = max(free, takeBack(part, &port)) + head }
        return free
    }

    private static func depart(_ ready: Instant, _ bytes: Bytes, over paths: AllToAllModel.Phase, _ port: inout ExchangePort) -> Departure {
        port.depart(ready, near: bytes.near ?? 0, far: bytes.far ?? 0, over: paths)
    }

    /// When what the other ranks sent at the same time is there.
    private static func receive(_ departure: Departure, _ bytes: Bytes, over paths: AllToAllModel.Phase, _ port: inout ExchangePort) -> Instant {
        func incoming(_ flight: Flight, _ bytes: ByteCount?) -> Incoming {
            var incoming = Incoming()
            if let bytes { incoming.add(flight, sent: departure.sent, from: 0, bytes: bytes) }
            return incoming
        }
        return max(
            departure.sent, port.receive(near: incoming(departure.near, bytes.near), far: incoming(departure.far, bytes.far), over: paths))
    }
}
