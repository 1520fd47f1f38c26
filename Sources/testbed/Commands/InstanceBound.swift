import Bounds
import CommandLine
import Records
import Terminal
import TopologyFile

/// `testbed bound --instance FILE --memory M`: the hindsight optimum of one worker.
enum InstanceBound {
    /// Most requests of an instance: beyond, not even the bound by volume is of interest.
    private static let requestLimit = 100_000

    static func run(_ command: ParsedCommand, _ path: String) throws -> Int32 {
        guard command.arguments.isEmpty, command.texts("set").isEmpty else {
            return fail("found FILE or --set with --instance, expected the instance alone", code: 2)
        }
        guard let memory = command.integer("memory") else { return fail("expected --memory with --instance: tokens that the worker holds", code: 2) }
        let instance = try read(path, memory: Int(memory))
        var limits = HindsightOptimum.Limits()
        if let states = command.integer("states") { limits.states = Int(states) }
        if let nodes = command.integer("nodes") { limits.nodes = Int(nodes) }
        let result: HindsightOptimum
        do {
            result = try HindsightOptimum.solve(instance, limits: limits)
        } catch {
            return fail("\(path): the solver gave up (\(error))", code: 1)
        }
        if command.has("json") {
            StandardStream.output.write(json(instance, result).text(.pretty) + "\n")
        } else {
            StandardStream.output.write(text(instance, result, style: StandardStream.output.capabilities.style))
        }
        return 0
    }

    private static func read(_ path: String, memory: Int) throws -> UnitInstance {
        var requests: [UnitRequest] = []
        let limit = 0...UnitInstance.limit
        let table = try CSVFile(path, columns: ["arrival", "prompt", "output"], what: "an instance")
        try table.forEachRow { row throws(Diagnostic) in
            let request = UnitRequest(
                arrival: try row.integer(0, in: limit), prompt: try row.integer(1, in: limit), output: try row.integer(2, in: 1...UnitInstance.limit))
            guard request.peak <= memory else {
                let message = "found a request that needs \(request.peak) tokens of memory in the end, expected at most \(memory) (--memory)"
                throw Diagnostic(place: Place(file: path, line: row.line), message: message)
            }
            guard requests.count < requestLimit else {
                throw Diagnostic(place: Place(file: path, line: row.line), message: "found more than \(requestLimit) requests, expected fewer")
            }
            requests.append(request)
        }
        if requests.isEmpty { throw Diagnostic(place: Place(file: path, line: 2), message: "found no request, expected at least one") }
        return UnitInstance(requests, memory: memory)
    }

    private static func text(_ instance: UnitInstance, _ result: HindsightOptimum, style: Style) -> String {
        var table = TextTable([.init("total latency"), .init("rounds", .right), .init("ratio to the bound", .right)])
        func add(_ name: String, _ total: Int) {
            let ratio = result.bound > 0 ? Figures.fixed(Double(total) / Double(result.bound), decimals: 4) : "-"
            table.add([name, Figures.count(Int64(total)), ratio])
        }
        add("mc-sf", result.mcSF)
        add(result.isOptimal ? "optimum" : "best found", result.total)
        add("bound", result.bound)
        let proof =
            result.isOptimal
            ? "proved optimal" : "not proved: the limit was reached, the optimum is at most \(Figures.share(result.gap)) above the bound"
        let unstated = result.isOptimal ? "not needed" : "not stated, the programme is too large"
        let relaxation = result.relaxation.map { Figures.fixed($0, decimals: 1) } ?? unstated
        let lines =
            ["\(instance.requests.count) requests, memory \(instance.memory)", ""] + table.lines(style: style)
            + ["", proof, "relaxation \(relaxation), \(result.nodes) nodes"]
        return lines.map { $0 + "\n" }.joined()
    }

    private static func json(_ instance: UnitInstance, _ result: HindsightOptimum) -> JSONValue {
        [
            "requests": .integer(Int64(instance.requests.count)), "memory": .integer(Int64(instance.memory)),
            "mc_sf": .integer(Int64(result.mcSF)), "total": .integer(Int64(result.total)), "bound": .integer(Int64(result.bound)),
            "optimal": .bool(result.isOptimal), "gap": .number(result.gap), "relaxation": .number(orNull: result.relaxation),
            "nodes": .integer(Int64(result.nodes)), "starts": .array(result.schedule.starts.map { .integer(Int64($0)) }),
        ]
    }
}
