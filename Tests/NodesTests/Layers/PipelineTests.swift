import Cluster
import Models
import Quantities
import TestKit
import Testing

@testable import Nodes

/// Attention nodes and expert nodes that all take the same time, against closed forms (MegaScale-Infer, SIGCOMM 2025, section 4).
///
/// Ta, Te: attention, and experts, of a micro-batch in a layer; Tc: its way there, or back; Tf = max(Ta, Te); m micro-batches, L layers;
/// C = Ta + Te + 2 Tc, one micro-batch's way through a layer. The published forms assume m Tf >= C, for which m >= 2 (1 + Tc / Tf) is enough.
@Suite("Micro-batches between attention and experts")
struct PipelineTests {
    /// One configuration and what came of it.
    private struct Pipeline {
        var shape: GangShape
        var attention: Nanoseconds
        var experts: Nanoseconds
        var network: Nanoseconds
        /// From the start until the last micro-batch has its outputs.
        var total: Nanoseconds
        /// Of each micro-batch: from the start of its first attention to its last outputs.
        var each: [Nanoseconds]
        /// Notes of an attention rank and of an expert rank.
        var notes: (attention: [StepNote], experts: [StepNote])

        var slower: Nanoseconds { max(attention, experts) }
        var way: Nanoseconds { attention + experts + 2 * network }
        var layers: Int64 { Int64(shape.layers) }
        var microBatches: Int64 { Int64(shape.microBatches) }
        var isSaturated: Bool { microBatches * slower >= way }

        /// - Parameters:
        ///   - balance: attention in thousandths of what experts take.
        ///   - distance: a link's latency in thousandths of what experts take.
        init?(attentionRanks: Int, expertRanks: Int, microBatches: Int, layers: Int, perSlot: Int32, balance: Int64, distance: Int64) {
            var model = testMixture
            model.layers = layers + 1
            // So many bytes a second that no port holds up the next micro-batch.
            func plan(_ latency: Nanoseconds) -> ClusterPlan {
                let link = LinkClass(latency: latency, bandwidth: 1_000_000_000_000)
                let mixture = MixturePlan(microBatches: microBatches, dispatchFormat: .bf16, combineFormat: .bf16)
                return gangPlan(
                    attention: attentionRanks, experts: expertRanks, mixture: mixture, devicesPerHost: 1,
                    links: LinkPlan(intraNode: link, interNode: link, interRack: link), model: model)
            }
            guard let probe = GangShape(plan(1)) else { return nil }
            let pairs = Int64(perSlot) * Int64(attentionRanks * probe.fleet.slotsPerRank)
            experts = probe.experts.expertTime(distinct: probe.fleet.slotsPerRank, routed: pairs)
            attention = experts * balance / 1000
            guard let shape = GangShape(plan(experts * distance / 1000)), var router = ExpertRouter(shape, rank: 0, seed: 1) else { return nil }
            self.shape = shape
            // Every attention rank sends as much to every expert rank; the side with more ranks gets less of each exchange.
            let message = shape.bytes(Int64(perSlot) * Int64(shape.fleet.slotsPerRank), of: shape.dispatch)
            network =
                shape.dispatch.sending.scaleOut.latency
                + transmissionTime(message * Int64(max(attentionRanks, expertRanks)), at: shape.dispatch.sending.scaleOut.bandwidth)
            let tokens = Int64(perSlot) * Int64(shape.fleet.experts) / Int64(shape.topK)
            let part = LoadSheet.Part(tokens: tokens, attention: attention, dense: 0, shared: 0, head: 0)
            let sheet = LoadSheet(
                parts: Array(repeating: part, count: microBatches),
                counts: Array(repeating: perSlot, count: shape.steps * shape.fleet.slots), dropped: 0, counters: [])
            let sheets = Array(repeating: sheet, count: attentionRanks)
            let start: Instant = 1_000_000
            var evaluator = LayerEvaluator(shape)
            evaluator.begin(at: start)
            evaluator.evaluate(0..<layers, sheets, router: &router)
            let ends = evaluator.finish(sheets)
            total = (ends.max() ?? 0) - start
            notes = (evaluator.notes[0], evaluator.notes[attentionRanks])
            let (first, last) = (notes.attention, notes.experts.suffix(microBatches))
            let back = network
            each = zip(first, last).map { $1.end + back - $0.start }
        }
    }

