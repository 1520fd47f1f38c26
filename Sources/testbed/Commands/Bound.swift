import Bounds
import Cluster
import CommandLine
import Quantities
import Records
import Terminal
import TopologyFile
import TraceFiles
import Workload

/// `testbed bound FILE|RUN`: what no policy can beat, for a topology's workload or beside what a run measured.
enum Bound {
    static func run(_ command: ParsedCommand) -> Int32 {
        do {
            if let path = command.text("instance") { return try InstanceBound.run(command, path) }
            if ["memory", "states", "nodes"].contains(where: { command.integer($0) != nil }) {
                return fail("found --memory, --states or --nodes without --instance, expected them with an instance only", code: 2)
            }
            guard let path = command.arguments.first else { return fail("expected FILE, RUN or --instance FILE", code: 2) }
            let report = try RunRecord.isFolder(path) ? ofRun(path) : ofTopology(path, settings: command.texts("set"))
            return report.print(asJSON: command.has("json"))
        } catch let error as Diagnostic {
            return fail("\(error)\n", code: 2)
        } catch let error as Diagnostics {
            return fail("\(error)\n", code: 2)
        } catch {
            return fail("\(error)", code: 2)
        }
    }

    /// Most requests of a workload that are looked at.
    private static let requestLimit = 2_000_000

    private static func ofTopology(_ name: String, settings: [String]) throws -> BoundReport {
        let plan = try Validate.read(name, settings: settings).get().plan
        if case .trace(let source) = plan.workload.arrivals { _ = try TraceFile.scan(source, for: plan.workload) }
        let source = try requestSource(for: plan.workload, seed: plan.seed)
        var requests: [BoundRequest] = []
        // Users who wait for their answers go on for ever unless told otherwise.
        let limit = plan.workload.closedLoop != nil && plan.workload.requestLimit == nil ? 10_000 : requestLimit
        while requests.count < limit, let request = source.next() { requests.append(BoundRequest(request)) }
        let bounds = ClusterBounds(plan, requests)
        var report = BoundReport(plan.name, bounds)
        if plan.workload.closedLoop == nil {
            report.add("mean time to first token", key: "ttft_s.mean", .time, bounds.meanTimeToFirstToken)
            report.add("mean latency", key: "e2e_s.mean", .time, bounds.meanLatency)
            report.add("duration", key: "duration_s", .time, bounds.duration)
        } else {
            // When requests arrive depends on the policy: what is left is how long each takes alone.
            let count = Double(max(1, bounds.requests.count))
            report.add("mean time to first token", key: "ttft_s.mean", .time, bounds.requests.reduce(0) { $0 + bounds.timeToFirstToken($1) } / count)
            report.add("mean latency", key: "e2e_s.mean", .time, bounds.requests.reduce(0) { $0 + bounds.latency($1) } / count)
        }
        report.add("requests a second", key: "throughput.requests_per_s", .rate, bounds.stableRate)
        for (pool, time) in bounds.balancedBarriers { report.add("iterations of \(pool)", key: "iterations_s.\(pool)", .time, time) }
        return report
    }

    /// What no policy can beat for the requests that a run served: the least value of a figure of its summary, or the most where that is a rate. `nil`
    /// where no bound on the figure is known.
    static func limit(on figure: String, ofRun path: String) -> Double? {
        let limits: [String: (ClusterBounds) -> Double] = [
            "ttft_s.mean": \.meanTimeToFirstToken, "e2e_s.mean": \.meanLatency, "duration_s": \.duration, "throughput.requests_per_s": \.stableRate,
        ]
        guard let limit = limits[figure], let record = try? RunRecord(path) else { return nil }
        return limit(ClusterBounds(record.plan, record.requests))
    }

