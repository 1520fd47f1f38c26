import Cluster
import Models
import Policies
import Quantities
import TestKit

@testable import Nodes

extension GangShape {
    /// The shape of a plan's only gang.
    convenience init?(_ plan: ClusterPlan) {
        let layout = ClusterLayout(plan)
        guard let gang = layout.gangs.first else { return nil }
        self.init(gang, plan: plan, layout: layout)
    }

    /// Batches of an attention rank with nothing in them.
    var emptyBatches: [BatchShape] { Array(repeating: BatchShape(), count: microBatches) }
}

/// Ranks of one gang and the messages between them, without workers around them.
struct GangDriver {
    let shape: GangShape
    var ranks: [GangRank]
    /// Messages under way, with the member that gets each; from there they are taken at random.
    var underWay: [(target: Int, message: LayerMessage)] = []
    var random: RandomStream

    init?(_ plan: ClusterPlan, seed: UInt64 = 1) {
        guard let shape = GangShape(plan) else { return nil }
        self.shape = shape
        ranks = shape.members.indices.compactMap { GangRank(shape, member: $0, nodes: shape.members.count + 2, seed: seed) }
        guard ranks.count == shape.members.count else { return nil }
        random = RandomStream(seed: seed, stream: 9)
    }

    /// All attention ranks begin.
    mutating func begin(at now: Instant, _ batches: [[BatchShape]]) {
        for rank in 0..<shape.attentionRanks {
            _ = ranks[rank].reachStart(at: now)
            ranks[rank].begin(at: now, batches[rank])
        }
    }

    /// Lets all go on until nothing is left to do. Answers what came out, by member.
    mutating func finish() -> [GangRank.Outcome?] {
        var outcomes = [GangRank.Outcome?](repeating: nil, count: ranks.count)
        func goOn(_ driver: inout GangDriver, _ member: Int) {
            while driver.ranks[member].isReady {
                var sends: [LayerSend] = []
                if let outcome = driver.ranks[member].run(&sends) { outcomes[member] = outcome }
                for send in sends {
                    guard let target = driver.shape.members.firstIndex(of: send.target) else { continue }
                    driver.underWay.append((target, send.message))
                }
            }
        }
        for member in ranks.indices { goOn(&self, member) }
        while !underWay.isEmpty {
            let (target, message) = underWay.remove(at: random.below(underWay.count))
            ranks[target].receive(message)
            goOn(&self, target)
        }
        return outcomes
    }

    /// One iteration of all.
    mutating func iterate(at now: Instant, _ batches: [[BatchShape]]) -> [GangRank.Outcome?] {
        begin(at: now, batches)
        return finish()
    }
}

/// A batch of requests that decode, each with this context.
func decoding(_ requests: Int, context: Int64) -> BatchShape {
    var batch = BatchShape()
    for _ in 0..<requests { batch.addDecode(context: context) }
    return batch
}
