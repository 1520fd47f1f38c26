import Auditing
import Policies
import Records
import Terminal

/// What an audit of instances found, for people and for machines.
enum InstanceReport {
    // MARK: - An audit

    /// Prints a report. Answers 1 when a guarantee is refuted.
    static func show(_ report: AuditReport, _ policy: AuditedPolicy, seed: UInt64, told: String, asJSON: Bool) -> Int32 {
        let style = StandardStream.output.capabilities.style
        StandardStream.output.write(
            asJSON ? json(report, seed: seed, told: told).text(.pretty) + "\n" : text(report, seed: seed, told: told, style))
        let refuted = report.verdicts.filter { $0.kind == .refuted }
        for verdict in refuted { _ = fail("\(policy.name): refuted: \(verdict.guarantee.text)", code: 1) }
        return refuted.isEmpty ? 0 : 1
    }

    private static func text(_ report: AuditReport, seed: UInt64, told: String, _ style: Style) -> String {
        var lines = ["\(report.policy)  \(Figures.count(Int64(report.instances))) instances, told: \(told), seed \(seed)", ""]
        var table = TextTable([
            .init("instances"), .init("number", .right), .init("proved", .right), .init("optimal", .right), .init("mean ratio", .right),
            .init("at most", .right), .init("worst ratio", .right), .init("at most", .right),
        ])
        for origin in report.origins {
            table.add([
                origin.name, Figures.count(Int64(origin.instances)), Figures.count(Int64(origin.proved)), Figures.count(Int64(origin.exact)),
                figure(origin.mean), figure(origin.meanAtMost), figure(origin.worst), figure(origin.worstAtMost),
            ])
        }
        lines += table.lines(style: style)
        if report.stalls > 0 { lines += ["", "\(Figures.count(Int64(report.stalls))) instances never came to an end"] }
        lines += [""] + (report.verdicts.isEmpty ? ["no guarantee is stated for it"] : report.verdicts.flatMap { line($0) })
        if let exhibit = report.exhibit { lines += [""] + describe(exhibit, style) }
        return lines.map { $0 + "\n" }.joined()
    }

    /// A verdict in words.
    private static func line(_ verdict: Verdict) -> [String] {
        let guarantee = verdict.guarantee
        let conditions = guarantee.conditions.map(\.rawValue).joined(separator: ", ")
        let count = "\(Figures.count(Int64(verdict.instances))) instances"
        var outcome = verdict.kind.rawValue
        if let worst = verdict.worst {
            let found = figure(worst.figure(of: guarantee), of: guarantee)
            let limit = worst.limit(of: guarantee).map { figure($0, of: guarantee) } ?? "-"
            switch verdict.kind {
            case .held, .refuted: outcome += ": \(found) at the worst, \(limit) allowed there"
            case .exceeded:
                outcome += ": \(found) on an instance of memory \(worst.instance.memory), where \(limit) is claimed for memory without end"
            case .unquantified: outcome += ": \(found) with bounds \(figure(worst.instance.intervalRatio)) apart; the claim names no factor"
            case .untested: break
            }
        }
        return ["\(guarantee.text)", "  if \(conditions): \(count), \(outcome)"]
    }

    /// The rounds of an instance: what the policy took, and what the optimum is.
    private static func describe(_ finding: Finding, _ style: Style) -> [String] {
        let optimum = finding.optimum
        let total = finding.total.map { "\(Figures.count(Int64($0))) rounds" } ?? "no end"
        let least = optimum.isOptimal ? "optimum \(Figures.count(Int64(optimum.total)))" : "best known \(optimum.total), bound \(optimum.bound)"
        var lines = [
            "worst, by \(finding.source): ratio \(figure(finding.ratio)), \(total), \(least), \(finding.outcome?.evictions ?? 0) evictions; "
                + "\(finding.instance.requests.count) requests, memory \(finding.instance.memory)"
        ]
        if finding.instance.requests.count <= 12 {
            var table = TextTable(
                ["arrival", "prompt", "output", "told", "end", "end at best"].map { .init($0, .right) })
            for (place, request) in finding.instance.requests.enumerated() {
                let (unit, told) = (request.unit, request.prediction)
                let words = !told.isKnown ? "nothing" : told.lower == told.upper ? "\(told.expected)" : "\(told.lower) to \(told.upper)"
                let end = finding.outcome.map { "\($0.ends[place])" } ?? "never"
                table.add([
                    "\(unit.arrival)", "\(unit.prompt)", "\(unit.output)", words, end, "\(optimum.schedule.starts[place] + unit.output)",
                ])
            }
            lines += table.lines(style: style)
        }
        return lines
    }

    /// Ratios have decimals, evictions are counted.
    private static func figure(_ value: Double, of guarantee: Guarantee) -> String {
        guarantee.claim == .noEvictions && value.isFinite ? "\(Int(value)) evictions" : figure(value)
    }

