import CSystem
import Cluster
import Glibc
import Nodes
import Quantities

/// Messages of a gang on their way through one rank's process.
///
/// Where all ranks exchange with all in every layer, the frames of an exchange are as many as there are pairs, and each costs a wake-up or two.
/// Here each rank sends one frame with all its messages to the first rank, which puts those for one receiver together: two frames a rank instead
/// of one a pair. Every message is the sender's as it was, and the barrier is still the wait for all of them.
public struct GangRelay {
    /// The rank that passes messages on, and whether this is it.
    let node: Int32
    let isHere: Bool
    /// Messages for each node that are to be passed on: frames one after the other, and how many.
    private var pending: [(bytes: [UInt8], count: Int)]
    /// Nodes that messages are passed on to, and messages that each gets in an exchange.
    private let receivers: [Int]

    /// `nil` for a node whose messages go straight to their receivers: there are few, or the exchanges are not of all with all.
    public init?(_ node: NodePlan, of plan: ClusterPlan, _ layout: ClusterLayout) {
        guard plan.clock == .virtual, let gang = layout.gang(of: node.index), !gang.isDisaggregated, gang.attention.count > 3,
            let mixture = plan.pools[gang.pool].mixture, mixture.granularity == .exact, mixture.microBatches == 1
        else { return nil }
        self.node = Int32(gang.attention[0])
        isHere = node.index == gang.attention[0]
        receivers = Array(gang.attention.dropFirst())
        pending = Array(repeating: ([], 0), count: isHere ? layout.nodes.count : 0)
    }

    /// Keeps the process on one processor, the ranks in equal parts on each: a message that wakes a process on the same processor costs a fraction of
    /// one that wakes it on another, and a rank's own two threads talk most of all.
    public func stayOnProcessor(_ node: NodePlan, _ layout: ClusterLayout) {
        let count = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        let ranks = receivers.count + 1
        testbed_stay_on_processor(Int32(node.ordinal * min(count, ranks) / ranks))
    }

    /// Ranks besides the sender of a message.
    var others: Int { receivers.count }

    /// Takes a message that is to be passed on to one rank.
    mutating func add(_ frame: [UInt8], for target: Int) {
        guard receivers.contains(target) else { return }
        pending[target].bytes.append(contentsOf: frame)
        pending[target].count += 1
    }

    /// Takes a message that is to be passed on to all ranks but its sender.
    mutating func addForAll(_ frame: [UInt8], but source: Int32) {
        for target in receivers where target != Int(source) {
            pending[target].bytes.append(contentsOf: frame)
            pending[target].count += 1
        }
    }

    /// Whether each receiver's messages of an exchange are there.
    var isComplete: Bool { receivers.allSatisfy { pending[$0].count >= receivers.count } }

    /// Hands over what is to be passed on, by receiver.
    mutating func flush(_ send: (UnsafeRawBufferPointer, Int) throws -> Void) rethrows {
        for target in receivers where pending[target].count > 0 {
            try pending[target].bytes.withUnsafeBytes { try send($0, target) }
            pending[target].bytes.removeAll(keepingCapacity: true)
            pending[target].count = 0
        }
    }
}
