import CommandLine
import Launch
import Quantities

/// The verbs that look at and act on a cluster that stays up.
extension CommandTable {
    static let clusterVerbs = [ps, logs, top, kill, pause, unpause, restart, slow, partition, heal, scale, submit, down]

    static let cluster = Option(
        "cluster", "Which cluster.", value: .init("NAME", .checked(nameProblem), fallback: "the only one that is up"))
    private static let at = time("at", "When, in emulated time since the start.", fallback: "now")
    private static let span = time("for", "For how long, in emulated time.", fallback: "until it is undone")
    private static let node = Positional("NODE", "A node, as 'ps' lists them.", count: .oneOrMore, completion: .command("ps --names", files: []))
    private static let single = Positional("NODE", "A node, as 'ps' lists them.", completion: .command("ps --names", files: []))
    private static let hold = Option("hold", "Have the virtual clock stand still until a command comes without this.")
    private static let common = [cluster, at, hold, json]

    private static func time(_ name: String, _ text: String, fallback: String) -> Option {
        Option(name, text, value: .init("TIME", .checked(timeProblem), fallback: fallback))
    }

    static func nameProblem(_ text: String) -> String? {
        ClusterRegistry.isName(text) ? nil : "found '\(text)', expected a name of letters, digits and . _ + -"
    }

    private static func timeProblem(_ text: String) -> String? {
        if let time = try? UnitScale.duration.parse(text), (0..<Instant.never).contains(time) { return nil }
        return "found '\(text)', expected \(UnitScale.duration.expectation)"
    }

    private static func factorProblem(_ text: String) -> String? {
        if let factor = Double(text), factor >= 1, factor <= 1_000_000 { return nil }
        return "found '\(text)', expected a number from 1 to 1000000"
    }

    private static func lengthsProblem(_ text: String) -> String? {
        Submit.lengths(text) == nil ? "found '\(text)', expected a number of tokens such as 512, or a range such as 100..800" : nil
    }

    private static func sideProblem(_ text: String) -> String? {
        let names = text.split(separator: ",", omittingEmptySubsequences: false)
        return names.contains(where: \.isEmpty) ? "found '\(text)', expected names with commas between them" : nil
    }

    private static let ps = Verb(
        "ps", "List the nodes of the clusters that are up",
        options: [
            Option("cluster", "Which cluster.", value: .init("NAME", .checked(nameProblem), fallback: "all")), json,
            Option("names", "Print the nodes' names alone, one a line."),
        ])

    private static let logs = Verb(
        "logs", "Print what nodes have written",
        positionals: [
            Positional("NODE", "A node, or 'launcher'; all unless given.", count: .any, completion: .command("ps --names", files: []))
        ],
        options: [cluster, Option("follow", "Go on until the cluster ends.", short: "f")])

    private static let top = Verb(
        "top", "Show what the processes of the nodes use",
        options: [
            cluster, time("interval", "Host time between two looks.", fallback: "1s"),
            Option(
                "count", "How often to look.", value: .init("N", .integer(1...1_000_000_000), fallback: "until interrupted on a terminal, else once")),
            json,
        ])

    private static let kill = Verb(
        "kill", "End the processes of nodes at once (SIGKILL)", positionals: [node], options: common,
        examples: [Note("testbed kill decode-0 --at 30s", "When the emulated clock stands at 30 s")])

    private static let pause = Verb("pause", "Stop the processes of nodes (SIGSTOP)", positionals: [node], options: common + [span])
    private static let unpause = Verb("unpause", "Have stopped nodes go on (SIGCONT)", positionals: [node], options: common)

    private static let restart = Verb(
        "restart", "End the processes of nodes and start new ones, cold", positionals: [node],
        options: common + [time("after", "Emulated time until the new process starts.", fallback: "0s")])

    private static let slow = Verb(
        "slow", "Have a node compute more slowly",
        positionals: [single, Positional("FACTOR", "How many times as long it takes.", kind: .checked(factorProblem))], options: common + [span])

    private static let partition = Verb(
        "partition", "Cut the links between two sets of nodes",
        positionals: [
            Positional("A", "Nodes or pools, with commas between them.", kind: .checked(sideProblem)),
            Positional("B", "Those that they cannot reach.", kind: .checked(sideProblem)),
        ], options: common + [span],
        examples: [Note("testbed partition decode-0,decode-1 prefill --for 5s", "Two decode workers lose all prefill workers")])

    private static let heal = Verb("heal", "Make links what they were", options: common)

    private static let scale = Verb(
        "scale", "Change how many workers of a pool are up",
        positionals: [
            Positional("POOL", "The pool."),
            Positional("N", "Workers, at most the pool's `max`; those beyond its `count` begin cold.", kind: .integer(0...1_000_000)),
        ], options: common)

    private static let submit = Verb(
        "submit", "Send requests into a cluster that is up",
        options: [
            cluster, at, hold, Option("rate", "Requests a second, at random (Poisson).", value: .init("R", .positiveNumber(limit: 1e9))),
            Option("requests", "How many, or of a trace how many at the most.", value: .init("N", .integer(1...1_000_000_000))),
            Option("prompt-tokens", "Length of prompts, or a range such as 100..800.", value: .init("D", .checked(lengthsProblem), fallback: "512")),
            Option("output-tokens", "Length of outputs, or a range.", value: .init("D", .checked(lengthsProblem), fallback: "128")),
            Option(
                "seed", "Seed of times and lengths.",
                value: .init("N", .integer(0...UInt64.max), fallback: "the cluster's, and one more each time")),
            Option("trace", "A recorded trace in place of all that.", value: .init("FILE", completion: .files([]))), json,
        ],
        examples: [
            Note("testbed submit --rate 5 --requests 100 --prompt-tokens 100..800", "A hundred requests, five a second"),
            Note("testbed submit --rate 5 --requests 100 --at 10s --hold", "The same, but wait for what else is to happen"),
        ])

    private static let down = Verb(
        "down", "End a cluster, write its records and print the summary",
        options: [cluster, Option("drain", "Wait until every request has ended."), json])
}
