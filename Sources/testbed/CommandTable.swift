import CommandLine

extension CommandTable {
    /// Everything that `testbed` understands.
    static let testbed = CommandTable(
        program: "testbed",
        summary: "Emulate a distributed LLM-serving cluster, process by process, without a GPU",
        description: [
            "Every role of the cluster is a process of its own. They exchange real messages; the computation of the devices and the delay of the "
                + "network are modelled. A run is described by one topology file and gives the same records every time.",
            "A topology is looked up as given, then by its base name among those that come with the program.",
            "Results go to standard output, everything else to standard error.",
        ],
        verbs: [up] + clusterVerbs + hostVerbs + [
            compare, bound, audit, plan, validate, policies, models, devices, topologies, help, version, completion, man, node,
        ],
        exitCodes: [
            Note("0", "Done."),
            Note("1", "The run failed, or a requirement does not hold."),
            Note("2", "The command line or an input makes no sense; standard error says what and where."),
            Note("130", "Interrupted. The records so far are kept, marked incomplete."),
        ],
        environment: [
            Note("NO_COLOR", "When set and not empty, output has no colour."),
            Note("XDG_RUNTIME_DIR", "Where sockets and the list of clusters that are up lie; /tmp unless set."),
        ])

    static let endings = [".yaml", ".yml"]
    static let json = Option("json", "Print the result as JSON.")
    private static let names = Option("names", "Print the names alone, one a line.")
    static let set = Option(
        "set", "Change the topology before it is checked.", value: .init("PATH.TO.KEY=VALUE", .assignment), repeatable: true)

    static let faults = Option(
        "faults", "Faults from a file of their own, with the keys of 'faults' and perhaps 'recovery', in place of the topology's.",
        value: .init("FILE", fallback: "the topology's", completion: .files(endings)))

    private static let up = Verb(
        "up", "Run a cluster's workload to its end and print the summary",
        description: [
            "Validates the topology, starts a process for every node, runs the workload, prints the summary, ends the processes and leaves a folder "
                + "with the records."
        ],
        positionals: [Positional("FILE", "The topology.", completion: .command("topologies --names", files: endings))],
        options: [
            Option(
                "clock", "What drives the run: a shared virtual clock over real processes, real timers, or one process with one event queue.",
                value: .init("CLOCK", .choice(["virtual", "wall", "inproc"]), fallback: "the topology's, else virtual")),
            Option(
                "dilation", "Host seconds for one emulated second, under the wall clock.",
                value: .init("X", .positiveNumber(limit: 1_000_000), fallback: "the topology's, else 1")),
            Option("seed", "Seed of everything random.", value: .init("N", .integer(0...UInt64.max), fallback: "the topology's, else 1")),
            Option("requests", "Stop offering after so many requests.", value: .init("N", .integer(1...1_000_000_000), fallback: "the workload's")),
            Option(
                "out", "Folder for the records; made if missing.", short: "o",
                value: .init("DIR", fallback: "runs/NAME-SEED-DIGEST", completion: .directories)),
            set, faults,
            Option(
                "require", "Exit with 1 unless a figure of the summary meets a bound, such as 'ttft_s.p99<0.5'.",
                value: .init("FIGURE<BOUND", .checked(Requirement.problem)), repeatable: true),
            Option(
                "record", "Records to keep besides the summary and the requests.",
                value: .init(
                    "LIST", .list(["iterations", "messages", "timeline", "layers", "none"]), fallback: "the topology's, else iterations,timeline")),
            Option("detach", "Leave the cluster up in the background; end it with 'down'.", short: "d"),
            Option("cluster", "With --detach: what to call it.", value: .init("NAME", .checked(nameProblem), fallback: "the topology's name")),
            Option("idle", "With --detach: offer no requests but those of 'submit'."),
            Option("hold", "With --detach: have the virtual clock stand still until a command comes without --hold."),
        ] + hostOptions + [
            Option("dry-run", "Check the topology, print what would run, and start nothing.", short: "n"),
            json,
            Option("quiet", "Show no progress.", short: "q"),
        ],
        examples: [
            Note("testbed up pd-4x8", "Run the bundled cluster of four prefill and eight decode workers"),
            Note("testbed up pd-4x8 --detach --idle", "Leave the cluster up, to be given requests and faults"),
            Note("testbed up pd-4x8 --set workload.rate-scale=2 --require 'ttft_s.p99<0.5'", "Double the load and judge the result"),
        ])

