import Testing

@testable import Models

@Suite struct ModelSizesTests {
    /// Total and active parameters in billions, and bytes of cache a token, as published.
    static let published: [(name: String, total: Double, active: Double, cache: Int64)] = [
        ("llama-2-7b", 6.74, 6.74, 524_288), ("llama-2-70b", 68.98, 68.98, 327_680), ("llama-3.1-8b", 8.03, 8.03, 131_072),
        ("llama-3.1-70b", 70.55, 70.55, 327_680), ("llama-3.1-405b", 405.85, 405.85, 516_096), ("qwen3-32b", 32.76, 32.76, 262_144),
        ("qwen3-235b-a22b", 235.0, 22.1, 192_512), ("mixtral-8x7b", 46.7, 12.9, 131_072), ("mixtral-8x22b", 140.6, 39.1, 229_376),
        ("deepseek-v3", 670.9, 37.4, 70_272), ("step-3", 316.3, 38.8, 62_464), ("gpt-oss-120b", 116.8, 5.7, 73_728),
        // OPT, with the learned positions and biases left out: 12.85, 65.7 and 174.6 billion published.
        ("opt-13b", 12.85, 12.85, 819_200), ("opt-66b", 65.7, 65.7, 2_359_296), ("opt-175b", 174.6, 174.6, 4_718_592),
    ]

    @Test("parameters are the published ones within 0.5%, cache bytes exactly", arguments: published)
    func sizes(_ row: (name: String, total: Double, active: Double, cache: Int64)) throws {
        let model = try #require(ModelCatalog.named(row.name))
        #expect(abs(Double(model.parameterCount) / 1e9 / row.total - 1) < 0.005)
        // Published active counts have three digits at most.
        #expect(abs(Double(model.activeParameterCount) / 1e9 - row.active) < max(0.05, row.active * 0.005))
        #expect(model.cacheBytesPerToken == row.cache)
        #expect(model.activeParameterCount <= model.parameterCount)
    }

    @Test("every model of the catalogue has a published size to be checked against")
    func complete() { #expect(Set(Self.published.map(\.name)) == Set(ModelCatalog.names)) }

    @Test("parameters of one layer are the published ones")
    func layers() throws {
        // Millions: attention, and one feed-forward network or expert.
        let published: [(String, Double, Double)] = [
            ("llama-2-7b", 67.1, 135.3), ("llama-2-70b", 151.0, 704.6), ("llama-3.1-405b", 570.4, 2617), ("qwen3-235b-a22b", 71.3, 18.87),
            ("deepseek-v3", 187.1, 44.04), ("step-3", 169.3, 110.1), ("gpt-oss-120b", 26.5, 24.9), ("mixtral-8x22b", 88.1, 302.0),
        ]
        for (name, attention, network) in published {
            let model = try #require(ModelCatalog.named(name))
            let wide = model.experts == nil ? model.feedForwardParameters : model.expertParameters
            #expect(abs(Double(model.attentionParameters) / 1e6 - attention) < attention * 0.002)
            #expect(abs(Double(wide) / 1e6 - network) < network * 0.002)
        }
    }

    @Test("weights take what the released files take")
    func weights() throws {
        // 141.1 GB: safetensors index of Llama-3.1-70B. 65.2 GB: gpt-oss-120b. DeepSeek-V3: 671 GB of FP8 (its file has BF16 embeddings too).
        for (name, bytes, tolerance) in [("llama-3.1-70b", 141.1e9, 0.002), ("gpt-oss-120b", 65.2e9, 0.01), ("deepseek-v3", 671e9, 0.005)] {
            let model = try #require(ModelCatalog.named(name))
            #expect(abs(Double(model.weightBytes) / bytes - 1) < tolerance)
        }
    }

    @Test("a sliding window caps the cache of its layers only")
    func slidingWindow() throws {
        let model = try #require(ModelCatalog.named("gpt-oss-120b"))
        #expect(model.cacheBytes(context: 100) == 100 * 73_728)
        #expect(model.cacheBytes(context: 10_000) == 10_000 * 36_864 + 128 * 36_864)
        let full = try #require(ModelCatalog.named("llama-2-7b"))
        #expect(full.cacheBytes(context: 10_000) == 10_000 * full.cacheBytesPerToken)
        // DistServe: 512 tokens of OPT-66B are 1.21e9 bytes.
        #expect(try #require(ModelCatalog.named("opt-66b")).cacheBytes(context: 512) == 1_207_959_552)
    }

    @Test("heads are divided over devices and repeated when there are too few; a compressed vector is repeated")
    func divided() throws {
        let grouped = try #require(ModelCatalog.named("qwen3-235b-a22b"))
        #expect([1, 2, 4, 8].map { grouped.cacheElements(tensorParallel: $0) } == [1024, 512, 256, 256])
        let latent = try #require(ModelCatalog.named("deepseek-v3"))
        #expect([1, 8].map { latent.cacheElements(tensorParallel: $0) } == [576, 576])
    }

    @Test("an absurd shape has an absurd size instead of an overflow")
    func absurd() {
        let model = ModelShape(
            name: "absurd", layers: .max, hidden: .max, queryHeads: .max, kvHeads: .max, headDimension: .max, feedForward: .max,
            vocabulary: .max, experts: ModelShape.Experts(count: .max, topK: .max, shared: .max, width: .max, denseLayers: 3),
            contextLimit: .max, slidingLayers: .max, slidingWindow: .max, source: "test")
        #expect(model.parameterCount >= 1_000_000_000_000_000)
        #expect(model.activeParameterCount > 0)
        #expect(model.cacheBytesPerToken > 0)
        let device = DeviceShape(
            name: "small", flops16: 1, flops8: 0, memory: 1, memoryBandwidth: 1, scaleUpBandwidth: 1, nicBandwidth: 1, idlePower: 0,
            prefillPower: 0, decodePower: 0, source: "test")
        #expect(!MemoryBudget(model: model, device: device).fits)
        #expect(CostModel(model: model, device: device).minimumIterationTime > 0)
    }
}
