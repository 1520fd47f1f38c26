import Models
import Quantities

/// The micro-batches of an iteration on ranks that have attention and experts on the same device: what is under way travels while another micro-batch is computed.
///
/// Ranks that go alike stand for all of their kind; the one that has most of the experts' tokens stands for all, for the others wait for it in every layer. It
/// follows the rules of `ExchangePort`, operation by operation as the emulated ranks do: O(layers x micro-batches x kinds of ranks).
struct RankPipeline {
    /// Bytes to or from ranks of the same host, and of other hosts; `nil` where there are none.
    struct Bytes: Equatable {
        var near: ByteCount?
        var far: ByteCount?
    }

    /// What a rank does for its own tokens of a micro-batch, in nanoseconds.
    struct Own: Equatable {
        /// Attention and router in one layer; shared experts, while tokens are under way.
        var attention: Nanoseconds
        var shared: Nanoseconds
        /// Before the first of these layers, and after the last.
        var dense: Nanoseconds
        var head: Nanoseconds
        /// What it sends to experts, and gets back from them.
        var dispatched: Bytes
        var combined: Bytes
    }

    /// What the rank with most of the experts' tokens has of a micro-batch in one layer: nanoseconds, and bytes there and back.
    struct Routed: Equatable {
        var experts: Nanoseconds
        var dispatched: Bytes
        var combined: Bytes
    }

    /// By kind of rank and micro-batch; never empty, and as many micro-batches in each as in `routed`.
    var ranks: [[Own]]
    /// By micro-batch.
    var routed: [Routed]
    var dispatch: AllToAllModel.Phase
    var combine: AllToAllModel.Phase
    /// For a policy that decides on the tokens of all ranks: what they tell each other, over which links, and the time of a decision.
    var counts: (bytes: Bytes, over: AllToAllModel.Phase, decision: Nanoseconds)?
    var layers: Int

    /// Where the ranks are; flights of their micro-batches by rank and micro-batch.
    private struct State {
        var free: [Instant]
        var ports: [ExchangePort]
        var out: [Departure]
        var back: [Departure]
    }

    /// From the start of an iteration to the end of its last rank.
    var total: Nanoseconds {
        let none = Departure(sent: 0, near: Flight(head: 0, tail: 0), far: Flight(head: 0, tail: 0))
        let flights = Array(repeating: none, count: ranks.count * routed.count)
        var state = State(
            free: Array(repeating: 0, count: ranks.count), ports: Array(repeating: ExchangePort(), count: ranks.count), out: flights, back: flights)
        for layer in 0..<layers {
            for part in routed.indices {
                if layer > 0 { takeBack(part, &state) }
                attend(part, isFirst: layer == 0, &state)
            }
            for part in routed.indices { serve(part, &state) }
        }
        for part in routed.indices {
            if layers > 0 { takeBack(part, &state) }
            for rank in ranks.indices { state.free[rank] += ranks[rank][part].head }
        }
        return state.free.reduce(0, max)
    }

    /// Attention of a micro-batch; then its tokens leave.
    private func attend(_ part: Int, isFirst: Bool, _ state: inout State) {
        for rank in ranks.indices { state.free[rank] += ranks[rank][part].attention + (isFirst ? ranks[rank][part].dense : 0) }
        if let counts {
            let told = ranks.indices.map { Self.depart(state.free[$0], counts.bytes, over: counts.over, &state.ports[$0]) }
            let all = Self.flights(told[...])
            for rank in ranks.indices {
                let arrived = Self.receive(all, counts.bytes, after: told[rank].sent, over: counts.over, &state.ports[rank])
                state.free[rank] = max(state.free[rank], arrived) + counts.decision
            }
        }
        for rank in ranks.indices {
            state.out[part * ranks.count + rank] = Self.depart(state.free[rank], ranks[rank][part].dispatched, over: dispatch, &state.ports[rank])
            state.free[rank] += ranks[rank][part].shared
        }
    }

    /// The experts of a micro-batch, once the tokens of all ranks are there; then their outputs leave.
    private func serve(_ part: Int, _ state: inout State) {
        let start = part * ranks.count
        let all = Self.flights(state.out[start..<start + ranks.count])
        for rank in ranks.indices {
            let arrived = Self.receive(all, routed[part].dispatched, after: state.out[start + rank].sent, over: dispatch, &state.ports[rank])
            state.free[rank] = max(state.free[rank], arrived) + routed[part].experts
            state.back[start + rank] = Self.depart(state.free[rank], routed[part].combined, over: combine, &state.ports[rank])
        }
    }

    /// The experts' outputs come back to all ranks.
    private func takeBack(_ part: Int, _ state: inout State) {
        let start = part * ranks.count
        let all = Self.flights(state.back[start..<start + ranks.count])
        for rank in ranks.indices {
            let arrived = Self.receive(all, ranks[rank][part].combined, after: state.back[start + rank].sent, over: combine, &state.ports[rank])
            state.free[rank] = max(state.free[rank], arrived)
        }
    }

    private static func depart(_ ready: Instant, _ bytes: Bytes, over paths: AllToAllModel.Phase, _ port: inout ExchangePort) -> Departure {
        port.depart(ready, near: bytes.near ?? 0, far: bytes.far ?? 0, over: paths)
    }

    /// From the first head to the last tail on each path: ranks of all kinds are on every host.
    private static func flights(_ departures: ArraySlice<Departure>) -> (near: Incoming, far: Incoming) {
        var (near, far) = (Incoming(), Incoming())
        for departure in departures {
            near.add(departure.near, sent: departure.sent, from: 0, bytes: 0)
            far.add(departure.far, sent: departure.sent, from: 0, bytes: 0)
        }
        return (near, far)
    }

    /// When what all ranks sent is there, and what the rank sent itself has left.
    private static func receive(
        _ all: (near: Incoming, far: Incoming), _ bytes: Bytes, after sent: Instant, over paths: AllToAllModel.Phase, _ port: inout ExchangePort
    ) -> Instant {
        func incoming(_ flights: Incoming, _ bytes: ByteCount?) -> Incoming {
            guard let bytes else { return Incoming() }
            var incoming = flights
            incoming.bytes = bytes
            return incoming
        }
        return max(sent, port.receive(near: incoming(all.near, bytes.near), far: incoming(all.far, bytes.far), over: paths))
    }
}
