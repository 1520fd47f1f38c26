import Auditing
import CommandLine

extension CommandTable {
    static let audit = Verb(
        "audit", "Look for the instances on which a policy fails, and hold them against its guarantee",
        description: [
            "For a scheduling policy: random instances of stated families, the lower-bound constructions of the papers, and a search that changes an "
                + "instance to make it worse, all of one worker in rounds of equal length (see 'bound --instance'). Each is solved to optimality; at the "
                + "solver's limit its bound counts, and the table says how many were proved. Prints the ratios to the optimum by origin, what became "
                + "of each guarantee, and the worst instance. Exits with 1 when a guarantee is refuted.",
            "For a routing policy, and with --cluster for a scheduling policy: searches the workload of a small cluster for the one whose mean latency "
                + "under the policy is worst in proportion to that under the best of the others, by runs.",
            "The same seed gives the same output.",
        ],
        positionals: [Positional("POLICY", "A scheduling or routing policy: NAME[,PARAMETER=VALUE…].")],
        options: [
            Option("seed", "Seed of instances and search.", value: .init("N", .integer(0...UInt64.max), fallback: "1")),
            Option(
                "instances", "Random instances, and as many changes; with runs, workloads that are tried.",
                value: .init("N", .integer(1...1_000_000), fallback: "200")),
            Option(
                "predictor", "What the policy is told of output lengths: NAME[,PARAMETER=VALUE…].",
                value: .init("PREDICTOR", fallback: "what the policy's guarantee is about: interval,ratio=0.25 for a-max and a-min, else oracle")),
            Option(
                "states", "States of the dynamic programmes that prove the optimum of an instance.",
                value: .init("N", .integer(0...100_000_000), fallback: "500000")),
            Option(
                "nodes", "Nodes of CBC's search for the optimum, where these do not prove it.",
                value: .init("N", .integer(0...10_000_000), fallback: "200")),
            Option(
                "family", "Instances of one family alone, without constructions and search; study-… are those of 2502.07115 at their size.",
                value: .init("FAMILY", .choice(InstanceFamily.allCases.map(\.rawValue) + PublishedStudy.allCases.map(\.rawValue)))),
            Option(
                "requests", "Only the first requests of each instance of a study: smaller ones can be solved.",
                value: .init("N", .integer(1...100), fallback: "all")),
            Option("cluster", "Search a small cluster's workload by runs, also for a scheduling policy."),
            Option(
                "save", "Save what refutes a guarantee, else the worst that was found.", value: .init("FILE", completion: .files([".csv", ".yaml"]))),
            Option(
                "replay", "Run the policy on a saved instance, or topology, alone.",
                value: .init("FILE", completion: .files([".csv", ".yaml", ".yml"]))),
            json,
            Option("quiet", "Show no progress.", short: "q"),
        ],
        examples: [
            Note("testbed audit mc-sf --instances 1000", "Is MC-SF's guarantee kept?"),
            Note("testbed audit a-max --predictor interval,ratio=0.1 --save worst.csv", "How bad it is when lengths are known to a factor of ten"),
            Note("testbed audit mc-sf --family study-at-start --requests 10", "How far MC-SF is from the optimum on average"),
            Note("testbed audit a-min --replay worst.csv", "What another policy makes of that"),
            Note("testbed audit round-robin --replay Topologies/adversarial/round-robin.yaml", "A workload on which turns fail"),
        ])
}
