import Quantities
import Testing

@testable import Models

@Suite struct CostModelTests {
    private static func randomBatch(_ random: inout RandomStream) -> BatchShape {
        var batch = BatchShape()
        for _ in 0..<random.below(4) {
            batch.addPrefill(tokens: Int64(1 + random.below(1 << random.below(14))), context: Int64(random.below(1 << random.below(16))))
        }
        for _ in 0..<random.below(1 << random.below(9)) { batch.addDecode(context: Int64(random.below(1 << random.below(17)))) }
        return batch
    }

    @Test("no batch is faster than the stated minimum, and none gets faster by growing", arguments: ModelCatalog.names)
    func minimum(name: String) throws {
        let model = try #require(ModelCatalog.named(name))
        var random = RandomStream(seed: 7, stream: 1)
        for device in DeviceCatalog.all {
            for (ranks, stages) in [(1, 1), (3, 1), (8, 4)] {
                let cost = CostModel(model: model, device: device, tensorParallel: ranks, pipelineParallel: stages)
                #expect(cost.minimumIterationTime > 0)
                for _ in 0..<100 {
                    var batch = Self.randomBatch(&random)
                    if batch.isEmpty { batch.addDecode(context: 0) }
                    let time = cost.iterationTime(batch)
                    #expect(time >= cost.minimumIterationTime)
                    var larger = batch
                    switch random.below(3) {
                    case 0: larger.addDecode(context: Int64(random.below(1000)))
                    case 1: larger.addPrefill(tokens: Int64(1 + random.below(100)), context: Int64(random.below(1000)))
                    default: larger.decodeContext += larger.decodeRequests
                    }
                    #expect(cost.iterationTime(larger) >= time)
                }
            }
        }
    }

