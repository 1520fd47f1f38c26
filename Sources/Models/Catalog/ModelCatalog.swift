/// The models that a topology can name. Shapes are those of the published configurations.
///
/// `weightElementBytes` is that of the usual deployment: BF16 (2) for the dense models, Mixtral, Qwen3 and OPT, FP8 (1) for
/// DeepSeek-V3 and Step-3 as they were released and served. The cache is kept in two bytes for every model.
public enum ModelCatalog {
    /// All models, in the order in which they are listed.
    public static let all: [ModelShape] = llama + qwen + mixtral + latent + opt

    /// The names of all models, in the same order.
    public static var names: [String] { all.map(\.name) }

    /// Other names for models of the catalogue.
    public static let aliases: [(alias: String, name: String)] = [
        ("llama-3-8b", "llama-3.1-8b"), ("llama-3-70b", "llama-3.1-70b"), ("llama-3-405b", "llama-3.1-405b"),
        ("llama2-7b", "llama-2-7b"), ("llama2-70b", "llama-2-70b"), ("qwen3-235b", "qwen3-235b-a22b"),
        ("deepseek-r1", "deepseek-v3"), ("gpt-oss", "gpt-oss-120b"),
    ]

    /// The model with this name or alias, or `nil`.
    public static func named(_ name: String) -> ModelShape? {
        let canonical = aliases.first { $0.alias == name }?.name ?? name
        return all.first { $0.name == canonical }
    }

    private static let configuration = "Hugging Face configuration, as mirrored in aiconfigurator and Vidur"

    private static let llama: [ModelShape] = [
        ModelShape(
            name: "llama-2-7b", layers: 32, hidden: 4096, queryHeads: 32, kvHeads: 32, headDimension: 128, feedForward: 11008,
            vocabulary: 32_000, contextLimit: 4096, source: configuration),
        ModelShape(
            name: "llama-2-70b", layers: 80, hidden: 8192, queryHeads: 64, kvHeads: 8, headDimension: 128, feedForward: 28672,
            vocabulary: 32_000, contextLimit: 4096, source: configuration),
        ModelShape(
            name: "llama-3.1-8b", layers: 32, hidden: 4096, queryHeads: 32, kvHeads: 8, headDimension: 128, feedForward: 14336,
            vocabulary: 128_256, contextLimit: 131_072, source: configuration),
        ModelShape(
            name: "llama-3.1-70b", layers: 80, hidden: 8192, queryHeads: 64, kvHeads: 8, headDimension: 128, feedForward: 28672,
            vocabulary: 128_256, contextLimit: 131_072, source: configuration),
        ModelShape(
            name: "llama-3.1-405b", layers: 126, hidden: 16384, queryHeads: 128, kvHeads: 8, headDimension: 128, feedForward: 53248,
            vocabulary: 128_256, contextLimit: 131_072, source: configuration),
    ]

    private static let qwen: [ModelShape] = [
        ModelShape(
            name: "qwen3-32b", layers: 64, hidden: 5120, queryHeads: 64, kvHeads: 8, headDimension: 128, feedForward: 25600,
            vocabulary: 151_936, contextLimit: 40_960, source: configuration),
        ModelShape(
            name: "qwen3-235b-a22b", layers: 94, hidden: 4096, queryHeads: 64, kvHeads: 4, headDimension: 128, feedForward: 0,
            vocabulary: 151_936, experts: ModelShape.Experts(count: 128, topK: 8, shared: 0, width: 1536, denseLayers: 0),
            contextLimit: 40_960, source: configuration),
    ]

    private static let mixtral: [ModelShape] = [
        ModelShape(
            name: "mixtral-8x7b", layers: 32, hidden: 4096, queryHeads: 32, kvHeads: 8, headDimension: 128, feedForward: 0,
            vocabulary: 32_000, experts: ModelShape.Experts(count: 8, topK: 2, shared: 0, width: 14336, denseLayers: 0),
            contextLimit: 32_768, source: configuration),
        ModelShape(
            name: "mixtral-8x22b", layers: 56, hidden: 6144, queryHeads: 48, kvHeads: 8, headDimension: 128, feedForward: 0,
            vocabulary: 32_000, experts: ModelShape.Experts(count: 8, topK: 2, shared: 0, width: 16384, denseLayers: 0),
            contextLimit: 65_536, source: configuration),
    ]

    private static let latent: [ModelShape] = [
        ModelShape(
            name: "deepseek-v3", layers: 61, hidden: 7168, queryHeads: 128, kvHeads: 128, headDimension: 128, feedForward: 18432,
            vocabulary: 129_280,
            attention: .latent(queryRank: 1536, latentRank: 512, ropeDimension: 64, nopeDimension: 128, valueDimension: 128),
            experts: ModelShape.Experts(count: 256, topK: 8, shared: 1, width: 2048, denseLayers: 3), weightElementBytes: 1,
            contextLimit: 163_840, source: configuration + "; weights in FP8 as released (embeddings counted so too), cache in BF16"),
        ModelShape(
            name: "step-3", layers: 61, hidden: 7168, queryHeads: 64, kvHeads: 1, headDimension: 256, feedForward: 18432,
            vocabulary: 128_815, attention: .factorised(queryRank: 2048),
            experts: ModelShape.Experts(count: 48, topK: 3, shared: 1, width: 5120, denseLayers: 5), weightElementBytes: 1,
            contextLimit: 65_536, source: configuration + "; weights in FP8 as served in arXiv 2507.19427, cache in BF16"),
        ModelShape(
            name: "gpt-oss-120b", layers: 36, hidden: 2880, queryHeads: 64, kvHeads: 8, headDimension: 64, feedForward: 0,
            vocabulary: 201_088,
            experts: ModelShape.Experts(count: 128, topK: 4, shared: 0, width: 2880, denseLayers: 0, weightElementBytes: 0.53125),
            contextLimit: 131_072, slidingLayers: 18, slidingWindow: 128,
            source: configuration + "; experts in MXFP4 (4.25 bits); vocabulary and window [from memory]"),
    ]

    private static let optSource = "OPT, arXiv 2205.01068, table 1; used by DistServe (OSDI 24)"

    private static let opt: [ModelShape] = [
        ModelShape(
            name: "opt-13b", layers: 40, hidden: 5120, queryHeads: 40, kvHeads: 40, headDimension: 128, feedForward: 20480,
            vocabulary: 50_272, contextLimit: 2048, feedForwardMatrices: 2, tiedEmbeddings: true, source: optSource),
        ModelShape(
            name: "opt-66b", layers: 64, hidden: 9216, queryHeads: 72, kvHeads: 72, headDimension: 128, feedForward: 36864,
            vocabulary: 50_272, contextLimit: 2048, feedForwardMatrices: 2, tiedEmbeddings: true, source: optSource),
        ModelShape(
            name: "opt-175b", layers: 96, hidden: 12288, queryHeads: 96, kvHeads: 96, headDimension: 128, feedForward: 49152,
            vocabulary: 50_272, contextLimit: 2048, feedForwardMatrices: 2, tiedEmbeddings: true, source: optSource),
    ]
}
