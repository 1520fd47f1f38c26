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
            switch read(argument, settings: command.texts("set"), faults: command.text("faults")) {
            case .success(let topology): good.append(topology)
            case .failure(let found): diagnostics += found.list
            }
        }
        if command.has("json") {
            printJSON(good, diagnostics)
        } else {
            good.forEach(warn)
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
            "valid": .array(good.map { .string($0.path) }), "diagnostics": .array(diagnostics.map(json)),
            "warnings": .array(good.flatMap(\.warnings).map(json)),
        ]
        StandardStream.output.write(value.text(.pretty) + "\n")
    }

    private static func json(_ diagnostic: Diagnostic) -> JSONValue {
        [
            "file": .string(diagnostic.place.file), "line": .integer(Int64(diagnostic.place.line)),
            "column": .integer(Int64(diagnostic.place.column)), "message": .string(diagnostic.message),
        ]
    }

    /// Looks a topology up and reads it, with the faults of a file in place of its own.
    static func read(_ name: String, settings: [String], faults: String? = nil) -> Result<Topology, Diagnostics> {
        TopologyLibrary.find(name).flatMap { TopologyReader.read(path: $0, settings: settings, faults: faults) }
    }

    /// Prints what is legal in a topology, but hardly meant.
    static func warn(_ topology: Topology) {
        for warning in topology.warnings {
            StandardStream.error.write("\(warning.place): warning: \(warning.message)\n")
        }
    }
}
