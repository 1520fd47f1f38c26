import Planning
import Quantities
import Testing

/// Sides whose times are straight lines in the tokens of a micro-batch, as MegaScale-Infer has them.
private struct StraightLines: DisaggregatedModel {
    /// Nanoseconds for a token of an attention node, and on top; for a token of an expert node, and on top; on the way.
    var k1 = 100.0
    var k2 = 500.0
    var k3 = 400.0
    var k4 = 300.0
    var way: Nanoseconds = 2_000
    var layers = 10
    var experts = 8
    var topK = 2
    var held = 500
    var prices: (Double, Double)?

    func batchLimit(_ shape: DisaggregatedShape) -> Int { shape.expertParallel * 4 < shape.slots ? 0 : held * shape.attentionParallel }

    func pipeline(_ shape: DisaggregatedShape, batch: Int) -> PipelineModel {
        let tokens = Double((batch + shape.microBatches - 1) / shape.microBatches)
        let each = tokens * Double(shape.attentionNodes * topK) / Double(shape.expertNodes)
        return PipelineModel(
            attention: Nanoseconds((k1 * tokens / Double(shape.attentionParallel) + k2).rounded()),
            experts: Nanoseconds((k3 * each / Double(shape.expertParallel) + k4).rounded()), dispatch: way, combine: way, layers: layers,
            microBatches: shape.microBatches)
    }

    func overhead(_ shape: DisaggregatedShape, batch: Int) -> Nanoseconds { 1_000 }

    func price(_ shape: DisaggregatedShape) -> Double? {
        prices.map { $0.0 * Double(shape.attentionNodes * shape.attentionParallel) + $0.1 * Double(shape.expertNodes * shape.expertParallel) }
    }
}

@Suite("The search of attention and expert nodes")
struct SearchTests {
    private typealias Search = DisaggregatedExpertsSearch<StraightLines>

    private func random(_ number: UInt64) -> (model: StraightLines, tbt: Nanoseconds) {
        var random = RandomStream(seed: number, stream: 6)
        var model = StraightLines()
        model.k1 = Double(20 + random.below(300))
        model.k2 = Double(random.below(2_000))
        model.k3 = Double(20 + random.below(300))
        model.k4 = Double(random.below(2_000))
        model.way = Nanoseconds(random.below(4_000))
        model.held = 1 + random.below(60)
        model.prices = random.below(2) == 0 ? nil : (Double(1 + random.below(5)), Double(1 + random.below(5)))
        return (model, Nanoseconds(20_000 + random.below(400_000)))
    }

    private func space(_ limit: Int) -> Search.Space {
        var space = Search.Space(expertNodes: [(1, 8), (2, 4), (4, 2), (8, 1)], deviceLimit: limit)
        space.attentionParallel = [1, 2]
        space.expertParallel = [1, 2]
        return space
    }

    @Test("finds what trying every shape and every batch finds", arguments: UInt64(0)..<40)
    func exhaustive(number: UInt64) {
        let (model, tbt) = random(number)
        let search = Search(model: model, space: space(12))
        var most = 0.0
        for experts in [1, 2, 4, 8] {
            for expertDevices in [1, 2] {
                for attention in 1...12 {
                    for attentionDevices in [1, 2] where attention * attentionDevices + experts * expertDevices <= 12 {
                        for parts in 1...4 {
                            let shape = DisaggregatedShape(
                                attentionNodes: attention, attentionParallel: attentionDevices, expertNodes: experts, expertParallel: expertDevices,
                                slots: 8 / experts, microBatches: parts)
                            for batch in stride(from: parts, through: model.batchLimit(shape), by: 1) {
                                let time = model.iterationTime(shape, batch: batch)
                                guard time <= tbt else { continue }
                                let tokens = Double(batch * attention) / seconds(time)
                                most = max(most, tokens / (model.price(shape) ?? Double(shape.devices)))
                            }
                        }
                    }
                }
            }
        }
        let best = search.best(tbt: tbt)
        let value = best.map(search.value) ?? 0
        #expect(abs(value - most) <= 1e-12 * most, "\(model) \(tbt)")
    }

