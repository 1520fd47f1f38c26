import CommandLine
import Launch
import Quantities

/// The verbs and options for clusters whose nodes are on other hosts.
extension CommandTable {
    static let hostVerbs = [export, join, keys]

    /// Options of `up`.
    static let hostOptions = [
        Option(
            "on",
            "Have an engine for clusters run the nodes: a container each of the Docker engine on this host, from the image 'testbed:latest' (or "
                + "$TESTBED_IMAGE); or a task of one Slurm allocation for each host of the topology, by srun.",
            value: .init("ENGINE", .choice(["docker", "slurm"]), fallback: "on this host")),
        Option(
            "listen", "Start no node, but wait here until somebody has joined for each ('testbed join'), such as tcp://10.0.0.5:7000.",
            value: .init("ENDPOINT", .checked(listenProblem))),
        Option(
            "keys",
            "With --listen or --on slurm: the folder with the run's keys, or the launcher's file; a folder that is not there is made, and removed at the end.",
            value: .init("PATH", completion: .files([]))),
        Option("patience", "With --listen or --on: how long a host may be silent before its node counts as killed.", value: time("10s")),
    ]

    private static let export = Verb(
        "export", "Write the same cluster for an engine that runs containers or batch jobs",
        description: [
            "compose: a container a node, by its name, one for the launcher, and a network for each rack, for 'docker compose up'. Without --out it prints the file for a topology "
                + "that the image holds; with --out the folder has all that is needed: docker-compose.yml, the topology, its files, and new keys.",
            "kubernetes: a StatefulSet with a headless Service for each pool and for the controller, and Jobs for the client and for the launcher, in a "
                + "namespace of their own: cluster.yaml, keys.yaml with new keys, and collect.yaml to get at the records. Without --out it prints the first.",
            "slurm: a batch script with a task for each host of the topology, and the topology with its files. 'testbed up FILE --on slurm' needs none of it.",
            "With 'hosts: {pack: N}' in the topology up to N workers of a pool share a container, a pod or a task, which changes no record.",
        ],
        positionals: [
            Positional("ENGINE", "What it is for.", kind: .choice(["compose", "kubernetes", "slurm"])),
            Positional("FILE", "The topology.", completion: .command("topologies --names", files: endings)),
        ],
        options: [
            Option("out", "Folder for the files; made if missing.", short: "o", value: .init("DIR", completion: .directories)),
            Option("leader-worker-set", "With kubernetes: pools whose workers compute together become LeaderWorkerSets (leaderworkerset.x-k8s.io)."),
            set, faults,
        ],
        examples: [
            Note("testbed export compose pd-4x8 -o cluster", "Write a cluster that 'docker compose up' in that folder runs"),
            Note("testbed export kubernetes moe-ep8 --leader-worker-set -o cluster", "Write one for 'kubectl apply'"),
        ])

    private static let join = Verb(
        "join", "Be the host of nodes of a cluster that another host has brought up with --listen",
        description: [
            "Joins the launcher under the keys of each node, and starts, stops and ends the nodes' processes as the launcher says; what they record goes "
                + "there. Everything that a node needs comes from the launcher. Ends with the run; started by anyone: a container, a batch system, a shell.",
            "Every connection is encrypted, and both ends have shown by their keys who they are. Without --bind, peers on this host alone can reach a node.",
        ],
        positionals: [Positional("NODE", "A node's name, such as prefill-0; without any, all whose keys are in --keys.", count: .any)],
        options: [
            Option("launcher", "Where the launcher listens, such as tcp://10.0.0.5:7000.", value: .init("ENDPOINT", .checked(endpointProblem))),
            Option("keys", "The file with the node's keys, or a folder with one for each.", value: .init("PATH", completion: .files([]))),
            Option(
                "bind", "Address to listen at for other nodes, and the first node's port; the next ones follow.",
                value: .init("ADDRESS[:PORT]", .checked(addressProblem), fallback: "127.0.0.1, any port that is free")),
            Option(
                "advertise", "By which name other nodes reach the first one.",
                value: .init("NAME[:PORT]", .checked(addressProblem), fallback: "the address of --bind, or for 0.0.0.0 this host's name")),
            Option("patience", "How long the launcher may be silent.", value: time("60s")),
            Option("linger", "How long to stay when the run is over.", value: time("0s")),
        ],
        examples: [Note("testbed join decode-0 decode-1 --launcher tcp://10.0.0.5:7000 --keys keys --bind 10.0.0.6", "Host two nodes")])

    private static let keys = Verb(
        "keys", "Make the keys for a run on several hosts",
        description: [
            "Makes a folder that nobody else may enter, with launcher.key and a NODE.key for each node. Each file holds all that its owner needs; a run "
                + "needs new ones."
        ],
        positionals: [Positional("FILE", "The topology.", completion: .command("topologies --names", files: endings))],
        options: [
            Option("out", "Folder for the keys; new or empty.", short: "o", value: .init("DIR", fallback: "keys", completion: .directories)), set,
        ])

    private static func time(_ fallback: String) -> Option.Value {
        .init("TIME", .checked { Hosts.time($0) == nil ? "found '\($0)', expected \(UnitScale.duration.expectation)" : nil }, fallback: fallback)
    }

    @Sendable private static func listenProblem(_ text: String) -> String? {
        let isGood =
            text.hasSuffix(":*")
            ? Hosts.address(text.dropFirst(6).dropLast(2) + ":1") != nil && text.hasPrefix("tcp://") : endpointProblem(text) == nil
        return isGood ? nil : "found '\(text)', expected an endpoint such as tcp://10.0.0.5:7000, or with * for any port"
    }

    @Sendable private static func endpointProblem(_ text: String) -> String? {
        let address = text.hasPrefix("tcp://") ? Hosts.address(text.dropFirst(6)) : nil
        return address?.port != nil ? nil : "found '\(text)', expected an endpoint such as tcp://10.0.0.5:7000"
    }

    @Sendable private static func addressProblem(_ text: String) -> String? {
        Hosts.address(text[...]) != nil ? nil : "found '\(text)', expected an address such as 10.0.0.5 or 10.0.0.5:7001"
    }
}
