import CommandLine
import Launch
import Quantities
import Records
import Terminal

/// The verbs that do something to a cluster that stays up.
enum Acts {
    static func kill(_ command: ParsedCommand) -> Int32 { act(command, .kill(command.arguments)) }

    static func pause(_ command: ParsedCommand) -> Int32 { act(command, .pause(command.arguments, duration: Clusters.time(command, "for"))) }

    static func unpause(_ command: ParsedCommand) -> Int32 { act(command, .unpause(command.arguments)) }

    static func restart(_ command: ParsedCommand) -> Int32 {
        act(command, .restart(command.arguments, after: Clusters.time(command, "after") ?? 0))
    }

    static func slow(_ command: ParsedCommand) -> Int32 {
        act(command, .slow([command.arguments[0]], factor: Double(command.arguments[1]) ?? 1, duration: Clusters.time(command, "for")))
    }

    static func partition(_ command: ParsedCommand) -> Int32 {
        let sides = command.arguments.map { $0.split(separator: ",").map(String.init) }
        return act(command, .partition(sides[0], sides[1], duration: Clusters.time(command, "for")))
    }

    static func heal(_ command: ParsedCommand) -> Int32 { act(command, .heal) }

    static func scale(_ command: ParsedCommand) -> Int32 {
        act(command, .scale(pool: command.arguments[0], count: Int(command.arguments[1]) ?? 0))
    }

    private static func act(_ command: ParsedCommand, _ action: ClusterCommand.Action) -> Int32 {
        Clusters.attempt {
            let what = ClusterCommand(action, at: Clusters.time(command, "at"), holds: command.has("hold"))
            let answer = try Clusters.ask(Clusters.chosen(command), what)
            let time = answer["at"]?.asInteger ?? 0
            let value: JSONValue = ["verb": .string(command.verb), "at_s": .number(seconds(time))]
            let text = "\(what.text) at \(secondsText(time))"
            StandardStream.output.write((command.has("json") ? value.text(.pretty) : text) + "\n")
            return 0
        }
    }

    static func down(_ command: ParsedCommand) -> Int32 {
        Clusters.attempt {
            let cluster = try Clusters.chosen(command)
            let usesColour = StandardStream.output.capabilities.style.usesColour
            let format: ClusterCommand.SummaryFormat = command.has("json") ? .json : usesColour ? .colour : .plain
            let answer = try Clusters.ask(cluster, ClusterCommand(.down(drains: command.has("drain"), format: format)))
            // It has nothing left to do but to end.
            cluster.connection.waitForLauncher(milliseconds: 10_000)
            StandardStream.output.write(answer["text"]?.asText ?? "")
            for problem in answer["problems"]?.asList ?? [] { warn(problem.asText ?? "") }
            return Int32(clamping: answer["code"]?.asInteger ?? 1)
        }
    }
}
