import Cluster
import Models
import Policies
import Quantities

/// What a gang's ranks know of each other before anything happens: who is where, what computing and sending costs.
final class GangShape: Sendable {
    /// A way from attention to experts or back, at both ends.
    struct Way: Sendable {
        var sending: AllToAllModel.Phase
        var receiving: AllToAllModel.Phase
        /// Bytes of a token's hidden state.
        var tokenBytes: ByteCount
    }

    let gang: Gang
    let mixture: MixturePlan
    /// Node of each member; ranks of attention come first, experts of a pool of their own after them.
    let members: [Int32]
    /// Host of each member, numbered from 0 within the gang; and members by host.
    let hosts: [Int]
    let membersByHost: [[Int]]
    let attentionRanks: Int
    let expertRanks: Int
    /// By member, how many ranks of the other side it exchanges with.
    let expertsAround: [Others]
    let attentionAround: [Others]
    /// Layers with experts, and dense ones before them.
    let layers: Int
    let denseLayers: Int
    let microBatches: Int
    let fleet: ExpertFleet
    let topK: Int
    let attention: ExpertCost
    let experts: ExpertCost
    let dispatch: Way
    let combine: Way
    /// Ways between attention ranks, for the counts of a policy that asks for them.
    let among: AllToAllModel.Phase
    /// Links between expert ranks, for weights that move.
    let weightPaths: AllToAllModel.Phase
    /// From the last rank's end of an iteration to the start of the next one, and from a sleeping gang's first request to its first iteration.
    let syncLatency: Nanoseconds
    let wakeLatency: Nanoseconds
    /// No iteration ends sooner after its start.
    let leastIteration: Nanoseconds
    /// Who relays, where tokens travel in two phases.
    let relays: Relays
    /// Who passes on, where a token goes once to each host; `nil` where it goes once for each expert.
    let rails: HostRails?
    /// Bytes of one expert's weights in one layer.
    let expertBytes: ByteCount
    /// Bytes of identifiers and times on each message; measured all-to-alls have them in their fit.
    let header: ByteCount
    /// Whether all-to-alls are measured ones, which have in their fit what a rank keeps for itself.
    let isMeasured: Bool
    /// Whether what a member keeps for itself is among its bytes, though it is no message.
    let countsKept: Bool
    /// Under the wall clock a rank may be late with word of when the gang wakes, so that ranks may begin an iteration at different times.
    let startsDiffer: Bool

    /// `nil` for a model without experts, which a checked plan never has in a gang.
    init?(_ gang: Gang, plan: ClusterPlan, layout: ClusterLayout) {
        let pool = plan.pools[gang.pool]
        let expertPool = plan.pools[gang.expertPool]
        guard let mixture = pool.mixture, let shape = pool.model.experts, shape.count > 0, pool.model.expertLayers > 0,
            let fleet = plan.expertFleet(of: gang, in: layout)
        else { return nil }
        self.gang = gang
        self.mixture = mixture
        startsDiffer = plan.clock == .wall
        members = gang.members.map { Int32($0) }
        var numbers: [Int] = []
        hosts = gang.members.map { member in
            let host = layout.nodes[member].host
            if !numbers.contains(host) { numbers.append(host) }
            return numbers.firstIndex(of: host) ?? 0
        }
        let hosts = hosts
        membersByHost = numbers.indices.map { host in hosts.indices.filter { hosts[$0] == host } }
        let attentionRanks = gang.attention.count
        self.attentionRanks = attentionRanks
        expertRanks = gang.experts.count
        relays = Relays(membersByHost, attentionRanks: attentionRanks, isDisaggregated: gang.isDisaggregated)
        rails = mixture.kernel == .perHost && !gang.isDisaggregated ? HostRails(membersByHost) : nil
        let firstExpert = gang.isDisaggregated ? attentionRanks : 0
        func others(_ member: Int, among side: Range<Int>) -> Others {
            let all = side.count { $0 != member }
            let near = side.count { $0 != member && hosts[$0] == hosts[member] }
            return Others(near: near, far: all - near)
        }
        expertsAround = hosts.indices.map { others($0, among: firstExpert..<firstExpert + gang.experts.count) }
        attentionAround = hosts.indices.map { others($0, among: 0..<attentionRanks) }
        layers = pool.model.expertLayers
        denseLayers = pool.model.denseLayers
        microBatches = max(1, mixture.microBatches)
        topK = shape.topK
        self.fleet = fleet
        attention = ExpertCost(
            model: pool.model, device: pool.device, attentionParallel: pool.tensorParallel, expertParallel: expertPool.tensorParallel)
        experts = ExpertCost(
            model: pool.model, device: expertPool.device, attentionParallel: expertPool.tensorParallel, expertParallel: expertPool.tensorParallel)
        let here = Self.paths(of: pool, gang, plan, layout)
        let there = Self.paths(of: expertPool, gang, plan, layout)
        dispatch = Way(
            sending: mixture.fabric?.dispatch ?? here, receiving: mixture.fabric?.dispatch ?? there,
            tokenBytes: mixture.dispatchFormat.bytes(hidden: pool.model.hidden))
        combine = Way(
            sending: mixture.fabric?.combine ?? there, receiving: mixture.fabric?.combine ?? here,
            tokenBytes: mixture.combineFormat.bytes(hidden: pool.model.hidden))
        among = here
        weightPaths = there
        header = mixture.fabric == nil ? MessageSize.header : 0
        isMeasured = mixture.fabric != nil
        countsKept = mixture.fabric != nil && !gang.isDisaggregated
        expertBytes = pool.model.expertBytes
        let farthest = max(here.scaleUp.latency, hosts.contains { $0 > 0 } ? here.scaleOut.latency : 0)
        syncLatency = farthest + 1_000
        wakeLatency = 2 * farthest + 2_000
        let nearest = { (way: Way) in min(way.sending.scaleUp.latency, way.sending.scaleOut.latency) }
        leastIteration = max(1, Nanoseconds(layers) * (nearest(dispatch) + nearest(combine)))
    }