    private func random(_ seed: UInt64, microBatches: Int? = nil) -> Pipeline? {
        var random = RandomStream(seed: seed, stream: 1)
        let experts = [1, 2, 4, 8][random.below(4)]
        return Pipeline(
            attentionRanks: 1 + random.below(6), expertRanks: experts, microBatches: microBatches ?? 1 + random.below(8),
            layers: 1 + random.below(10),
            perSlot: Int32(4 * (1 + random.below(16))), balance: Int64(300 + random.below(1700)), distance: Int64(1 + random.below(2500)))
    }

    @Test("in 200 configurations take max(L C + (m - 1) Tf, C + (m L - 1) Tf), the published C + (m L - 1) Tf where they fill the pipeline")
    func closedForm() throws {
        var saturated = 0
        for seed in 0..<UInt64(200) {
            let pipeline = try #require(random(seed))
            let (m, layers) = (pipeline.microBatches, pipeline.layers)
            let filled = pipeline.way + (m * layers - 1) * pipeline.slower
            let starved = layers * pipeline.way + (m - 1) * pipeline.slower
            #expect(pipeline.total == max(filled, starved), "\(seed)")
            guard pipeline.isSaturated else { continue }
            saturated += 1
            #expect(pipeline.total == filled, "\(seed)")
        }
        #expect((30...170).contains(saturated))
    }

    /// The upper bound needs attention and experts in balance (Ta = Tf): where experts are slower, micro-batch j waits j (Te - Ta) more for its
    /// first turn.
    @Test("each takes at least C + m Tf (L - 1), and where they fill the pipeline and attention is not the faster side, at most m Tf L")
    func bounds() throws {
        for seed in 200..<UInt64(400) {
            let pipeline = try #require(random(seed, microBatches: 1 + Int(seed) % 8))
            let (m, layers) = (pipeline.microBatches, pipeline.layers)
            let least = pipeline.way + m * pipeline.slower * (layers - 1)
            for (place, time) in pipeline.each.enumerated() {
                #expect(time >= least)
                guard pipeline.isSaturated else { continue }
                #expect(time == least + Int64(place) * max(0, pipeline.experts - pipeline.attention), "\(seed) \(place)")
                if pipeline.attention >= pipeline.experts { #expect(time <= m * pipeline.slower * layers) }
            }
            if m >= 2, m * pipeline.slower >= 2 * (pipeline.slower + pipeline.network) { #expect(pipeline.isSaturated) }
        }
    }

    @Test("one alone takes L C")
    func alone() throws {
        for seed in 400..<UInt64(430) {
            let pipeline = try #require(random(seed, microBatches: 1))
            #expect(pipeline.total == pipeline.layers * pipeline.way)
        }
    }

    @Test("more of them use the slower side better up to 2 (1 + Tc / Tf), and from there on it never waits", arguments: [100, 500, 900, 1900, 2900])
    func utilisation(distance: Int64) throws {
        var last = 0.0
        for count in 1...9 {
            let pipeline = try #require(
                Pipeline(attentionRanks: 4, expertRanks: 4, microBatches: count, layers: 6, perSlot: 16, balance: 1000, distance: distance))
            let work = pipeline.microBatches * pipeline.layers * pipeline.slower
            let utilisation = Double(work) / Double(pipeline.total)
            #expect(utilisation > last)
            last = utilisation
            let enough = 2 * (1 + Double(pipeline.network) / Double(pipeline.slower))
            let waits = pipeline.notes.attention.dropFirst().dropLast(count).reduce(0) { $0 + $1.awaitedRank + $1.awaitedNetwork }
            if Double(count) >= enough {
                #expect(waits == 0)
                #expect(pipeline.total - work == pipeline.way - pipeline.slower)
            } else {
                #expect(waits > 0)
            }
        }
    }
}
