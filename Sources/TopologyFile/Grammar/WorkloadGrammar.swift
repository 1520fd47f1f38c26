import Quantities
import TraceFiles
import Workload

/// A workload as the file gives it.
struct WorkloadDraft {
    var trace: TraceSource?
    var arrivals: WorkloadPlan.Arrivals?
    var promptTokens: LengthDistribution?
    var outputTokens: LengthDistribution?
    var requestLimit: Int?
    var duration: Nanoseconds?
    var rateScale = 1.0
    var promptScale = 1.0
    var outputScale = 1.0
    var priorities: [WeightedPriority]?

    init() {}

    /// For writing: a trace has lengths of its own.
    init(_ plan: WorkloadPlan) {
        if case .trace(let source) = plan.arrivals {
            trace = source
        } else {
            arrivals = plan.arrivals
            promptTokens = plan.promptTokens
            outputTokens = plan.outputTokens
        }
        requestLimit = plan.requestLimit
        duration = plan.duration
        rateScale = plan.rateScale
        promptScale = plan.promptScale
        outputScale = plan.outputScale
        priorities = plan.priorities.isEmpty ? nil : plan.priorities
    }

    /// The plan; `nil` without arrivals.
    var plan: WorkloadPlan? {
        guard let arrivals = trace.map(WorkloadPlan.Arrivals.trace) ?? arrivals else { return nil }
        var plan = WorkloadPlan(
            arrivals: arrivals, requestLimit: requestLimit, duration: duration, rateScale: rateScale, promptScale: promptScale,
            outputScale: outputScale, priorities: priorities ?? [])
        if let promptTokens { plan.promptTokens = promptTokens }
        if let outputTokens { plan.outputTokens = outputTokens }
        return plan
    }
}

/// The keys of a workload.
enum WorkloadGrammar {
    static var codec: Codec<WorkloadDraft> {
        let scale = Codec<Double>.number(0...1e6, isOpen: true)
        return .mapping(
            "workload", WorkloadDraft(),
            [
                Key("trace", \.trace, TraceGrammar.codec.optional, "A recorded trace, relative to this file."),
                Key(
                    "arrivals", \.arrivals, arrivals.optional,
                    "When generated requests arrive, in place of a trace; none for a detached cluster that gets them while it is up."),
                Key("prompt-tokens", \.promptTokens, lengths.optional, "Lengths of generated prompts; 512 unless given."),
                Key("output-tokens", \.outputTokens, lengths.optional, "Lengths of generated outputs; 128 unless given."),
                Key(
                    "requests", \.requestLimit, Codec<Int>.integer(1...1_000_000_000, "a number of requests").optional, "Stop after so many requests."
                ),
                Key("duration", \.duration, Codec<Int64>.quantity(.duration, Limits.span).optional, "Offer no request after this time."),
                Key("rate-scale", \.rateScale, scale, "Times the arrival rate: 2 halves every gap."),
                Key("prompt-scale", \.promptScale, scale, "Times the prompt lengths."),
                Key("output-scale", \.outputScale, scale, "Times the output lengths."),
                Key(
                    "priorities", \.priorities, Codec<[WeightedPriority]>.list("priorities", priority, limit: 100).optional,
                    "How urgent requests are, drawn by weight: preemption and queues spare smaller numbers. All alike unless given."),
            ])
    }

    private static var priority: Codec<WeightedPriority> {
        .mapping(
            "a priority", WeightedPriority(priority: 0, weight: 1),
            [
                Key("priority", \.level, .integer(-1000...1000, "a priority"), isRequired: true, "Smaller is more urgent."),
                Key("weight", \.weight, .number(0...1e12, isOpen: true), "How often it is drawn, relative to the others."),
            ])
    }

    private struct Gamma {
        var rate = 0.0
        var burstiness = 1.0
    }

    private struct Loop {
        var concurrency = 0
        var think: Nanoseconds = 0
    }

