import CommandLine
import Records
import Terminal
import TopologyFile

/// `testbed validate FILE…`: checks topologies and prints every mistake.
enum Validate {
    static func run(_ command: ParsedCommand) -> Int32 {
        if command.has("schema") {
            StandardStream.output.write(JSONSchema.text())
            return 0
        }
        var diagnostics: [Diagnostic] = []
        var good: [Topology] = []
        for argument in command.arguments {
            switch read(argument, settings: command.texts("set")) {
            case .success(let topology): good.append(topology)
            case .failure(let found): diagnostics += found.list
            }
        }
        if command.has("json") {
            printJSON(good, diagnostics)
        } else {
            for topology in good {
                StandardStream.output.write(
                    command.has("resolved") ? TopologyWriter.text(topology.plan) : "\(topology.path): \(size(of: topology))\n")
            }
        }
        return diagnostics.isEmpty ? 0 : fail(Diagnostics(diagnostics).description + "\n", code: 2)
    }

    private static func size(of topology: Topology) -> String {
        let pools = topology.plan.pools.map { "\($0.count) \($0.role.rawValue)" }
        return "good: \(pools.joined(separator: ", "))"
    }

    private static func printJSON(_ good: [Topology], _ diagnostics: [Diagnostic]) {
        let value: JSONValue = [
            "valid": .array(good.map { .string($0.path) }),
            "diagnostics": .array(
                diagnostics.map { diagnostic in
                    [
                        "file": .string(diagnostic.place.file), "line": .integer(Int64(diagnostic.place.line)),
                        "column": .integer(Int64(diagnostic.place.column)), "message": .string(diagnostic.message),
                    ]
                }),
        ]
        StandardStream.output.write(value.text(.pretty) + "\n")
    }

    /// Looks a topology up and reads it.
    static func read(_ name: String, settings: [String]) -> Result<Topology, Diagnostics> {
        TopologyLibrary.find(name).flatMap { TopologyReader.read(path: $0, settings: settings) }
    }
}