    private static let plan = Verb(
        "plan", "Search the shape of a cluster that serves its workload within its slo",
        description: [
            "Which procedure is used follows from the pools. With an attention pool it searches attention and expert nodes, micro-batches and batch, "
                + "for the most tokens a second by price (megascale) or the fewest devices that carry the rate (janus). With an ep pool it searches the "
                + "number of ranks, redundant experts, micro-batches and batch. With a prefill pool it searches the parallelism and the number of prefill "
                + "and decode workers (distserve).",
            "It goes by the cost model, the memory and the links of the runs, in closed form; a run of the written topology tells the rest. Prints the "
                + "shapes that no other one beats, and marks the one to take.",
        ],
        positionals: [Positional("FILE", "The topology.", completion: .command("topologies --names", files: endings))],
        options: [
            Option(
                "procedure", "How attention and expert nodes are searched.",
                value: .init("NAME", .choice(["megascale", "janus"]), fallback: "megascale")),
            Option(
                "devices", "Devices that the cluster may have.",
                value: .init("N", .integer(1...1_024), fallback: "64, or as many as the topology has")),
            Option(
                "rate", "Requests a second that are to be carried.",
                value: .init("R", .positiveNumber(limit: 1_000_000_000), fallback: "the workload's")),
            Option("write", "Save the shape as a topology.", short: "w", value: .init("FILE", completion: .files(endings))),
            set,
            json,
        ],
        examples: [
            Note("testbed plan pd-4x8 --rate 20 --write larger.yaml", "Split a cluster for 20 requests a second, and save it"),
            Note("testbed plan afd-4a4e --procedure janus --devices 32", "The fewest attention and expert nodes that carry the rate"),
        ])

    private static let bound = Verb(
        "bound", "Print what no policy can beat: for a topology's workload, or beside what a run measured",
        description: [
            "Bounds on the mean times to the first and the last token, on the duration, on the rate that the cluster can carry, and on the time in "
                + "iterations where ranks wait for each other. They hold for every policy. For a run's folder, each stands beside the measured figure "
                + "with the ratio: 1 is optimal. Exits with 1 when a run beats a bound, which means that one of both is wrong.",
            "With --instance, the least total latency of one worker in rounds of equal length whose caches grow by a token a round, as an integer "
                + "programme: the file has the columns arrival,prompt,output. At the limit of nodes the answer is a bound with its gap.",
        ],
        positionals: [
            Positional("FILE|RUN", "The topology, or a run's folder.", completion: .command("topologies --names", files: endings))
        ],
        options: [
            Option("instance", "Solve one worker's requests instead.", value: .init("CSV", completion: .files([".csv"])), standsAlone: true),
            Option("memory", "Tokens that the worker of the instance holds.", value: .init("M", .integer(1...1_000_000))),
            Option(
                "states", "States of the dynamic programmes that prove the instance's optimum.",
                value: .init("N", .integer(0...100_000_000), fallback: "5000000")),
            Option(
                "nodes", "Nodes of CBC's search for the optimum, where these do not prove it.",
                value: .init("N", .integer(0...10_000_000), fallback: "2000")),
            set,
            json,
        ],
        examples: [
            Note("testbed bound pd-4x8", "What the cluster can reach with its workload"),
            Note("testbed bound runs/pd-4x8-1-0123456789ab", "How far a run is from that"),
            Note("testbed bound --instance requests.csv --memory 40", "The optimum of one worker"),
        ])

    private static let validate = Verb(
        "validate", "Check topologies and print every mistake with its place",
        positionals: [
            Positional("FILE", "A topology.", count: .oneOrMore, completion: .command("topologies --names", files: endings))
        ],
        options: [
            Option("schema", "Print the JSON Schema of topologies, for editors.", standsAlone: true),
            Option("resolved", "Print the topology with every default filled in."),
            set, faults,
            json,
        ])

    private static let policies = Verb("policies", "List the policies that a topology can name", options: [json, names])
    private static let models = Verb("models", "List the models that a topology can name", options: [json, names])
    private static let devices = Verb("devices", "List the devices that a topology can name", options: [json, names])
    private static let topologies = Verb("topologies", "List the topologies that come with the program", options: [json, names])

    private static let help = Verb(
        "help", "Print the help of a verb, or the list of verbs",
        positionals: [Positional("VERB", "The verb.", count: .optional, completion: .verbs)])
    private static let version = Verb("version", "Print the version of the program and of its libraries", options: [json])

    private static let completion = Verb(
        "completion", "Print the script that teaches a shell to complete the command line",
        positionals: [Positional("SHELL", "The shell.", kind: .choice(Shell.allCases.map(\.rawValue)))],
        examples: [Note("source <(testbed completion bash)", "Complete in the present shell")])

    private static let man = Verb(
        "man", "Print the manual page",
        options: [Option("markdown", "Print the command reference in Markdown instead.")],
        examples: [Note("testbed man | man -l -", "Read it")])

    private static let node = Verb(
        "node", "Be one node of a run; started by 'up', not by people",
        positionals: [Positional("RUN", "Folder of the run.", completion: .directories)],
        options: [
            Option("index", "Index of the node.", value: .init("N", .integer(0...1_000_000))),
            Option("sockets", "Directory of the run's sockets.", value: .init("DIR", completion: .directories)),
            Option("peers", "File with the addresses of nodes on other hosts.", value: .init("FILE")),
            Option("keys", "File with the node's keys.", value: .init("FILE")),
            Option("bind", "Where to listen for nodes on other hosts.", value: .init("ENDPOINT")),
            Option("born", "Emulated time at which the process begins, in nanoseconds.", value: .init("NS", .integer(0...UInt64(Int64.max)))),
            Option("parent", "Process that started it.", value: .init("PID", .integer(0...4_194_304))),
        ],
        hidden: true)
}
