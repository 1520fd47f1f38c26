import Cluster
import CommandLine
import Planning
import Quantities
import Records
import Terminal
import TopologyFile
import TraceFiles

/// `testbed plan FILE`: searches the shape of a cluster.
enum Plan {
    static func run(_ command: ParsedCommand) -> Int32 {
        let topology: Topology
        switch Validate.read(command.arguments[0], settings: command.texts("set")) {
        case .success(let read): topology = read
        case .failure(let diagnostics): return fail("\(diagnostics)\n", code: 2)
        }
        let plan = topology.plan
        do {
            var demand = try demand(of: plan)
            if let rate = command.number("rate") { demand.rate = rate }
            let procedure = command.text("procedure").flatMap(ClusterPlanner.Procedure.init)
            let present = plan.pools.reduce(0) { $0 + $1.devices * $1.count }
            let limit = command.integer("devices").map { Int($0) } ?? max(64, present)
            let result = try ClusterPlanner(plan: plan, demand: demand, procedure: procedure, deviceLimit: limit).run()
            if let path = command.text("write"), let chosen = result.plan { try write(chosen, before: plan, to: path) }
            let report = PlanReport(result, before: plan, demand: demand, deviceLimit: limit)
            let style = StandardStream.output.capabilities.style
            StandardStream.output.write(command.has("json") ? report.json.text(.pretty) + "\n" : report.text(style))
            return result.failure.map { fail($0, code: 1) } ?? 0
        } catch let problem as ClusterPlanner.Problem {
            return fail(Diagnostic(place: Place(file: topology.path), message: problem.message).description + "\n", code: 2)
        } catch let error as Diagnostic {
            return fail("\(error)\n", code: 2)
        } catch {
            return fail("\(error)", code: 2)
        }
    }

    /// Saves a shape. Faults name nodes, which another shape may not have.
    private static func write(_ chosen: ClusterPlan, before: ClusterPlan, to path: String) throws(Diagnostic) {
        guard chosen.pools != before.pools, !chosen.faults.isEmpty else { return try TopologyWriter.write(chosen, to: path) }
        var chosen = chosen
        chosen.faults = FaultPlan()
        try TopologyWriter.write(chosen, to: path)
        warn("\(path) has none of the topology's faults: they name nodes of another shape")
    }

    /// What the plan's workload asks for; of a trace as much as a run would read.
    private static func demand(of plan: ClusterPlan) throws -> Demand {
        if case .trace(let source) = plan.workload.arrivals { _ = try TraceFile.scan(source, for: plan.workload) }
        let source = try requestSource(for: plan.workload, seed: plan.seed)
        guard let demand = Demand(source, of: plan.workload) else {
            throw ClusterPlanner.Problem(message: "found no request in the workload, expected one")
        }
        return demand
    }
}

/// What a search found, for people and for machines.
struct PlanReport {
    private let result: ClusterPlanner.Result
    private let before: ClusterPlan
    private let demand: Demand
    private let deviceLimit: Int

    init(_ result: ClusterPlanner.Result, before: ClusterPlan, demand: Demand, deviceLimit: Int) {
        self.result = result
        self.before = before
        self.demand = demand
        self.deviceLimit = deviceLimit
    }

    // MARK: - For people

    func text(_ style: Style) -> String {
        var lines = ["\(before.name)  \(demandText)", ""]
        for part in result.parts {
            lines.append(
                "\(style.bold(part.phase))  by \(part.procedure), \(Figures.count(Int64(part.examined))) shapes, at most \(deviceLimit) devices")
            lines += table(part).lines(style: style)
            lines.append("")
        }
        if let plan = result.plan { lines.append("chosen  " + plan.pools.map(Self.text).joined(separator: ", ")) }
        for (name, expected) in [("expected", result.expected), ("as it is", result.present)] {
            if let expected { lines.append("\(name)  " + Self.text(expected)) }
        }
        lines += result.notes.map { "note  \($0)" }
        return lines.map { $0 + "\n" }.joined()
    }

    private var demandText: String {
        let rate = demand.rate.map { "\(Figures.number($0)) requests/s" } ?? "no rate"
        return "\(rate), \(Figures.number(demand.meanPrompt)) prompt and \(Figures.number(demand.meanOutput)) output tokens on average"
    }

