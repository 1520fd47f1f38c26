import CommandLine
import Comparison

extension CommandTable {
    static let compare = Verb(
        "compare", "Run variants of a topology on the same requests and print which is better",
        description: [
            "Runs every combination of the values of --vary, with the same seeds for each, so that all variants see the same requests; as many runs side "
                + "by side as there are cores. Prints one table, the best first: the mean of the metric over the seeds, the mean difference to "
                + "the best (or to --baseline) as a share of that one's mean, half the width of its confidence interval, the ratio to what no policy can beat "
                + "where that is known, and the processor time of a decision.",
            "Runs are kept in folders by topology and seed. Those that are there are not run again, so a comparison that was stopped goes on where it "
                + "was, and one with more seeds or variants runs these alone. A run that is older than the program or its trace does not count. "
                + "A run that fails is reported, and the table goes on without it; the exit code is then 1.",
        ],
        positionals: [Positional("FILE", "The topology.", completion: .command("topologies --names", files: endings))],
        options: [
            Option(
                "vary", "A key of the topology and the values to compare; more than one are crossed. Commas in braces belong to a value.",
                value: .init("PATH.TO.KEY=A,B,…", .checked(Variation.problem)), repeatable: true),
            Option("seeds", "Runs of each variant, with seeds that follow each other.", value: .init("N", .integer(1...100_000), fallback: "5")),
            Option("seed", "The first seed.", value: .init("N", .integer(0...UInt64.max), fallback: "the topology's, else 1")),
            Option("metric", "A figure of the summary to compare and sort by.", value: .init("FIGURE", fallback: "e2e_s.mean")),
            Option("lower-is-better", "The least value of the metric comes first."),
            Option("higher-is-better", "The largest value of the metric comes first."),
            Option(
                "baseline", "The variant that others are compared to: its values, with commas between them.",
                value: .init("VALUES", fallback: "the best")),
            Option(
                "confidence", "Share of the intervals that hold the true difference.",
                value: .init("P", .positiveNumber(limit: 0.999_999), fallback: "0.95")),
            Option(
                "clock", "What drives the runs.", value: .init("CLOCK", .choice(["virtual", "wall", "inproc"]), fallback: "inproc")),
            Option(
                "requests", "Stop each run's offers after so many requests.",
                value: .init("N", .integer(1...1_000_000_000), fallback: "the workload's")),
            set,
            Option(
                "jobs", "Runs side by side.", short: "j",
                value: .init("N", .integer(1...1_024), fallback: "the cores under inproc, else 1")),
            Option("out", "Folder in which the runs' folders are.", short: "o", value: .init("DIR", fallback: "runs", completion: .directories)),
            Option("csv", "Also write the table to a file.", value: .init("FILE", completion: .files([".csv"]))),
            json,
            Option("quiet", "Show no progress.", short: "q"),
        ],
        examples: [
            Note(
                "testbed compare pd-4x8 --vary controller.routing=round-robin,join-shortest-queue --metric ttft_s.mean",
                "Two policies, five seeds each"),
            Note(
                "testbed compare colo-8 --vary 'controller.routing=random,{policy: bf-io, horizon: 20}' --vary pools.worker.count=8,12 --seeds 10",
                "Four variants: policies crossed with the number of workers"),
        ])
}