    private static func ofRun(_ path: String) throws -> BoundReport {
        let record = try RunRecord(path)
        let bounds = ClusterBounds(record.plan, record.requests)
        var report = BoundReport(record.plan.name, bounds)
        report.add("mean time to first token", key: "ttft_s.mean", .time, bounds.meanTimeToFirstToken, measured: record.meanTTFT)
        report.add("mean latency", key: "e2e_s.mean", .time, bounds.meanLatency, measured: record.meanLatency)
        report.add("duration", key: "duration_s", .time, bounds.duration, measured: record.end)
        let served = record.end > 0 ? Double(record.requests.count) / record.end : 0
        report.add("requests a second", key: "throughput.requests_per_s", .rate, bounds.stableRate, measured: served)
        for (pool, time) in bounds.balancedBarriers {
            report.add("iterations of \(pool)", key: "iterations_s.\(pool)", .time, time, measured: try record.iterationTime(of: pool))
        }
        return report
    }
}

/// Bounds beside what was measured, for people and for machines.
struct BoundReport {
    /// A time that no run stays below, or a rate that none goes beyond.
    enum Kind: String { case time, rate }

    private struct Line {
        var name: String
        var key: String
        var kind: Kind
        var bound: Double
        var measured: Double?

        /// Measured by bound for times, bound by measured for rates: at least 1, and 1 is optimal.
        var ratio: Double? {
            guard let measured, measured > 0, bound > 0, bound.isFinite else { return nil }
            return kind == .time ? measured / bound : bound / measured
        }
    }

    private let name: String
    private let bounds: ClusterBounds
    private var lines: [Line] = []

    init(_ name: String, _ bounds: ClusterBounds) {
        self.name = name
        self.bounds = bounds
    }

    mutating func add(_ name: String, key: String, _ kind: Kind, _ bound: Double, measured: Double? = nil) {
        lines.append(Line(name: name, key: key, kind: kind, bound: bound, measured: measured))
    }

    /// Prints the report. Answers 1 when a measured figure beats its bound, which none can unless a bound or a record is wrong.
    func print(asJSON: Bool) -> Int32 {
        StandardStream.output.write(asJSON ? json.text(.pretty) + "\n" : text(StandardStream.output.capabilities.style))
        let beaten = lines.filter { ($0.ratio ?? 1) < 1 - 1e-6 }
        for line in beaten { _ = fail("\(line.name) is better than its bound: a bound or a record is wrong", code: 1) }
        return beaten.isEmpty ? 0 : 1
    }

    private func text(_ style: Style) -> String {
        let rejected = bounds.rejected > 0 ? ", \(Figures.count(Int64(bounds.rejected))) that no worker can hold" : ""
        var text = ["\(name)  \(Figures.count(Int64(bounds.requests.count))) requests\(rejected)", ""]
        let isMeasured = lines.contains { $0.measured != nil }
        var table = TextTable(
            [.init("figure")] + (isMeasured ? [.init("measured", .right)] : []) + [.init("bound", .right)]
                + (isMeasured ? [.init("ratio", .right)] : []))
        for line in lines {
            let sign = line.kind == .time ? ">= " : "<= "
            var cells = [line.name]
            if isMeasured { cells.append(line.measured.map { Self.figure($0, line.kind) } ?? "-") }
            cells.append(sign + Self.figure(line.bound, line.kind))
            if isMeasured { cells.append(line.ratio.map { Figures.fixed($0, decimals: 3) } ?? "-") }
            table.add(cells)
        }
        text += table.lines(style: style)
        var phases = TextTable([.init("phase"), .init("requests/s at most", .right)])
        for capacity in bounds.capacities { phases.add([capacity.phase, Figures.number(capacity.rate)]) }
        text += [""] + phases.lines(style: style)
        return text.map { $0 + "\n" }.joined()
    }

    private static func figure(_ value: Double, _ kind: Kind) -> String { kind == .time ? Figures.time(value) : Figures.number(value) }

    private var json: JSONValue {
        [
            "name": .string(name), "requests": .integer(Int64(bounds.requests.count)), "rejected": .integer(Int64(bounds.rejected)),
            "bounds": .array(
                lines.map {
                    [
                        "figure": .string($0.key), "limits": .string($0.kind == .time ? "below" : "above"), "bound": .number($0.bound),
                        "measured": .number(orNull: $0.measured), "ratio": .number(orNull: $0.ratio),
                    ]
                }),
            "capacities": .array(bounds.capacities.map { ["phase": .string($0.phase), "requests_per_s": .number($0.rate)] }),
        ]
    }
}
