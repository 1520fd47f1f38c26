import Models
import Quantities

/// How popular experts are, as the file gives it.
enum PopularityDraft {
    case given(GatePlan.Popularity)
    /// Recorded loads that have yet to be held against a model.
    case file(RecordedLoads)
}

/// A gate as the file gives it.
struct GateDraft {
    var popularity = PopularityDraft.given(.uniform)
    /// All but the popularity.
    var rest = GatePlan()

    init() {}

    /// For writing.
    init(_ plan: GatePlan) {
        popularity = .given(plan.popularity)
        rest = plan
    }

    /// The gate of a model's layers.
    func plan(for model: ModelShape) -> GatePlan {
        var plan = rest
        switch popularity {
        case .given(let popularity): plan.popularity = popularity
        case .file(let file): plan.popularity = .recorded(file.loads(layers: model.expertLayers, experts: model.experts?.count ?? 0))
        }
        return plan
    }
}

/// The keys of a gate.
enum GateGrammar {
    static var codec: Codec<GateDraft> { .mapping("a gate", GateDraft(), keys) }

    static var keys: [Key<GateDraft>] {
        [
            Key("popularity", \.popularity, popularity, "How popular experts are; which is the popular one is drawn for each layer."),
            Key("selection", \.rest.selection, selection, "How a token picks experts."),
            Key(
                "layer-correlation", \.rest.layerCorrelation, .number(0...1),
                "Correlation of an expert's popularity between layers; at 1 the same experts are popular in all."),
            Key("drift", \.rest.drift, drift.or("none"), "How popularity moves."),
            Key(
                "batch-noise", \.rest.batchNoise, .number(0...5),
                "Standard deviation of the logarithm of a factor on each expert's popularity, drawn for each layer and batch."),
            Key(
                "capacity-factor", \.rest.capacityFactor, Codec<Double>.number(0...1_000_000, isOpen: true).or("none"),
                "Most tokens that an expert takes of a rank's batch, in multiples of the mean; the rest are dropped."),
            Key("sampling", \.rest.sampling, .choice("sampling", GatePlan.Sampling.allCases), "Whether rows of drawn picks serve several batches."),
            Key("bias-rate", \.rest.biasRate, .number(0...10), "Loss-free balancing: how much a batch moves the bias on an expert's score."),
        ]
    }

    private static var popularity: Codec<PopularityDraft> {
        let forms: [Form<PopularityDraft>] = [
            Form("zipf", .number(0...10), "The popularity of the r-th expert is r to the power of minus this.") {
                .given(.zipf(exponent: $0))
            } match: {
                if case .given(.zipf(let exponent)) = $0 { exponent } else { nil }
            },
            Form("log-normal", .number(0...5), "Logarithms of popularities are normal with this standard deviation.") {
                .given(.logNormal(sigma: $0))
            } match: {
                if case .given(.logNormal(let sigma)) = $0 { sigma } else { nil }
            },
            Form("dirichlet", .number(0.001...1_000_000), "Popularities are a draw from a symmetric Dirichlet distribution: less is more uneven.") {
                .given(.dirichlet(alpha: $0))
            } match: {
                if case .given(.dirichlet(let alpha)) = $0 { alpha } else { nil }
            },
            Form("recorded", RecordedLoads.codec, "Recorded loads (CSV: \(RecordedLoads.header)), relative to this file; or its numbers.") {
                $0
            } match: {
                if case .given(.recorded) = $0 { $0 } else { nil }
            },
        ]
        return .words("popularity", ["uniform"], or: forms) { _ in
            .given(.uniform)
        } word: {
            if case .given(.uniform) = $0 { "uniform" } else { nil }
        }
    }

    private struct Groups {
        var count = 0
        var kept = 0
    }

    private static var selection: Codec<GatePlan.Selection> {
        let number = Codec<Int>.integer(1...GatePlan.expertLimit)
        let groups = Codec<Groups>.mapping(
            "groups", Groups(),
            [
                Key("count", \.count, number, isRequired: true, "Groups of neighbouring experts."),
                Key("kept", \.kept, number, isRequired: true, "Groups that a token picks experts of."),
            ])
        let forms: [Form<GatePlan.Selection>] = [
            Form("groups", groups, "The best experts of the best groups (DeepSeek-V3).") {
                .groups(count: $0.count, kept: $0.kept)
            } match: {
                if case .groups(let count, let kept) = $0 { Groups(count: count, kept: kept) } else { nil }
            },
            Form("noisy-top-k", .number(0...5), "The best experts after a normal variate of this standard deviation on each score (Shazeer).") {
                .noisyTopK(noise: $0)
            } match: {
                if case .noisyTopK(let noise) = $0 { noise } else { nil }
            },
        ]
        return .words("selection", ["top-k", "expert-choice"], or: forms) {
            $0 == "top-k" ? .topK : .expertChoice
        } word: {
            switch $0 {
            case .topK: "top-k"
            case .expertChoice: "expert-choice"
            case .groups, .noisyTopK: nil
            }
        }
    }

    private static var drift: Codec<GatePlan.Drift> {
        .mapping(
            "drift", GatePlan.Drift(period: 0, share: 0),
            [
                Key("period", \.period, .quantity(.duration, Limits.span), isRequired: true, "Time between two steps."),
                Key("share", \.share, .number(0...1), isRequired: true, "Share of the experts whose popularity a step draws anew."),
            ])
    }
}
