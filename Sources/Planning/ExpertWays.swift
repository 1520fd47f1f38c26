import Cluster
import Models
import Quantities

/// What it takes to bring a micro-batch's tokens from attention nodes to expert nodes and back, with all nodes equally full and ready at once.
///
/// Each path is `latency + bytes / bandwidth` at the fuller of the two ports, as an exchange of equal messages takes it.
struct ExpertWays {
    /// Nanoseconds there and back, and those for which the busiest port is taken in one direction.
    struct Times: Equatable {
        var dispatch: Nanoseconds = 0
        var combine: Nanoseconds = 0
        var port: Nanoseconds = 0
    }

    /// Nodes of each side, and of one side most on a host; hosts of each side.
    private struct Sides {
        var attention = 0
        var experts = 0
        var attentionHosts = 0
        var expertHosts = 0
        var attentionMates = 0
        var expertMates = 0
    }

    private var sides = Sides()
    /// Fewest nodes of the other side on the host of a node: with the rest it exchanges over the network cards.
    private let nearExperts: Int
    private let nearAttention: Int
    private let transfer: ExpertTransfer
    private let topK: Int
    /// Ways at both ends, there and back.
    private let dispatch: (sending: AllToAllModel.Phase, receiving: AllToAllModel.Phase, bytes: ByteCount)
    private let combine: (sending: AllToAllModel.Phase, receiving: AllToAllModel.Phase, bytes: ByteCount)
    /// Between the end of an iteration and the start of the next one.
    let gap: Nanoseconds
    /// The exchange of tokens by expert among attention nodes, for a policy that decides on all of them.
    let countTime: Nanoseconds

    init(_ plan: ClusterPlan, attention: Int, expert: Int) {
        let layout = ClusterLayout(plan)
        let here = layout.nodes.filter { $0.pool == attention }
        let there = layout.nodes.filter { $0.pool == expert }
        func sizes(_ nodes: [NodePlan]) -> (hosts: Int, most: Int) {
            var (hosts, most, run, last) = (0, 0, 0, -1)
            for node in nodes {
                if node.host != last { (hosts, run, last) = (hosts + 1, 0, node.host) }
                run += 1
                most = max(most, run)
            }
            return (hosts, most)
        }
        sides.attention = here.count
        sides.experts = there.count
        (sides.attentionHosts, sides.attentionMates) = sizes(here)
        (sides.expertHosts, sides.expertMates) = sizes(there)
        nearExperts = here.map { node in there.count { $0.host == node.host } }.min() ?? 0
        nearAttention = there.map { node in here.count { $0.host == node.host } }.min() ?? 0

        let mixture = plan.pools[attention].mixture ?? MixturePlan()
        let model = plan.pools[attention].model
        transfer = mixture.transfer
        topK = model.experts?.topK ?? 1
        let racks = (here + there).contains { $0.rack != here.first?.rack }
        let near = plan.paths(of: plan.pools[attention], acrossRacks: racks)
        let far = plan.paths(of: plan.pools[expert], acrossRacks: racks)
        dispatch = (
            mixture.fabric?.dispatch ?? near, mixture.fabric?.dispatch ?? far, mixture.dispatchFormat.bytes(hidden: model.hidden)
        )
        combine = (mixture.fabric?.combine ?? far, mixture.fabric?.combine ?? near, mixture.combineFormat.bytes(hidden: model.hidden))
        let isSpread = (here + there).contains { $0.host != here.first?.host }
        gap = (isSpread ? near.scaleOut.latency : near.scaleUp.latency) + 1_000
        let counts = 4 * ByteCount(model.experts?.count ?? 0) * ByteCount(max(0, here.count - 1))
        countTime = here.count > 1 ? (sides.attentionHosts > 1 ? near.scaleOut : near.scaleUp).time(counts).total : 0
    }

    /// - Parameters:
    ///   - tokens: of each attention node.
    ///   - routed: pairs of token and expert on the expert node that has most of them.
    func times(tokens: Int, routed: Double) -> Times {
        transfer == .twoPhase ? relayed(tokens: Double(tokens)) : direct(tokens: Double(tokens), routed: routed)
    }

    private func direct(tokens: Double, routed: Double) -> Times {
        let all = transfer == .broadcast
        let sent = all ? tokens * Double(sides.experts) : tokens * Double(topK)
        let received = all ? tokens * Double(sides.attention) : routed
        let nearHere = Double(nearExperts) / Double(max(1, sides.experts))
        let nearThere = Double(nearAttention) / Double(max(1, sides.attention))
        var times = Times()
        func way(
            _ way: (sending: AllToAllModel.Phase, receiving: AllToAllModel.Phase, bytes: ByteCount), out: Double, back: Double, near: (Double, Double)
        )
            -> Nanoseconds
        {
            let bytes = Double(way.bytes)
            var longest: Nanoseconds = 0
            for (path, other, shares) in [
                (way.sending.scaleUp, way.receiving.scaleUp, near), (way.sending.scaleOut, way.receiving.scaleOut, (1 - near.0, 1 - near.1)),
            ] where shares.0 > 0 || shares.1 > 0 {
                let busy = max(path.time(ByteCount(out * shares.0 * bytes)).port, other.time(ByteCount(back * shares.1 * bytes)).port)
                times.port = max(times.port, busy)
                longest = max(longest, path.latency + busy)
            }
            return longest
        }
        times.dispatch = way(dispatch, out: sent, back: received, near: (nearHere, nearThere))
        times.combine = way(combine, out: received, back: sent, near: (nearThere, nearHere))
        return times
    }

    /// Gathered inside a host, one message to each host of the other side, and spread there; and back.
    private func relayed(tokens: Double) -> Times {
        var times = Times()
        let hostTokens = tokens * Double(sides.attentionMates)
        let allTokens = tokens * Double(sides.attention)
        func legs(
            _ way: (sending: AllToAllModel.Phase, receiving: AllToAllModel.Phase, bytes: ByteCount),
            _ legs: [(path: AllToAllModel.Path, tokens: Double)]
        )
            -> Nanoseconds
        {
            legs.reduce(0) { sum, leg in
                guard leg.tokens > 0 else { return sum }
                let time = leg.path.time(ByteCount(leg.tokens * Double(way.bytes)))
                times.port = max(times.port, time.port)
                return sum + time.total
            }
        }
        let isNear = sides.attentionHosts == 1 && sides.expertHosts == 1 && nearExperts > 0
        let gathered = hostTokens - tokens
        let spread = allTokens * Double(sides.expertMates - 1)
        let returned = allTokens * Double(sides.expertMates - 1)
        let crossing = max(hostTokens * Double(sides.expertHosts), allTokens)
        let out = dispatch
        let back = combine
        times.dispatch = legs(
            out,
            [
                (out.sending.scaleUp, gathered), (isNear ? out.sending.scaleUp : out.sending.scaleOut, crossing), (out.receiving.scaleUp, spread),
            ])
        times.combine = legs(
            back,
            [
                (back.sending.scaleUp, returned), (isNear ? back.sending.scaleUp : back.sending.scaleOut, crossing),
                (back.receiving.scaleUp, gathered),
            ])
        return times
    }
}

extension AllToAllModel.Path {
    /// The time of `bytes` on the path, and the part of it that takes the port.
    fileprivate func time(_ bytes: ByteCount) -> (total: Nanoseconds, port: Nanoseconds) {
        let port = transmissionTime(bytes, at: bandwidth)
        return (latency + port, port)
    }
}
