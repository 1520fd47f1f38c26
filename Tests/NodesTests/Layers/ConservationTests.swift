import Cluster
import Quantities
import Records
import TestKit
import Testing

@testable import Nodes

@Suite("What the ranks of a gang count")
struct ConservationTests {
    @Test("adds up: time, pairs of token and expert, and the last of those waited for", arguments: UInt64(0)..<12)
    func sums(number: UInt64) throws {
        var plan = generatedGangPlan(number)
        plan.records.layers = true
        let run = runInProcess(plan)
        let layout = ClusterLayout(plan)
        let iterations = Dictionary(grouping: run.records.iterationRows, by: \.node)
        let layers = Dictionary(grouping: run.records.layerRows, by: \.node)
        for gang in layout.gangs {
            let pool = plan.pools[gang.pool]
            var (routed, dropped, tokens): (Int64, Int64, Int64) = (0, 0, 0)
            for node in gang.members {
                let statistics = try #require(run.hosts[node].statistics.worker)
                let barrier = try #require(statistics.barrier)
                let rows = layers[layout.nodes[node].name] ?? []
                check(barrier, rows, iterations[layout.nodes[node].name] ?? [])
                routed += barrier.routedTokens
                dropped += barrier.droppedTokens
                if gang.attention.contains(node) {
                    tokens += (iterations[layout.nodes[node].name] ?? []).reduce(0) { $0 + $1.prefillTokens + $1.decodeTokens }
                }
            }
            #expect(tokens > 0)
            let picks = tokens * Int64(pool.model.experts?.topK ?? 0) * Int64(pool.model.expertLayers)
            #expect(routed == picks - dropped, "\(picks) picks, \(dropped) dropped")
        }
    }

    private func check(_ barrier: BarrierStatistics, _ rows: [LayerRecord], _ iterations: [IterationRecord]) {
        #expect(
            barrier.attention + barrier.experts + barrier.awaitingAttention + barrier.awaitingExperts + barrier.awaitingNetwork == barrier.span)
        #expect(barrier.last.reduce(0, +) == barrier.count)
        #expect(barrier.waits.count == barrier.count)
        for row in iterations {
            guard let shares = row.shares else {
                Issue.record("an iteration of a rank without its parts")
                continue
            }
            let parts = shares.attention + shares.experts + shares.awaitingAttention + shares.awaitingExperts + shares.awaitingNetwork
            #expect(parts == row.end - row.start, "\(row)")
        }
        // The rows of the layers are the same sums piece by piece, without gaps within an iteration.
        #expect(rows.filter(\.isAttention).reduce(0) { $0 + $1.end - $1.start } == barrier.attention)
        #expect(rows.filter { !$0.isAttention }.reduce(0) { $0 + $1.end - $1.start } == barrier.experts)
        #expect(rows.filter { !$0.isAttention }.reduce(0) { $0 + $1.tokens } == barrier.routedTokens)
        #expect(rows.reduce(0) { $0 + $1.awaitedNetwork } == barrier.awaitingNetwork)
        #expect(rows.count { $0.last >= 0 } == barrier.count)
        for (row, next) in zip(rows, rows.dropFirst()) where row.iteration == next.iteration {
            #expect(next.start - row.end == next.awaitedRank + next.awaitedNetwork, "\(row) \(next)")
        }
    }
}