    private func table(_ part: PlanningPart) -> TextTable {
        let isPrefill = part.phase == "prefill"
        let hasPrice = part.frontier.contains { $0.price != nil }
        let hasParts = part.frontier.contains { $0.microBatches > 1 }
        let hasCopies = part.frontier.contains { $0.redundantExperts > 0 }
        var headings = [("", true), ("shape", true), ("devices", false)] + (hasCopies ? [("redundant", false)] : [])
        if !isPrefill { headings += [("batch", false)] + (hasParts ? [("parts", false)] : []) + [("TBT", false)] }
        headings += [("requests/s", false), ("tokens/s", false), ("tokens/s/device", false)] + (hasPrice ? [("tokens/s/price", false)] : [])
        var table = TextTable(headings.map { .init($0.0, $0.1 ? .left : .right) })
        for (place, candidate) in part.frontier.enumerated() {
            var cells = [place == part.chosen ? "*" : "", candidate.pools.map(Self.text).joined(separator: " "), "\(candidate.devices)"]
            if hasCopies { cells.append("\(candidate.redundantExperts)") }
            if !isPrefill {
                cells.append(Figures.count(Int64(candidate.batch)))
                if hasParts { cells.append("\(candidate.microBatches)") }
                cells.append(candidate.tbt.map { Figures.time(seconds($0)) } ?? "-")
            }
            cells += [candidate.requestsPerSecond, candidate.tokensPerSecond, candidate.tokensPerDevice].map(Figures.number)
            if hasPrice { cells.append(candidate.price.map { Figures.number(candidate.tokensPerSecond / $0) } ?? "-") }
            table.add(cells)
        }
        return table
    }

    private static func text(_ pool: PoolPlan) -> String { text(PoolShape(pool)) }

    /// Such as `4 attention tp2`.
    private static func text(_ pool: PoolShape) -> String {
        var text = "\(pool.count) \(pool.name)"
        if pool.tensorParallel > 1 { text += " tp\(pool.tensorParallel)" }
        if pool.pipelineParallel > 1 { text += " pp\(pool.pipelineParallel)" }
        return text
    }

    /// Such as `at 64 requests/s: TBT 50 ms, TTFT 200 ms, p90 400 ms, first tokens 98.5% in time`.
    private static func text(_ expected: Expectation) -> String {
        var text = "at \(Figures.number(expected.requestsPerSecond)) requests/s: TBT \(Figures.time(seconds(expected.tbt)))"
        text += ", TTFT \(Figures.time(seconds(expected.meanTTFT)))"
        if let ninth = expected.ninthTTFT { text += ", p90 \(Figures.time(seconds(ninth)))" }
        if let share = expected.ttftAttainment { text += ", first tokens \(Figures.share(share)) in time" }
        return text + ", \(Figures.number(expected.batch)) requests decoding"
    }

    // MARK: - For machines

    var json: JSONValue {
        [
            "name": .string(before.name), "device_limit": .integer(Int64(deviceLimit)),
            "demand": [
                "requests_per_s": .number(orNull: demand.rate), "prompt_tokens_mean": .number(demand.meanPrompt),
                "output_tokens_mean": .number(demand.meanOutput), "decode_context_mean": .number(demand.decodeContext),
            ],
            "parts": .array(result.parts.map(json)),
            "chosen": result.plan.map { plan in .array(plan.pools.map { json(PoolShape($0)) }) } ?? .null,
            "expected": result.expected.map(json) ?? .null, "present": result.present.map(json) ?? .null,
            "notes": .array(result.notes.map(JSONValue.string)), "failure": result.failure.map(JSONValue.string) ?? .null,
        ]
    }

    private func json(_ part: PlanningPart) -> JSONValue {
        [
            "phase": .string(part.phase), "procedure": .string(part.procedure), "examined": .integer(Int64(part.examined)),
            "frontier": .array(part.frontier.enumerated().map { json($1, isChosen: $0 == part.chosen, isPrefill: part.phase == "prefill") }),
        ]
    }

    private func json(_ candidate: Candidate, isChosen: Bool, isPrefill: Bool) -> JSONValue {
        [
            "chosen": .bool(isChosen), "pools": .array(candidate.pools.map(json)), "devices": .integer(Int64(candidate.devices)),
            "batch": isPrefill ? .null : .integer(Int64(candidate.batch)),
            "worker_batch": isPrefill ? .null : .integer(Int64(candidate.workerBatch)),
            "micro_batches": .integer(Int64(candidate.microBatches)), "prompt_tokens": .integer(Int64(candidate.chunk)),
            "redundant_experts": .integer(Int64(candidate.redundantExperts)),
            "tbt_s": .number(orNull: candidate.tbt.map(seconds)), "ttft_attainment": .number(orNull: candidate.ttftAttainment),
            "requests_per_s": .number(candidate.requestsPerSecond), "tokens_per_s": .number(candidate.tokensPerSecond),
            "tokens_per_s_per_device": .number(candidate.tokensPerDevice),
            "tokens_per_s_per_price": .number(orNull: candidate.price.map { candidate.tokensPerSecond / $0 }),
        ]
    }

    private func json(_ expected: Expectation) -> JSONValue {
        [
            "requests_per_s": .number(expected.requestsPerSecond), "batch": .number(expected.batch), "tbt_s": .number(seconds(expected.tbt)),
            "ttft_s_mean": .number(seconds(expected.meanTTFT)), "ttft_s_p90": .number(orNull: expected.ninthTTFT.map(seconds)),
            "ttft_attainment": .number(orNull: expected.ttftAttainment),
        ]
    }

    private func json(_ pool: PoolShape) -> JSONValue {
        [
            "name": .string(pool.name), "count": .integer(Int64(pool.count)), "tensor_parallel": .integer(Int64(pool.tensorParallel)),
            "pipeline_parallel": .integer(Int64(pool.pipelineParallel)),
        ]
    }
}
