import Foundation
import Quantities
import Testing

@testable import Models

/// Experts of one rank against H100 kernels, by the skew of the load. The figures of the table in `Sources/Models/README.md`, checked.
@Suite struct ExpertAccuracyTests {
    /// Experts hit and tokens routed on the rank that the measurement was of.
    typealias Load = (distinct: Int, routed: Int)

    struct Layer {
        let experts: Int
        let topK: Int
        let tokens: Int
        let groups: Int
    }

    /// Each expert of each rank alike.
    private func balanced(_ layer: Layer) -> Load {
        let routed = max(1, layer.tokens * layer.topK / layer.groups)
        return (min(layer.experts / layer.groups, routed), routed)
    }

    /// The rank with most tokens when experts get shares from a power law between one token and 0.8 of all, as aiconfigurator draws them.
    private func skewed(_ layer: Layer, exponent: Double, random: inout RandomStream) -> Load {
        let many = layer.tokens * layer.topK > layer.experts
        let (least, most) = many ? (1.0, Double(layer.tokens) * 0.8) : (0.01, 2.0)
        let power = 1 - exponent
        let (low, high) = (pow(least, power), pow(most, power))
        let draws = (0..<layer.experts).map { _ in pow((high - low) * random.unit() + low, 1 / power) }
        let scale = Double(layer.tokens * layer.topK) / draws.reduce(0, +)
        let loads = draws.map { min(Int(($0 * scale).rounded()), layer.tokens) }
        let size = layer.experts / layer.groups
        let ranks = (0..<layer.groups).map { loads[$0 * size..<($0 + 1) * size] }
        let hottest = ranks.max { $0.reduce(0, +) < $1.reduce(0, +) } ?? []
        return (hottest.filter { $0 > 0 }.count, hottest.reduce(0, +))
    }

    private func time(_ layer: Layer, distribution: String, cost: ExpertCost) -> Double {
        guard let exponent = distribution.split(separator: "_").last.flatMap({ Double($0) }) else {
            let load = balanced(layer)
            return Double(cost.expertTime(distinct: load.distinct, routed: Int64(load.routed)))
        }
        var random = RandomStream(seed: 1, stream: UInt64(layer.tokens))
        let times = (0..<12).map { _ in
            let load = skewed(layer, exponent: exponent, random: &random)
            return Double(cost.expertTime(distinct: load.distinct, routed: Int64(load.routed)))
        }
        return times.reduce(0, +) / 12
    }

    private func model(_ row: [String: String], bytes: Double) -> ModelShape {
        ModelShape(
            name: "layer", layers: 1, hidden: row.integer("hidden_size"), queryHeads: 1, kvHeads: 1, headDimension: 128, feedForward: 0,
            vocabulary: 0,
            experts: ModelShape.Experts(
                count: row.integer("num_experts"), topK: row.integer("topk"), shared: 0, width: row.integer("inter_size"), denseLayers: 0),
            weightElementBytes: bytes, contextLimit: 1, source: "test")
    }

    private func layer(_ row: [String: String]) -> Layer {
        Layer(
            experts: row.integer("num_experts"), topK: row.integer("topk"), tokens: row.integer("num_tokens"), groups: row.integer("moe_ep_size"))
    }

    /// Prompts: only above 1 ms, because below, 0.25 ms of launches without a captured graph are what the measurement shows.
    static let deepSeek: [(phase: String, distribution: String, median: Double, p90: Double)] = [
        ("moe_generation", "uniform", 0.03, 0.18), ("moe_generation", "power_law_0.6", 0.06, 0.46), ("moe_generation", "power_law_0.8", 0.08, 0.55),
        ("moe_generation", "power_law_1.01", 0.09, 0.5), ("moe_generation", "power_law_1.2", 0.11, 0.63), ("moe_context", "uniform", 0.25, 0.68),
        ("moe_context", "power_law_0.6", 0.26, 0.34), ("moe_context", "power_law_0.8", 0.2, 0.37), ("moe_context", "power_law_1.01", 0.23, 0.36),
        ("moe_context", "power_law_1.2", 0.3, 0.4),
    ]

    @Test("DeepSeek-V3's experts in FP8, 2 to 256 ranks, by skew", arguments: deepSeek)
    func deepSeekBySkew(row bound: (phase: String, distribution: String, median: Double, p90: Double)) throws {
        guard let rows = MeasuredData.rows("moe/aic_h100_deepseek_v3_moe_by_skew.csv") else { return }
        let device = try #require(DeviceCatalog.named("h100-sxm"))
        var errors = RelativeErrors()
        for row in rows where row["distribution"] == bound.distribution && row["op_name"] == bound.phase {
            guard bound.phase == "moe_generation" || row.number("latency_ms") >= 1 else { continue }
            let cost = ExpertCost(model: model(row, bytes: 1), device: device)
            let modelled = time(layer(row), distribution: bound.distribution, cost: cost)
            errors.add(modelled: modelled, measured: row.number("latency_ms") * 1e6)
        }
        errors.check("h100 deepseek-v3 \(bound.phase) \(bound.distribution)", median: bound.median, p90: bound.p90)
    }

    static let fused: [(format: String, distribution: String, median: Double, p90: Double)] = [
        ("bfloat16", "balanced", 0.15, 0.65), ("bfloat16", "power_law_1.01", 0.19, 0.6), ("bfloat16", "power_law_1.2", 0.19, 0.56),
        ("fp8_block", "balanced", 0.13, 0.47), ("fp8_block", "power_law_1.01", 0.2, 0.5), ("fp8_block", "power_law_1.2", 0.2, 0.51),
    ]

    @Test("experts of Mixtral-8x7B and Qwen3-235B with their router, 1 to 128 ranks, by skew", arguments: fused)
    func fusedBySkew(row bound: (format: String, distribution: String, median: Double, p90: Double)) throws {
        guard let rows = MeasuredData.rows("moe/aic_h100_mixtral_qwen3_moe.csv") else { return }
        let device = try #require(DeviceCatalog.named("h100-sxm"))
        for experts in [8, 128] {
            var errors = RelativeErrors()
            for row in rows
            where row["distribution"] == bound.distribution && row["moe_dtype"] == bound.format && row.integer("num_experts") == experts {
                let shape = model(row, bytes: bound.format == "bfloat16" ? 2 : 1)
                let cost = ExpertCost(model: shape, device: device, expertParallel: row.integer("moe_tp_size"))
                let modelled = time(layer(row), distribution: bound.distribution, cost: cost)
                let router = ExpertCost.routerKernels * Double(device.launchOverhead)
                errors.add(modelled: modelled + router, measured: row.number("latency_ms") * 1e6)
            }
            errors.check("h100 \(experts) experts \(bound.format) \(bound.distribution)", median: bound.median, p90: bound.p90)
        }
    }
}
