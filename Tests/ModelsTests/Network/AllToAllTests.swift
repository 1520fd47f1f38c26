import Testing

@testable import Models

@Suite struct AllToAllTests {
    /// DeepEP's published low-latency times (H800) and CloudMatrix-Infer's, in microseconds: 128 tokens a rank, 7,168 elements, 8 experts a token;
    /// and the relative error of the fitted model in thousandths.
    static let published: [(fabric: String, ranks: Int, dispatch: Double, combine: Double, errors: (Int, Int))] = [
        ("deepep-h800", 8, 77, 114, (0, 1)), ("deepep-h800", 16, 118, 195, (-17, 9)), ("deepep-h800", 32, 155, 273, (26, 26)),
        ("deepep-h800", 64, 173, 314, (44, 25)), ("deepep-h800", 128, 192, 369, (-4, -71)), ("deepep-h800", 256, 194, 360, (14, -19)),
        ("cloudmatrix384", 8, 116, 118, (-71, 72)), ("cloudmatrix384", 256, 152, 149, (-78, 62)),
    ]

    @Test("published all-to-alls take what the fit says, with the error that is stated", arguments: published)
    func table(row: (fabric: String, ranks: Int, dispatch: Double, combine: Double, errors: (Int, Int))) throws {
        let model = try #require(AllToAllModel.named(row.fabric))
        let format = row.fabric == "cloudmatrix384" ? ActivationFormat.int8 : .fp8
        let dispatch = Double(model.dispatchTime(128 * 8 * format.bytes(hidden: 7168), ranks: row.ranks)) / 1000
        let combine = Double(model.combineTime(128 * 8 * ActivationFormat.bf16.bytes(hidden: 7168), ranks: row.ranks)) / 1000
        func thousandths(_ modelled: Double, _ measured: Double) -> Int { Int((1000 * (modelled / measured - 1)).rounded()) }
        let found = (thousandths(dispatch, row.dispatch), thousandths(combine, row.combine))
        print("all-to-all \(row.fabric) EP\(row.ranks): dispatch \(dispatch) us (\(found.0)), combine \(combine) us (\(found.1))")
        #expect(found == row.errors)
    }

    @Test("DeepEP's low-latency kernels on one H100 host, 1 to 1,024 tokens")
    func oneHost() throws {
        guard let rows = MeasuredData.rows("network/aic_h100_deepep_lowlatency_1node.csv") else { return }
        let model = AllToAllModel.deepEPH100
        var dispatch = RelativeErrors()
        var combine = RelativeErrors()
        for row in rows {
            let (hidden, pairs) = (row.integer("hidden_size"), Int64(row.integer("num_token") * row.integer("num_topk")))
            let sent = model.dispatchTime(pairs * ActivationFormat.fp8.bytes(hidden: hidden), ranks: 8)
            let returned = model.combineTime(pairs * ActivationFormat.bf16.bytes(hidden: hidden), ranks: 8)
            dispatch.add(modelled: Double(sent), measured: row.number("dispatch_avg_t_us") * 1000)
            combine.add(modelled: Double(returned), measured: row.number("combine_avg_t_us") * 1000)
        }
        dispatch.check("h100 deepep low latency, dispatch", median: 0.09, p90: 0.33)
        combine.check("h100 deepep low latency, combine", median: 0.06, p90: 0.15)
    }

    /// Backends of the second table, the model that stands for each, and bounds on the errors of dispatch and combine.
    static let engines: [(backend: String, fabric: String, dispatch: (Double, Double), combine: (Double, Double))] = [
        ("deepep_ht", "deepep-h100-normal", (0.13, 0.31), (0.11, 0.24)), ("deepep_ll", "deepep-h100-engine", (0.11, 0.26), (0.16, 0.54)),
        // Measured inside an engine, the same kernels take up to four times as long as alone.
        ("deepep_ll", "deepep-h100", (0.78, 0.86), (0.6, 0.86)),
    ]

    @Test("all-to-alls as an engine on one H100 host calls them", arguments: engines)
    func engine(row bound: (backend: String, fabric: String, dispatch: (Double, Double), combine: (Double, Double))) throws {
        guard let rows = MeasuredData.rows("network/aic_h100_moe_a2a_ep8.csv") else { return }
        let model = try #require(AllToAllModel.named(bound.fabric))
        for phase in ["dispatch", "combine"] {
            var errors = RelativeErrors()
            for row in rows where row["comm_backend"] == bound.backend && row["phase"] == phase {
                let picked = row.number("topk")
                // Normal kernels send a token once to each rank: 8 (1 - (7/8)^k) of them in expectation.
                var missed = 1.0
                for _ in 0..<row.integer("topk") { missed *= 0.875 }
                let copies = row.number("num_tokens") * (bound.backend == "deepep_ht" ? 8 * (1 - missed) : picked)
                let format = phase == "dispatch" ? ActivationFormat.fp8 : .bf16
                let bytes = Int64(copies * Double(format.bytes(hidden: row.integer("hidden_size"))))
                let time = phase == "dispatch" ? model.dispatchTime(bytes, ranks: 8) : model.combineTime(bytes, ranks: 8)
                errors.add(modelled: Double(time), measured: row.number("latency_us") * 1000)
            }
            let limit = phase == "dispatch" ? bound.dispatch : bound.combine
            errors.check("h100 \(bound.backend) \(phase) by \(bound.fabric)", median: limit.0, p90: limit.1)
        }
    }

    @Test("the slower path counts, each with its own latency; nothing sent takes no time")
    func paths() {
        let path = AllToAllModel.Path(latency: 10_000, bandwidth: 100_000_000_000)
        let phase = AllToAllModel.Phase(scaleUp: path, scaleOut: AllToAllModel.Path(latency: 20_000, bandwidth: 50_000_000_000))
        #expect(phase.time(scaleUp: 0, scaleOut: 0) == 0)
        #expect(phase.time(scaleUp: 1_000_000, scaleOut: 0) == 20_000)
        #expect(phase.time(scaleUp: 1_000_000, scaleOut: 1_000_000) == 40_000)
        #expect(phase.time(scaleUp: 9_000_000, scaleOut: 1_000_000) == 100_000)
        #expect(phase.time(scaleUp: .max, scaleOut: .max) <= .never)
    }

    @Test("bytes to all ranks are divided by host without loss")
    func split() {
        let model = AllToAllModel.deepEPH800
        #expect(model.split(1000, ranks: 8) == (1000, 0))
        #expect(model.split(1000, ranks: 32) == (250, 750))
        for ranks in [9, 16, 144, 320] {
            let parts = model.split(7_569_408, ranks: ranks)
            #expect(parts.scaleUp + parts.scaleOut == 7_569_408)
        }
    }
}