    /// The links inside a host and between the hosts that the gang is on, at the ports of one pool's workers.
    private static func paths(of pool: PoolPlan, _ gang: Gang, _ plan: ClusterPlan, _ layout: ClusterLayout) -> AllToAllModel.Phase {
        let racks = Set(gang.members.map { layout.nodes[$0].rack })
        let outside = racks.count > 1 ? plan.links.interRack : plan.links.interNode
        let devices = BytesPerSecond(pool.devices)
        return AllToAllModel.Phase(
            scaleUp: AllToAllModel.Path(
                latency: plan.links.intraNode.latency, bandwidth: (plan.links.intraNode.bandwidth ?? pool.device.scaleUpBandwidth) * devices),
            scaleOut: AllToAllModel.Path(
                latency: outside.latency, bandwidth: (outside.bandwidth ?? pool.device.nicBandwidth) * devices))
    }

    /// Parts of an iteration: layers x micro-batches.
    var steps: Int { layers * microBatches }
    /// The member that is this rank of experts.
    func member(ofExpert rank: Int) -> Int { gang.isDisaggregated ? attentionRanks + rank : rank }
    /// Numbers in a rank's counts of a step: by slot, or by expert for a policy that decides for all ranks.
    func width(isGlobal: Bool) -> Int { isGlobal ? fleet.experts : fleet.slots + reached }
    /// Numbers of tokens that reach each host and rank, behind those by slot; 0 where nobody asks.
    var reached: Int { rails == nil ? 0 : membersByHost.count + expertRanks }
    /// The hosts and ranks that a layer's experts are on.
    func reach(of placement: ExpertPlacement) -> ExpertReach {
        ExpertReach(
            slots: placement.slots, slotsPerRank: placement.slotsPerRank, experts: fleet.experts,
            hosts: (0..<expertRanks).map { hosts[member(ofExpert: $0)] })
    }
    /// Slots of a rank of experts.
    func slots(ofExpert rank: Int) -> Range<Int> { rank * fleet.slotsPerRank..<(rank + 1) * fleet.slotsPerRank }
    /// Whether every expert rank gets every token.
    var sendsEverything: Bool { mixture.transfer != .pointToPoint }

    /// A rank's tokens cut into micro-batches, requests as a whole, each to the one with the fewest tokens so far.
    func divide(_ iteration: Iteration) -> [BatchShape] {
        guard microBatches > 1 else { return [iteration.shape] }
        var shapes = Array(repeating: BatchShape(), count: microBatches)
        for chunk in iteration.chunks {
            var place = 0
            for other in 1..<microBatches where shapes[other].tokens < shapes[place].tokens { place = other }
            if chunk.isDecode {
                shapes[place].addDecode(context: Int64(chunk.context) + 1)
            } else {
                shapes[place].addPrefill(tokens: Int64(chunk.tokens), context: Int64(chunk.context))
            }
        }
        return shapes
    }
}
