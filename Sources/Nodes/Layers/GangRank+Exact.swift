import Models
import Quantities

/// Iterations in which every dispatch and combine is a message.
extension GangRank {
    func runExact(_ sends: inout [LayerSend]) -> Outcome? {
        sendPlan(&sends)
        if !isThrough {
            isThrough = exact.run(&router)
            for (targets, leg) in exact.outbox {
                let message = message(.leg(leg))
                for target in targets where target != member { sends.append(LayerSend(target: shape.members[target], message: message)) }
            }
            exact.outbox.removeAll(keepingCapacity: true)
        }
        guard isThrough else { return nil }
        tally.statistics.droppedTokens += exact.dropped
        exact.dropped = 0
        guard hasAttention else {
            var outcome = close(RankWork(exact.notes, start: start), lastFinish: 0, isEmpty: false, counters: [])
            outcome.traffic = exact.traffic
            return outcome
        }
        if !endSent {
            endSent = true
            sendEnd(IterationEnd(finish: exact.core.free, isEmpty: isEmpty, counters: takeCounters()), &sends)
        }
        guard let ends = inbox.takeEnds(of: iteration, count: shape.attentionRanks) else { return nil }
        var traffic = exact.traffic
        addEndTraffic(to: &traffic)
        for imbalance in exact.imbalances { tally.statistics.imbalance.add(imbalance) }
        var outcome = close(
            RankWork(exact.notes, start: start), lastFinish: ends.reduce(start) { max($0, $1.finish) }, isEmpty: ends.allSatisfy(\.isEmpty),
            counters: Self.sum(ends.map(\.counters)))
        outcome.traffic = traffic
        return outcome
    }

    /// What expert ranks need before the first iteration with a new plan.
    private func sendPlan(_ sends: inout [LayerSend]) {
        guard hasAttention, let planned = replanning.takePlanned(), member == Self.leader, shape.sendsEverything, router?.isGlobal == true else {
            return
        }
        for expert in 0..<shape.expertRanks {
            sends.append(LayerSend(target: shape.members[shape.member(ofExpert: expert)], message: message(.counters(planned))))
        }
    }

    /// To all attention ranks, this one too.
    private func sendEnd(_ end: IterationEnd, _ sends: inout [LayerSend]) {
        let message = message(.done(end))
        for target in 0..<shape.attentionRanks where target != member {
            sends.append(LayerSend(target: shape.members[target], message: message))
        }
        inbox.receive(message, shape, isFirst: false)
    }

    /// What the rank counted, when that is exchanged.
    func takeCounters() -> [Int64] { replanning.needsExchange(start: start) ? router?.takeCounters() ?? [] : [] }

    /// Every attention rank tells every other that it is done, with what it counted if that is exchanged.
    func addEndTraffic(to traffic: inout Traffic) {
        let counters = replanning.needsExchange(start: start) ? shape.layers * shape.fleet.experts : 0
        let others = shape.attentionRanks - 1
        traffic.add(messages: others, bytes: ByteCount(others) * (MessageSize.header + 8 * ByteCount(counters)))
    }

    /// The sum of what ranks counted; empty when they did not exchange it.
    static func sum(_ counters: [[Int64]]) -> [Int64] {
        guard var sum = counters.first, !sum.isEmpty, counters.allSatisfy({ $0.count == sum.count }) else { return [] }
        for other in counters.dropFirst() {
            for place in sum.indices { sum[place] += other[place] }
        }
        return sum
    }
}
