import Foundation
import Testing

@testable import Models

/// The figures of the table in `Sources/Models/README.md`, checked.
@Suite struct RooflineAccuracyTests {
    private func h100() throws -> DeviceShape { try #require(DeviceCatalog.named("h100-sxm")) }

    private func layer(queryHeads: Int, kvHeads: Int) -> ModelShape {
        ModelShape(
            name: "layer", layers: 1, hidden: 1, queryHeads: queryHeads, kvHeads: kvHeads, headDimension: 128, feedForward: 0, vocabulary: 0,
            contextLimit: 1 << 20, source: "test")
    }

    @Test("products with weights take what H100 kernels take")
    func products() throws {
        guard let rows = MeasuredData.rows("steptime/aic_h100_gemm_bf16.csv") else { return }
        let scale = try Roofline.Scale(device: h100(), model: layer(queryHeads: 1, kvHeads: 1))
        var errors = RelativeErrors()
        for row in rows {
            let (n, k) = (row.number("n"), row.number("k"))
            let time = scale.product(parameters: n * k, moved: n + k).time(row.number("m")) + scale.launch
            errors.add(modelled: time, measured: row.number("latency_ms") * 1e6)
        }
        errors.check("h100 gemm", median: 0.08, p90: 0.17)
    }

    @Test("attention over prompts takes what H100 kernels take")
    func promptAttention() throws {
        guard let rows = MeasuredData.rows("steptime/aic_h100_attention_context_bf16.csv") else { return }
        let device = try h100()
        var errors = RelativeErrors()
        for row in rows {
            let model = layer(queryHeads: row.integer("num_heads"), kvHeads: row.integer("num_key_value_heads"))
            let roofline = Roofline(model: model, device: device, tensorParallel: 1, pipelineParallel: 1)
            let (batch, length) = (row.number("batch_size"), row.number("isl"))
            let pairs = batch * length * (length + 1) / 2
            let time = roofline.promptPair * (pairs + Roofline.promptTile * batch * length) + Double(device.attentionOverhead)
            errors.add(modelled: time, measured: row.number("latency_ms") * 1e6)
        }
        errors.check("h100 attention, prompt", median: 0.06, p90: 0.18)
    }

    @Test("attention over a cache takes what H100 kernels take")
    func decodeAttention() throws {
        guard let rows = MeasuredData.rows("steptime/aic_h100_attention_generation_bf16.csv") else { return }
        let device = try h100()
        var errors = RelativeErrors()
        for row in rows {
            let model = layer(queryHeads: row.integer("num_heads"), kvHeads: row.integer("num_key_value_heads"))
            let roofline = Roofline(model: model, device: device, tensorParallel: 1, pipelineParallel: 1)
            let (batch, context) = (row.number("batch_size"), row.number("step") + 1)
            let time = roofline.decodeRead * batch * (context + Roofline.decodeTile) + Double(device.attentionOverhead)
            errors.add(modelled: time, measured: row.number("latency_ms") * 1e6)
        }
        errors.check("h100 attention, decode", median: 0.08, p90: 0.22)
    }

    @Test("latent attention takes what the H100 module takes")
    func latentAttention() throws {
        guard let rows = MeasuredData.rows("steptime/aic_h100_deepseek_v3_mla.csv") else { return }
        let device = try h100()
        var model = try #require(ModelCatalog.named("deepseek-v3"))
        model.layers = 1
        model.cacheElementBytes = 1
        var prompt = RelativeErrors()
        var decode = RelativeErrors()
        for row in rows {
            let ranks = 128 / row.integer("num_heads")
            let roofline = Roofline(model: model, device: device, tensorParallel: ranks, pipelineParallel: 1)
            let (batch, length) = (row.number("batch_size"), row.number("isl"))
            let isPrompt = row["op_name"] == "mla_context"
            let tokens = isPrompt ? batch * length : batch
            // The prompt module was timed without a captured graph: below 4,096 tokens its 0.6 ms of launches are all there is to see.
            guard !isPrompt || tokens >= 4096 else { continue }
            var time = Double(device.attentionOverhead) + 4 * Double(device.launchOverhead)
            time += roofline.attentionInput.time(tokens) + roofline.attentionExpand.time(tokens) + roofline.attentionOutput.time(tokens)
            if isPrompt {
                time += roofline.promptPair * (batch * length * (length + 1) / 2 + Roofline.promptTile * tokens)
                prompt.add(modelled: time, measured: row.number("latency_ms") * 1e6)
            } else {
                let read = roofline.decodeRead * batch * (length + Roofline.decodeTile)
                time += max(read, roofline.decodeCompute * batch * length)
                decode.add(modelled: time, measured: row.number("latency_ms") * 1e6)
            }
        }
        prompt.check("h100 latent attention, prompt", median: 0.23, p90: 0.71)
        decode.check("h100 latent attention, decode", median: 0.23, p90: 0.44)
    }

    @Test("experts take what H100 kernels take", arguments: ["bfloat16", "fp8_block"])
    func experts(format: String) throws {
        guard let rows = MeasuredData.rows("moe/aic_h100_mixtral_qwen3_moe.csv") else { return }
        let device = try h100()
        var errors = RelativeErrors()
        for row in rows where row["moe_dtype"] == format && row["distribution"] == "balanced" {
            let ranks = row.integer("moe_tp_size")
            let groups = row.number("moe_ep_size")
            var model = layer(queryHeads: 1, kvHeads: 1)
            model.hidden = row.integer("hidden_size")
            model.weightElementBytes = format == "bfloat16" ? 2 : 1
            model.experts = ModelShape.Experts(
                count: row.integer("num_experts"), topK: row.integer("topk"), shared: 0, width: row.integer("inter_size"), denseLayers: 0)
            let roofline = Roofline(model: model, device: device, tensorParallel: ranks, pipelineParallel: 1)
            let tokens = row.number("num_tokens")
            let weights = roofline.expertWeights * roofline.expertsHit(Int64(tokens)) / groups
            let compute = roofline.expertComputePerToken * tokens / groups
            let time = max(compute, weights + roofline.expertActivationsPerToken * tokens / groups)
            errors.add(
                modelled: time + Roofline.expertKernels * Double(device.launchOverhead), measured: row.number("latency_ms") * 1e6)
        }
        errors.check("h100 experts, \(format)", median: 0.16, p90: 0.58)
    }

    @Test(
        "a served model's time between tokens is that of its iterations",
        arguments: [
            ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b", 2.0, 0.05, 0.19), ("meta-llama/Llama-3.1-70B", "llama-3.1-70b", 1.0, 0.09, 0.19),
            ("Qwen/Qwen3-235B-A22B-FP8", "qwen3-235b-a22b", 1.0, 0.14, 0.4),
        ])
    func served(path: String, name: String, weightBytes: Double, median: Double, p90: Double) throws {
        guard let rows = MeasuredData.rows("steptime/silicon_e2e_h100_h200.csv") else { return }
        let device = try h100()
        var model = try #require(ModelCatalog.named(name))
        model.weightElementBytes = weightBytes
        var errors = RelativeErrors()
        for row in rows where row["model_path"] == path && row["mode"] == "agg" && row["concurrency"] != "" {
            let ranks = row.integer("tp_size")
            let (batch, input, output) = (Int64(row.integer("concurrency")), Int64(row.integer("isl")), Int64(row.integer("osl")))
            let cost = CostModel(model: model, device: device, tensorParallel: ranks)
            let budget = MemoryBudget(model: model, device: device, tensorParallel: ranks)
            // Requests that do not fit together wait, which iteration times say nothing about.
            guard budget.cacheBlocks(of: 1) >= batch * (input + output) else { continue }
            var decode = BatchShape()
            for _ in 0..<batch { decode.addDecode(context: input + output / 2) }
            var prompt = BatchShape()
            prompt.addPrefill(tokens: input, context: 0)
            // Every request's prompt is computed once while the others decode: `batch / output` prompts an iteration.
            let prefill = Double(cost.iterationTime(prompt))
            let between = Double(cost.iterationTime(decode)) + Double(batch) / Double(output) * prefill
            errors.add(modelled: between, measured: row.number("silicon_tpot_ms") * 1e6)
        }
        errors.check("h100 served \(name)", median: median, p90: p90)
    }

    /// Median errors of prompts and tokens by devices. The engine behind this table launched kernels one by one from Python, which the roofline
    /// does not model: it is too fast by up to two thirds where that shows, and says so here.
    static let eager: [(name: String, bounds: [Int: (prompt: Double, token: Double)])] = [
        ("a100-80g", [2: (0.06, 0.23), 4: (0.17, 0.44), 8: (0.27, 0.68)]), ("h100-sxm", [2: (0.31, 0.25), 8: (0.5, 0.68)]),
    ]

    @Test("the roofline is a lower estimate of an engine without captured graphs", arguments: eager)
    func splitwise(name: String, bounds: [Int: (prompt: Double, token: Double)]) throws {
        guard let rows = MeasuredData.rows("steptime/splitwise_llama2_70b.csv") else { return }
        let device = try #require(DeviceCatalog.named(name))
        let model = try #require(ModelCatalog.named("llama-2-70b"))
        for (ranks, bound) in bounds.sorted(by: { $0.key < $1.key }) {
            let cost = CostModel(model: model, device: device, tensorParallel: ranks)
            var prompts = RelativeErrors()
            var tokens = RelativeErrors()
            // Batches of 64 do not fit on two devices; their rows are of runs that were cut short.
            for row in rows where row.integer("tensor_parallel") == ranks && row.integer("batch_size") < 64 {
                guard name.hasPrefix(row["hardware"]?.prefix(4) ?? "-") else { continue }
                let (size, batch) = (Int64(row.integer("prompt_size")), Int64(row.integer("batch_size")))
                var prompt = BatchShape()
                var decode = BatchShape()
                for _ in 0..<batch {
                    prompt.addPrefill(tokens: size, context: 0)
                    decode.addDecode(context: size + Int64(row.integer("token_size")) / 2)
                }
                prompts.add(modelled: Double(cost.iterationTime(prompt)), measured: row.number("prompt_time") * 1e6)
                tokens.add(modelled: Double(cost.iterationTime(decode)), measured: row.number("token_time") * 1e6)
            }
            prompts.check("\(name) splitwise prompt, \(ranks) devices", median: bound.prompt, p90: 0.7)
            tokens.check("\(name) splitwise token, \(ranks) devices", median: bound.token, p90: 0.7)
            #expect(prompts.bias < 0 && tokens.bias < 0)
        }
    }
}