    private static func figure(_ value: Double) -> String { value.isFinite ? Figures.fixed(value, decimals: 3) : "no end" }

    // MARK: - A replay

    /// Prints what a policy makes of one instance. Answers 1 when that refutes a guarantee.
    static func show(_ finding: Finding, _ policy: AuditedPolicy, asJSON: Bool) -> Int32 {
        let verdicts = policy.guarantees.filter { finding.isCovered(by: $0) }
        let style = StandardStream.output.capabilities.style
        func isBroken(_ guarantee: Guarantee) -> Bool { finding.limit(of: guarantee).map { finding.figure(of: guarantee) > $0 } ?? false }
        if asJSON {
            var members: [JSONValue.Member] = [.init("policy", .string(policy.name))]
            if case .object(let own) = json(finding) { members += own }
            members.append(
                .init(
                    "guarantees",
                    .array(verdicts.map { ["claim": .string($0.text), "holds": finding.limit(of: $0) == nil ? .null : .bool(!isBroken($0))] })))
            StandardStream.output.write(JSONValue.object(members).text(.pretty) + "\n")
        } else {
            var lines = describe(finding, style)
            lines[0] = "\(policy.name)" + lines[0].drop { $0 != ":" }
            for guarantee in verdicts {
                let isOpen = finding.limit(of: guarantee) == nil
                lines.append("\(isOpen ? "names no factor" : isBroken(guarantee) ? "does not hold" : "holds"): \(guarantee.text)")
            }
            StandardStream.output.write(lines.map { $0 + "\n" }.joined())
        }
        return verdicts.contains { isBroken($0) && !$0.isAsymptotic } ? 1 : 0
    }

    // MARK: - JSON

    private static func json(_ report: AuditReport, seed: UInt64, told: String) -> JSONValue {
        [
            "policy": .string(report.policy), "seed": .integer(Int64(clamping: seed)), "predictor": .string(told),
            "instances": .integer(Int64(report.instances)), "stalled": .integer(Int64(report.stalls)),
            "origins": .array(
                report.origins.map {
                    [
                        "name": .string($0.name), "instances": .integer(Int64($0.instances)), "proved": .integer(Int64($0.proved)),
                        "optimal": .integer(Int64($0.exact)), "mean_ratio": .number(orNull: finite($0.mean)),
                        "mean_ratio_at_most": .number(orNull: finite($0.meanAtMost)), "worst_ratio": .number(orNull: finite($0.worst)),
                        "worst_ratio_at_most": .number(orNull: finite($0.worstAtMost)),
                    ]
                }),
            "guarantees": .array(
                report.verdicts.map { verdict in
                    [
                        "claim": .string(verdict.guarantee.text),
                        "conditions": .array(verdict.guarantee.conditions.map { .string($0.rawValue) }),
                        "verdict": .string(verdict.kind.rawValue), "instances": .integer(Int64(verdict.instances)),
                        "worst": .number(orNull: finite(verdict.worst?.figure(of: verdict.guarantee))),
                        "limit": .number(orNull: verdict.worst?.limit(of: verdict.guarantee)),
                    ]
                }),
            "worst": report.exhibit.map(json) ?? .null,
        ]
    }

    private static func finite(_ value: Double?) -> Double? { value.flatMap { $0.isFinite ? $0 : nil } }

    private static func json(_ finding: Finding) -> JSONValue {
        [
            "source": .string(finding.source), "ratio": .number(orNull: finite(finding.ratio)),
            "ratio_at_most": .number(orNull: finite(finding.ratioAtMost)), "total": finding.total.map { .integer(Int64($0)) } ?? .null,
            "best_known": .integer(Int64(finding.optimum.total)), "bound": .integer(Int64(finding.optimum.bound)),
            "proved": .bool(finding.optimum.isOptimal), "evictions": finding.outcome.map { .integer(Int64($0.evictions)) } ?? .null,
            "memory": .integer(Int64(finding.instance.memory)),
            "requests": .array(
                finding.instance.requests.enumerated().map { place, request in
                    [
                        "arrival": .integer(Int64(request.unit.arrival)), "prompt": .integer(Int64(request.unit.prompt)),
                        "output": .integer(Int64(request.unit.output)),
                        "end": finding.outcome.map { .integer(Int64($0.ends[place])) } ?? .null,
                    ]
                }),
        ]
    }
}

extension Guarantee {
    /// The claim in words.
    var text: String {
        let end = isAsymptotic ? ", for memory without end" : ""
        switch claim {
        case .ratioToOptimum(let limit): return "total latency at most \(Figures.number(limit)) times the optimum" + end
        case .intervalRatioToShortestFirst:
            return "total latency at most r (1 + r) / 2 times that of shortest first with known lengths, r = upper over lower bound" + end
        case .logarithmInInterval: return "total latency over the optimum of the order of log r, r = upper over lower bound" + end
        case .noEvictions: return "nobody loses its cache"
        }
    }
}