    @Test("the minimum is reached by one prompt token or one decoding request, up to its own context")
    func tight() throws {
        let cost = CostModel(model: try #require(ModelCatalog.named("llama-3.1-8b")), device: try #require(DeviceCatalog.named("h100")))
        var batch = BatchShape()
        batch.addDecode(context: 1)
        #expect(Double(cost.iterationTime(batch)) < Double(cost.minimumIterationTime) * 1.001)
    }

    @Test("an empty batch takes no time")
    func empty() throws {
        let cost = CostModel(model: try #require(ModelCatalog.named("llama-3.1-8b")), device: try #require(DeviceCatalog.named("h100")))
        #expect(cost.iterationTime(BatchShape()) == 0)
    }

    @Test("a long prompt costs its floating-point operations, a large context its bytes")
    func limits() throws {
        let model = try #require(ModelCatalog.named("llama-3.1-8b"))
        let device = try #require(DeviceCatalog.named("h100"))
        let cost = CostModel(model: model, device: device)
        var prompt = BatchShape()
        prompt.addPrefill(tokens: 8192, context: 0)
        let matrices = 2 * 8192 * (Double(model.parameterCount) - 2.0 * Double(model.vocabulary * model.hidden)) / (device.flops16 * 0.8)
        let attention = 4 * 32 * 4096 * 8192.0 * 8192 / 2 / (device.flops16 * 0.7)
        let least = (matrices + attention) * 1e9
        #expect(Double(cost.iterationTime(prompt)) > least)
        #expect(Double(cost.iterationTime(prompt)) < least * 1.15)

        var small = BatchShape()
        small.addDecode(context: 1000)
        var large = BatchShape()
        large.addDecode(context: 101_000)
        let read = 100_000 * 131_072 / (Double(device.memoryBandwidth) * 0.9) * 1e9
        #expect(abs(Double(cost.iterationTime(large) - cost.iterationTime(small)) - read) < 2)
    }

    @Test("two devices are faster than one by less than twice; a stage more costs its hop")
    func parallel() throws {
        let model = try #require(ModelCatalog.named("llama-3.1-70b"))
        let device = try #require(DeviceCatalog.named("h100"))
        var prompt = BatchShape()
        prompt.addPrefill(tokens: 4096, context: 0)
        let times = [1, 2, 4, 8].map { Double(CostModel(model: model, device: device, tensorParallel: $0).iterationTime(prompt)) }
        for (slow, fast) in zip(times, times.dropFirst()) {
            #expect(fast < slow)
            #expect(fast > slow / 2)
        }
        let staged = CostModel(model: model, device: device, pipelineParallel: 2).iterationTime(prompt)
        let hop = 25_000 + 4096 * 8192 * 2 / (50e9 * 0.75) * 1e9
        #expect(abs(Double(staged) - times[0] - hop) < 2)
    }

    @Test("a group larger than a host reduces over its network cards")
    func wideGroup() throws {
        let model = try #require(ModelCatalog.named("llama-3.1-70b"))
        var device = try #require(DeviceCatalog.named("h100"))
        var prompt = BatchShape()
        prompt.addPrefill(tokens: 4096, context: 0)
        let cards = CostModel(model: model, device: device, tensorParallel: 16).iterationTime(prompt)
        device.nicBandwidth = device.scaleUpBandwidth
        let links = CostModel(model: model, device: device, tensorParallel: 16).iterationTime(prompt)
        let moved = 160 * 2 * 15.0 / 16 * 4096 * 8192 * 2 / device.bulkCollectiveEfficiency
        #expect(abs(Double(cards - links) - moved * (1 / 50.0 - 1 / 450.0)) < 2)
    }

    @Test("the experts hit in expectation are those of the closed form, and those that a draw finds")
    func expertsHit() throws {
        let model = try #require(ModelCatalog.named("deepseek-v3"))
        let roofline = Roofline(model: model, device: try #require(DeviceCatalog.named("h100")), tensorParallel: 1, pipelineParallel: 1)
        var missed = 1.0
        for tokens in 1...2000 {
            missed *= 1 - 8.0 / 256
            #expect(abs(roofline.expertsHit(Int64(tokens)) - 256 * (1 - missed)) < 1e-9)
        }
        #expect(roofline.expertsHit(1) == 8)
        #expect(roofline.expertsHit(1 << 40) == 256)

        var random = RandomStream(seed: 3, stream: 2)
        var total = 0
        let rounds = 400
        for _ in 0..<rounds {
            var hit = Set<Int>()
            for _ in 0..<16 {
                var picked = Set<Int>()
                while picked.count < 8 { picked.insert(random.below(256)) }
                hit.formUnion(picked)
            }
            total += hit.count
        }
        #expect(abs(Double(total) / Double(rounds) / roofline.expertsHit(16) - 1) < 0.01)
    }

    @Test("one-byte weights are read in half of the time and multiplied at the one-byte rate where there is one")
    func formats() throws {
        var model = try #require(ModelCatalog.named("llama-3.1-70b"))
        let (h100, a100) = (try #require(DeviceCatalog.named("h100")), try #require(DeviceCatalog.named("a100")))
        func prompt(_ device: DeviceShape) -> Double {
            var batch = BatchShape()
            batch.addPrefill(tokens: 16_384, context: 0)
            return Double(CostModel(model: model, device: device).iterationTime(batch))
        }
        let wide = (prompt(h100), prompt(a100))
        model.weightElementBytes = 1
        #expect(prompt(h100) < wide.0 * 0.65)
        #expect(prompt(a100) > wide.1 * 0.99)
    }

    @Test("windows cap what their layers read")
    func sliding() throws {
        let model = try #require(ModelCatalog.named("gpt-oss-120b"))
        let device = try #require(DeviceCatalog.named("h100"))
        let cost = CostModel(model: model, device: device)
        var near = BatchShape()
        near.addDecode(context: 128)
        var far = BatchShape()
        far.addDecode(context: 100_128)
        let read = 100_000 * 36_864 / (Double(device.memoryBandwidth) * 0.9) * 1e9
        #expect(abs(Double(cost.iterationTime(far) - cost.iterationTime(near)) - read) < 2)
    }
}