    @Test("takes the largest batch that comes in time and fits: one more does not", arguments: UInt64(0)..<40)
    func largest(number: UInt64) {
        let (model, tbt) = random(number)
        for found in Search(model: model, space: space(8)).found(tbt: tbt) {
            #expect(found.iteration <= tbt)
            let limit = model.batchLimit(found.shape)
            #expect(found.batch <= limit)
            let isFull = found.batch > limit - found.shape.microBatches
            #expect(isFull || model.iterationTime(found.shape, batch: found.batch + 1) > tbt)
        }
    }

    /// `n_a = k1 E / (k3 K)`: with one expert on each node, that is where T_a = T_e.
    @Test("has most tokens a device where attention and experts take equally long", arguments: [1.0, 2.0, 3.0, 5.0])
    func balance(ratio: Double) {
        var model = StraightLines()
        (model.k2, model.k4, model.way) = (0, 0, 10)
        model.k3 = 100
        model.k1 = ratio * model.k3 * Double(model.topK) / Double(model.experts)
        model.held = 100_000
        let balanced = Int(model.k1 * Double(model.experts) / (model.k3 * Double(model.topK)))
        #expect(balanced == Int(ratio))
        var bySize: [Double] = []
        for nodes in 1...10 {
            let shape = DisaggregatedShape(attentionNodes: nodes, expertNodes: model.experts, slots: 1, microBatches: 3)
            let batch = model.largestBatch(shape, tbt: 10_000_000) ?? 0
            let time = model.iterationTime(shape, batch: batch)
            // By attention devices: expert nodes are given, and busy only from the balance on.
            bySize.append(Double(batch * nodes) / seconds(time) / Double(shape.devices))
            let pipeline = model.pipeline(shape, batch: batch)
            if nodes < balanced { #expect(pipeline.attention > pipeline.experts) }
            if nodes == balanced { #expect(abs(Double(pipeline.attention - pipeline.experts)) <= 0.01 * Double(pipeline.experts)) }
            if nodes > balanced { #expect(pipeline.attention < pipeline.experts) }
        }
        #expect(bySize.indices.max { bySize[$0] < bySize[$1] } == balanced - 1, "\(bySize)")
    }

    @Test("scales to the batch of Little's law: as many tokens as are asked for, and one request fewer brings too few", arguments: UInt64(0)..<40)
    func little(number: UInt64) {
        let (model, tbt) = random(number)
        var space = space(16)
        space.microBatches = [1]
        let rate = 50_000.0 * Double(1 + number % 7)
        let scaling = AttentionExpertScaling(model: model, tokenRate: rate)
        for found in scaling.found(space.shapes, tbt: tbt) {
            #expect(found.tokensPerSecond >= rate)
            #expect(found.iteration <= tbt)
            if found.batch > 1 {
                let before = Double((found.batch - 1) * found.shape.attentionNodes)
                #expect(before < rate * seconds(model.iterationTime(found.shape, batch: found.batch - 1)))
            }
        }
    }

    @Test("scales to the fewest devices of all shapes and batches that carry the rate in time", arguments: UInt64(0)..<40)
    func fewest(number: UInt64) {
        let (model, tbt) = random(number)
        var space = space(16)
        space.microBatches = [1]
        let rate = 30_000.0 * Double(1 + number % 11)
        var fewest: Int?
        for shape in space.shapes {
            for batch in stride(from: 1, through: model.batchLimit(shape), by: 1) {
                let time = model.iterationTime(shape, batch: batch)
                guard time <= tbt, Double(batch * shape.attentionNodes) >= rate * seconds(time) else { continue }
                fewest = min(fewest ?? .max, shape.devices)
            }
        }
        let best = AttentionExpertScaling(model: model, tokenRate: rate).best(space.shapes, tbt: tbt)
        #expect(best?.shape.devices == fewest, "\(model) \(tbt)")
    }
}
