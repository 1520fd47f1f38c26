import Quantities
import Testing

@testable import Models

@Suite struct ExpertCostTests {
    private func deepSeek() throws -> ModelShape { try #require(ModelCatalog.named("deepseek-v3")) }
    private func h100() throws -> DeviceShape { try #require(DeviceCatalog.named("h100-sxm")) }

    @Test(
        "the parts of all layers add up to the roofline's iteration", arguments: ["deepseek-v3", "mixtral-8x22b", "step-3", "gpt-oss-120b"], [1, 4])
    func sum(name: String, ranks: Int) throws {
        let (model, device) = (try #require(ModelCatalog.named(name)), try h100())
        let cost = ExpertCost(model: model, device: device, attentionParallel: ranks, expertParallel: ranks)
        let roofline = Roofline(model: model, device: device, tensorParallel: ranks, pipelineParallel: 1)
        let experts = try #require(model.experts)
        for (requests, prompt) in [(64, 0), (0, 8192), (2000, 500)] {
            var batch = BatchShape()
            for request in 0..<requests { batch.addDecode(context: Int64(100 + request % 900)) }
            if prompt > 0 { batch.addPrefill(tokens: Int64(prompt), context: 300) }
            // Enough tokens for every expert, as the roofline expects too; a second all-reduce follows the experts.
            let distinct = Int(roofline.expertsHit(batch.tokens).rounded())
            let reduce = min(
                roofline.reduceFixed + roofline.reducePerToken * Double(batch.tokens),
                roofline.bulkReduceFixed + roofline.bulkReducePerToken * Double(batch.tokens))
            var expertLayer = cost.routerTime(tokens: batch.tokens) + cost.sharedExpertTime(tokens: batch.tokens)
            expertLayer += cost.expertTime(distinct: distinct, routed: batch.tokens * Int64(experts.topK))
            var total = Double(cost.attentionTime(batch)) * Double(model.layers) + Double(expertLayer) * Double(model.expertLayers)
            total += Double(cost.denseTime(tokens: batch.tokens)) * Double(model.denseLayers)
            total += Double(cost.headTime(rows: batch.decodeRequests + batch.prefillRequests))
            total += reduce / 2 / Double(model.layers) * Double(model.expertLayers)
            // The router's product is not in the roofline, which counts its kernels alone.
            let router = (Double(cost.routerTime(tokens: batch.tokens)) - ExpertCost.routerKernels * 3000) * Double(model.expertLayers)
            #expect(abs((total - router) / roofline.time(batch) - 1) < 0.005)
        }
    }

    @Test("an expert's time is the larger of its weights and its products, by the formula")
    func formula() throws {
        let (model, device) = (try deepSeek(), try h100())
        let cost = ExpertCost(model: model, device: device)
        let parameters = 3.0 * 7168 * 2048
        let weights = parameters / (3.35e12 * device.memoryEfficiency) * 1e9
        // One token in each of 9 experts: weights alone, but for the activations of nine tokens.
        let small = Double(cost.expertTime(distinct: 9, routed: 9))
        #expect(abs(small - 9 * weights - 21_000) < 1000)
        let large = Double(cost.expertTime(distinct: 9, routed: 90_000))
        #expect(abs(large - 90_000 * 2 * parameters / (1978e12 * device.expertEfficiency) * 1e9 - 21_000) < 100)
    }

    @Test("times grow with what is computed, and nothing takes no time")
    func monotone() throws {
        let cost = ExpertCost(model: try deepSeek(), device: try h100())
        #expect(cost.expertTime(distinct: 0, routed: 0) == 0 && cost.routerTime(tokens: 0) == 0 && cost.sharedExpertTime(tokens: 0) == 0)
        #expect(cost.attentionTime(BatchShape()) == 0 && cost.denseTime(tokens: 0) == 0 && cost.headTime(rows: 0) == 0)
        var last: (expert: Nanoseconds, attention: Nanoseconds) = (0, 0)
        for step in 1...200 {
            let expert = cost.expertTime(distinct: 1 + step / 2, routed: Int64(step * step))
            var batch = BatchShape()
            for _ in 0..<step { batch.addDecode(context: 1000) }
            let attention = cost.attentionTime(batch)
            #expect(expert >= last.expert && attention > last.attention)
            last = (expert, attention)
        }
    }

    @Test("a longer context is a slower rank, by the bytes of its cache")
    func stragglers() throws {
        let cost = ExpertCost(model: try #require(ModelCatalog.named("mixtral-8x22b")), device: try h100())
        func time(_ context: Int64) -> Double {
            var batch = BatchShape()
            for _ in 0..<64 { batch.addDecode(context: context) }
            return Double(cost.attentionTime(batch))
        }
        // 4,096 bytes a token and layer at 0.9 of 3.35 TB/s.
        #expect(abs(time(9000) - time(1000) - 64 * 8000 * 4096 / (3.35e12 * 0.9) * 1e9) < 2)
    }

    @Test("dispatch and combine of 128 tokens are what DeepEP sends")
    func messages() {
        let pairs: ByteCount = 128 * 8
        #expect(pairs * ActivationFormat.fp8.bytes(hidden: 7168) == 7_569_408)
        #expect(pairs * ActivationFormat.bf16.bytes(hidden: 7168) == 14_680_064)
        #expect(ActivationFormat.int8.bytes(hidden: 7168) == 7172)
    }

    @Test("an expert of DeepSeek-V3 is 44 MB")
    func expertBytes() throws { #expect(try deepSeek().expertBytes == 44_040_192) }
}
