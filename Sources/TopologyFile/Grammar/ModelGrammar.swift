import Models
import Quantities

/// The keys of a model.
enum ModelGrammar {
    /// A model by name, or described.
    static var codec: Codec<ModelShape> {
        .catalogued("model", ModelCatalog.names, aliases: ModelCatalog.aliases, blank: blank, find: ModelCatalog.named, keys: keys)
    }

    private static let blank = ModelShape(
        name: "", layers: 0, hidden: 0, queryHeads: 0, kvHeads: 0, headDimension: 0, feedForward: 0, vocabulary: 0, contextLimit: 0,
        source: "the topology file")

    private static var keys: [Key<ModelShape>] {
        let bytes = Codec<Double>.number(0...16, isOpen: true)
        return [
            Key("name", \.name, ShapeText.name, isRequired: true, "Its name, for the record."),
            Key("layers", \.layers, .integer(1...2_000), isRequired: true, "Transformer layers."),
            Key("hidden", \.hidden, .integer(1...1_000_000), isRequired: true, "Width of the hidden state."),
            Key("query-heads", \.queryHeads, .integer(1...10_000), isRequired: true, "Attention heads."),
            Key("kv-heads", \.kvHeads, .integer(1...10_000), isRequired: true, "Heads of keys and values."),
            Key("head-dimension", \.headDimension, .integer(1...100_000), isRequired: true, "Width of a head."),
            Key(
                "feed-forward", \.feedForward, .integer(0...10_000_000), isRequired: true,
                "Width of the dense feed-forward network; 0 when every layer has experts."),
            Key(
                "feed-forward-matrices", \.feedForwardMatrices, .integer(1...8),
                "Matrices of a feed-forward network: 3 with a gate, 2 without."),
            Key("vocabulary", \.vocabulary, .integer(1...100_000_000), isRequired: true, "Tokens in the vocabulary."),
            Key("tied-embeddings", \.tiedEmbeddings, .flag, "Whether the head is the embedding table, so that its weights are held once."),
            Key("attention", \.attention, attention, "How attention keeps its cache."),
            Key("experts", \.experts, experts.or("none"), "The experts of a mixture-of-experts model."),
            Key("weight-element-bytes", \.weightElementBytes, bytes, "Bytes of one weight element: 2 for BF16, 1 for FP8."),
            Key("cache-element-bytes", \.cacheElementBytes, bytes, "Bytes of one cache element."),
            Key("context-limit", \.contextLimit, .integer(1...100_000_000), isRequired: true, "Longest sequence, in tokens."),
            Key("sliding-layers", \.slidingLayers, .integer(0...2_000), "Layers whose attention sees only the last tokens."),
            Key("sliding-window", \.slidingWindow, .integer(0...100_000_000), "How many tokens those layers see."),
            Key("source", \.source, ShapeText.source, "Where the numbers come from."),
        ]
    }

    private struct Latent {
        var queryRank = 0
        var latentRank = 0
        var ropeDimension = 0
        var nopeDimension = 0
        var valueDimension = 0
    }

    private static var attention: Codec<ModelShape.Attention> {
        let size = Codec<Int>.integer(1...1_000_000)
        let latent = Codec<Latent>.mapping(
            "latent attention", Latent(),
            [
                Key("query-rank", \.queryRank, size, isRequired: true, "Rank of the compressed query."),
                Key("latent-rank", \.latentRank, size, isRequired: true, "Width of the compressed key and value."),
                Key("rope-dimension", \.ropeDimension, size, isRequired: true, "Width of the rotary part of a key."),
                Key("nope-dimension", \.nopeDimension, size, isRequired: true, "Width of the other part of a key."),
                Key("value-dimension", \.valueDimension, size, isRequired: true, "Width of a value."),
            ])
        let factorised = Codec<Int>.mapping(
            "factorised attention", 0, [Key("query-rank", \.self, size, isRequired: true, "Rank of the compressed query.")])
        let grouped = Codec<String>.name("attention", ["grouped"]).map({ _ in ModelShape.Attention.grouped }, { _ in "grouped" })
        return Codec<ModelShape.Attention>.forms(
            "attention",
            [
                Form("latent", latent, "Multi-head latent attention (DeepSeek).") {
                    .latent(
                        queryRank: $0.queryRank, latentRank: $0.latentRank, ropeDimension: $0.ropeDimension, nopeDimension: $0.nopeDimension,
                        valueDimension: $0.valueDimension)
                } match: {
                    guard case .latent(let query, let latent, let rope, let nope, let value) = $0 else { return nil }
                    return Latent(queryRank: query, latentRank: latent, ropeDimension: rope, nopeDimension: nope, valueDimension: value)
                },
                Form("factorised", factorised, "Multi-matrix factorisation attention (Step-3).") {
                    .factorised(queryRank: $0)
                } match: {
                    guard case .factorised(let rank) = $0 else { return nil }
                    return rank
                },
            ]
        ).orScalar(grouped) { $0 == .grouped }
    }

    private static var experts: Codec<ModelShape.Experts> {
        .mapping(
            "experts", ModelShape.Experts(count: 0, topK: 0, shared: 0, width: 0, denseLayers: 0),
            [
                Key("count", \.count, .integer(1...100_000), isRequired: true, "Routed experts in a layer."),
                Key("top-k", \.topK, .integer(1...100_000), isRequired: true, "Experts that a token picks."),
                Key("shared", \.shared, .integer(0...100_000), "Experts that every token passes through."),
                Key("width", \.width, .integer(1...10_000_000), isRequired: true, "Width of one expert's feed-forward network."),
                Key("dense-layers", \.denseLayers, .integer(0...2_000), "Layers with a dense feed-forward network instead."),
                Key(
                    "weight-element-bytes", \.weightElementBytes, Codec<Double>.number(0...16, isOpen: true).or("same"),
                    "Bytes of one weight element of an expert; same as the model's unless given."),
            ])
    }
}