    private static var arrivals: Codec<WorkloadPlan.Arrivals> {
        let gamma = Codec<Gamma>.mapping(
            "gamma arrivals", Gamma(),
            [
                Key("rate", \.rate, .rate(), isRequired: true, "Requests a second."),
                Key(
                    "burstiness", \.burstiness, .number(0...100, isOpen: true),
                    "Coefficient of variation of the gaps: 1 is Poisson, more is burstier."),
            ])
        let step = Codec<WorkloadPlan.RateStep>.mapping(
            "a step", WorkloadPlan.RateStep(start: 0, rate: 0),
            [
                Key("at", \.start, .quantity(.duration, 0...Limits.span.upperBound), isRequired: true, "From when on."),
                Key("rate", \.rate, .rate(allowsZero: true), isRequired: true, "Requests a second."),
            ])
        let loop = Codec<Loop>.mapping(
            "a closed loop", Loop(),
            [
                Key("concurrency", \.concurrency, .integer(1...1_000_000, "a number of users"), isRequired: true, "Users."),
                Key("think", \.think, .quantity(.duration, 0...Limits.span.upperBound), "From the end of a user's request to the next one."),
            ])
        return .words(
            "arrivals", ["none"],
            or: [
                Form("poisson", .rate(), "Independent exponential gaps.") {
                    .poisson(rate: $0)
                } match: {
                    if case .poisson(let rate) = $0 { rate } else { nil }
                },
                Form("gamma", gamma, "Gamma gaps: bursts.") {
                    .gamma(rate: $0.rate, burstiness: $0.burstiness)
                } match: {
                    if case .gamma(let rate, let burstiness) = $0 { Gamma(rate: rate, burstiness: burstiness) } else { nil }
                },
                Form("constant", .rate(), "Equal gaps.") {
                    .constant(rate: $0)
                } match: {
                    if case .constant(let rate) = $0 { rate } else { nil }
                },
                Form("piecewise", .list("steps", step, limit: 10_000), "Poisson arrivals whose rate changes at given times.") {
                    .piecewise($0)
                } match: {
                    if case .piecewise(let steps) = $0 { steps } else { nil }
                },
                Form("closed-loop", loop, "A fixed number of users who wait for their answers.") {
                    .closedLoop(concurrency: $0.concurrency, think: $0.think)
                } match: {
                    if case .closedLoop(let concurrency, let think) = $0 { Loop(concurrency: concurrency, think: think) } else { nil }
                },
            ]
        ) { _ in
            .nothing
        } word: {
            if case .nothing = $0 { "none" } else { nil }
        }
    }

    private struct LogNormal {
        var median = 0.0
        var sigma = 0.0
        var limit = 131_072
    }

    private static var lengths: Codec<LengthDistribution> {
        let tokens = Codec<Int>.integer(Limits.tokens, "a number of tokens")
        let logNormal = Codec<LogNormal>.mapping(
            "log-normal lengths", LogNormal(),
            [
                Key("median", \.median, .number(1...10_000_000), isRequired: true, "Median in tokens."),
                Key("sigma", \.sigma, .number(0...10), isRequired: true, "Standard deviation of the logarithm."),
                Key("limit", \.limit, tokens, "Longest length; longer draws are cut to it."),
            ])
        let weighted = Codec<LengthDistribution.WeightedLength>.mapping(
            "a length", LengthDistribution.WeightedLength(tokens: 0, weight: 1),
            [
                Key("tokens", \.tokens, tokens, isRequired: true, "Length in tokens."),
                Key("weight", \.weight, .number(0...1e12, isOpen: true), "How often it is drawn, relative to the others."),
            ])
        let fixed = tokens.map({ LengthDistribution.fixed($0) }, { if case .fixed(let tokens) = $0 { tokens } else { nil } })
        return Codec<LengthDistribution>.forms(
            "lengths",
            [
                Form(
                    "uniform", .list("lengths", tokens, limit: 2), "Equally likely from the first to the second, both included.",
                    expectation: "two lengths, the smaller one first"
                ) {
                    $0.count == 2 && $0[0] <= $0[1] ? .uniform(from: $0[0], through: $0[1]) : nil
                } match: {
                    if case .uniform(let from, let through) = $0 { [from, through] } else { nil }
                },
                Form("log-normal", logNormal, "Log-normal, cut at a limit.") {
                    .logNormal(median: $0.median, sigma: $0.sigma, limit: $0.limit)
                } match: {
                    if case .logNormal(let median, let sigma, let limit) = $0 { LogNormal(median: median, sigma: sigma, limit: limit) } else { nil }
                },
                Form("empirical", .list("lengths", weighted, limit: 20_000), "Lengths with weights.") {
                    .empirical($0)
                } match: {
                    if case .empirical(let lengths) = $0 { lengths } else { nil }
                },
            ]
        ).orScalar(fixed) { if case .fixed = $0 { true } else { false } }
    }
}

