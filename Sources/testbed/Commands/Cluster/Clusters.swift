import CommandLine
import Launch
import Quantities
import Records
import Terminal

/// Finds the clusters that stay up.
enum Clusters {
    /// One of them, with a connection to its launcher.
    struct Running {
        var entry: ClusterRegistry.Entry
        var connection: ClusterConnection

        /// How it is; `nil` when it ends just now.
        var status: JSONValue? { connection.ask(ClusterCommand(.status)) }
    }

    /// Why a verb cannot go on; it has been printed.
    struct Stop: Error { var code: Int32 }

    /// All that run, by name. Those that do not any more are removed and said.
    static func running(_ registry: ClusterRegistry) -> [Running] {
        registry.entries().compactMap { entry in
            if entry.failure == nil, let connection = ClusterConnection(entry) { return Running(entry: entry, connection: connection) }
            if let failure = entry.failure {
                warn("cluster '\(entry.name)' has failed: \(failure)\nits records are in \(entry.folder)")
            } else {
                warn("cluster '\(entry.name)' is gone: its launcher, process \(entry.launcher), has ended; what was written is in \(entry.folder)")
            }
            registry.clear(entry)
            return nil
        }
    }

    /// The cluster that `--cluster` names, or the only one that runs.
    static func chosen(_ command: ParsedCommand) throws -> Running {
        let running = try running(ClusterRegistry())
        let names = running.map(\.entry.name)
        if let name = command.text("cluster") {
            if let found = running.first(where: { $0.entry.name == name }) { return found }
            let hint = nearest(name, among: names).map { ", did you mean '\($0)'?" } ?? ""
            throw Stop(code: fail("--cluster: unknown cluster '\(name)'" + hint, code: 2))
        }
        guard let first = running.first else { throw Stop(code: fail("found no cluster that is up, expected one (testbed up --detach)", code: 2)) }
        guard running.count == 1 else {
            throw Stop(code: fail("found \(running.count) clusters (\(names.joined(separator: ", "))), expected --cluster NAME", code: 2))
        }
        return first
    }

    /// Does what a verb does, and turns what stops it into its exit code.
    static func attempt(_ body: () throws -> Int32) -> Int32 {
        do {
            return try body()
        } catch let stop as Stop {
            return stop.code
        } catch {
            return fail("\(error)", code: 1)
        }
    }

    /// Sends a command to a cluster. Prints why it was refused.
    static func ask(_ cluster: Running, _ command: ClusterCommand) throws -> JSONValue {
        guard let answer = cluster.connection.ask(command) else {
            throw Stop(code: fail("cluster '\(cluster.entry.name)' ended before it answered; its records are at \(cluster.entry.folder)", code: 1))
        }
        guard let reason = answer["error"]?.asText else { return answer }
        throw Stop(code: fail(reason, code: Int32(clamping: answer["code"]?.asInteger ?? 1)))
    }

    /// An option with a time; the table has checked it.
    static func time(_ command: ParsedCommand, _ option: String) -> Nanoseconds? {
        command.text(option).flatMap { try? UnitScale.duration.parse($0) }
    }
}
