import CSystem
import Cluster
import Glibc
import Nodes
import Quantities

/// Messages of a gang on their way through the processes of a few of its ranks.
///
/// Where all ranks exchange with all in every layer, the frames of an exchange are as many as there are pairs, and each costs a wake-up or two.
/// Here the ranks of a processor are a group. Each sends one frame to the first rank of its group, that one sends what its group says to the first
/// ranks of the others, and hands each of its own what is for it, in one frame: a rank sends and gets one, and few go to another processor, which is
/// several times as dear. Every message is the sender's as it was, and the barrier is still the wait for all of them.
public struct GangRelay {
    /// What is to be passed on to a node: frames one after the other, how many, and how many an exchange has.
    private struct Pending {
        var bytes: [UInt8] = []
        var count = 0
        var whole: Int
    }

    /// The first rank of this node's group, which passes its messages on, and those of all groups.
    let hub: Int
    let hubs: [Int]
    /// Whether this node passes messages on.
    var isHere: Bool { hub == node }
    private let node: Int
    private let ranks: [Int]
    private let group: [Int]
    /// By node; and those nodes that have one.
    private var pending: [Pending?]
    private var receivers: [Int] = []

    /// Fewer ranks are no group: the way through another process would be longer than the one to the others.
    private static let leastGroup = 4

    /// `nil` for a node whose messages go straight to their receivers: there are few, or the exchanges are not of all with all.
    public init?(_ node: NodePlan, of plan: ClusterPlan, _ layout: ClusterLayout) {
        self.init(node, of: plan, layout, processors: processorCount)
    }

    /// - Parameter processors: of the host that all ranks are on.
    init?(_ node: NodePlan, of plan: ClusterPlan, _ layout: ClusterLayout, processors: Int) {
        guard plan.clock == .virtual, let gang = layout.gang(of: node.index), !gang.isDisaggregated, gang.attention.count >= Self.leastGroup,
            let mixture = plan.pools[gang.pool].mixture, mixture.granularity == .exact, mixture.microBatches == 1,
            mixture.kernel == .perExpert
        else { return nil }
        ranks = gang.attention
        let count = ranks.count
        let groups = min(processors, count / Self.leastGroup)
        let own = node.ordinal * groups / count
        group = (0..<count).filter { $0 * groups / count == own }.map { gang.attention[$0] }
        hubs = (0..<groups).map { gang.attention[($0 * count + groups - 1) / groups] }
        hub = hubs[own]
        self.node = node.index
        pending = Array(repeating: nil, count: layout.nodes.count)
        guard isHere else { return }
        for rank in group where rank != hub { pending[rank] = Pending(whole: count - 1) }
        for other in hubs where other != hub { pending[other] = Pending(whole: group.count) }
        receivers = pending.indices.filter { pending[$0] != nil }
    }

    /// Keeps the process on one processor, the ranks in equal parts on each: a message that wakes a process on the same processor costs a fraction of
    /// one that wakes it on another, and a rank's own two threads talk most of all.
    public func stayOnProcessor(_ node: NodePlan, _ layout: ClusterLayout) {
        testbed_stay_on_processor(Int32(node.ordinal * min(processorCount, ranks.count) / ranks.count))
    }

    /// Ranks besides the sender of a message.
    var others: Int { ranks.count - 1 }

    /// Takes a message of `source`, or of its group, that is to be passed on to one rank.
    mutating func add(_ frame: [UInt8], for target: Int) {
        guard target != node, ranks.contains(target) else { return }
        keep(frame, for: group.contains(target) ? target : hubs[(ranks.firstIndex(of: target) ?? 0) * hubs.count / ranks.count])
    }

    /// Takes a message that is to be passed on to all ranks but its sender.
    /// - Parameter source: the rank, or the first one of another group.
    mutating func addForAll(_ frame: [UInt8], from source: Int) {
        for rank in group where rank != node && rank != source { keep(frame, for: rank) }
        guard group.contains(source) else { return }
        for other in hubs where other != node { keep(frame, for: other) }
    }

    private mutating func keep(_ frame: [UInt8], for target: Int) {
        pending[target]?.bytes.append(contentsOf: frame)
        pending[target]?.count += 1
    }

    /// Hands over what is to be passed on, by receiver.
    /// - Parameter isComplete: only to those for whom an exchange's messages are there.
    mutating func flush(isComplete: Bool, _ send: (UnsafeRawBufferPointer, Int) throws -> Void) rethrows {
        for target in receivers {
            guard let count = pending[target]?.count, count > 0, let whole = pending[target]?.whole, !isComplete || count >= whole else { continue }
            try pending[target]?.bytes.withUnsafeBytes { try send($0, target) }
            pending[target]?.bytes.removeAll(keepingCapacity: true)
            pending[target]?.count = 0
        }
    }
}