/// How a trace stands in a topology: a path, or a mapping.
enum TraceGrammar {
    private struct Draft {
        var file = ""
        var format: TraceFormat?
        var skipBadLines = false
    }

    static var codec: Codec<TraceSource> {
        let path = Codec<String>.text("the path of a trace") { !$0.isEmpty && $0.utf8.count <= 4_096 && !$0.utf8.contains(0) }
        let mapping = Codec<Draft>.mapping(
            "a trace", Draft(),
            [
                Key("file", \.file, path, isRequired: true, "Its path, relative to this file."),
                Key(
                    "format", \.format, Codec<TraceFormat>.choice("format", TraceFormat.allCases).optional,
                    "Its format; guessed from its first line unless given."),
                Key("skip-bad-lines", \.skipBadLines, .flag, "Count broken lines in place of refusing the file."),
            ])
        return Codec(
            schema: .object([("anyOf", .list([path.schema, mapping.schema]))]),
            read: { node, _, reading in
                guard case .mapping(let entries) = node.content else {
                    return path.read(node, nil, reading).flatMap { resolve(Draft(file: $0), at: node.mark, reading) }
                }
                guard let draft = mapping.read(node, nil, reading), !draft.file.isEmpty else { return nil }
                return resolve(draft, at: entries.first { $0.key == "file" }?.value.mark ?? node.mark, reading)
            },
            write: { mapping.write(Draft(file: $0.path, format: $0.format, skipBadLines: $0.skipBadLines)) })
    }

    private static func resolve(_ draft: Draft, at mark: Mark, _ reading: Reading) -> TraceSource? {
        let path = FilePath.resolve(draft.file, in: reading.directory)
        if let problem = SourceFile.problem(path) {
            reading.report(mark, "\(problem) at \(quoted(draft.file)), expected a trace" + SourceFile.neighbour(of: path))
            return nil
        }
        if let format = draft.format { return TraceSource(path: path, format: format, skipBadLines: draft.skipBadLines) }
        do throws(TraceError) {
            if let format = TraceFile.guessFormat(path: path, firstLine: try TraceFile.firstLine(of: path)) {
                return TraceSource(path: path, format: format, skipBadLines: draft.skipBadLines)
            }
            let names = listed(TraceFormat.allCases.map(\.rawValue))
            reading.report(mark, "found a trace in no known format at \(quoted(draft.file)), expected one of \(names) or the key 'format'")
        } catch {
            let first = error.diagnostics.first
            reading.report(
                mark, "found \(first?.found ?? "a file that cannot be read") at \(quoted(draft.file)), expected \(first?.expected ?? "a trace")")
        }
        return nil
    }
}

extension WeightedPriority {
    fileprivate var level: Int {
        get { Int(priority) }
        set { priority = Int32(clamping: newValue) }
    }
}
