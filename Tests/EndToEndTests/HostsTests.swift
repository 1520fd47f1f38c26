import Foundation
import Testing

/// Nodes that others start, over loopback: what they say to each other goes as it would between hosts.
@Suite("A cluster on several hosts", .serialized)
struct HostsTests {
    private static let names = ["client", "controller", "prefill-0", "prefill-1", "decode-0", "decode-1"]

    /// A launcher that listens, and whoever has joined.
    private struct Cluster {
        var launcher: Program.Started
        var hosts: [Program.Started]
        var endpoint: String
    }

    /// Brings a cluster up.
    /// - Parameter shared: whether one process is the host of all.
    private func start(_ program: Program, _ topology: String, _ options: [String] = [], shared: Bool = false) throws -> Cluster {
        try program.write(topology, to: "plan.yaml")
        let keys = try program.run("keys", program.path("plan.yaml"), "-o", program.path("keys"))
        #expect(keys.code == 0, "\(keys.error)")
        let words = ["up", program.path("plan.yaml"), "--out", program.path("run"), "--listen", "tcp://127.0.0.1:*", "--keys", program.path("keys")]
        let launcher = try program.start(words + options)
        var endpoint: String?
        func listens() throws -> Bool {
            let text = try program.read("harness-\(launcher.number)-error")
            endpoint = text.split(separator: "\n").first { $0.contains("listening at ") }?.split(separator: " ").last.map(String.init)
            return endpoint != nil
        }
        #expect(try program.within(30) { try listens() })
        let found = try #require(endpoint)
        // Who names no node is the host of all whose keys there are.
        let seats = shared ? [[]] : Self.names.map { [$0] }
        let hosts = try seats.map { try program.start(["join"] + $0 + ["--launcher", found, "--keys", program.path("keys")]) }
        return Cluster(launcher: launcher, hosts: hosts, endpoint: found)
    }

    private func checkBalance(_ program: Program) throws {
        let summary = try program.json("run/summary.json")
        let requests = try #require(summary["requests"] as? [String: Any])
        func count(_ key: String) throws -> Int { try #require(requests[key] as? Int) }
        #expect(try count("offered") == count("done") + count("rejected") + count("failed"))
        #expect(try count("offered") == program.read("run/requests.csv").split(separator: "\n").count - 1)
    }

    private static let faults = """
        faults: {events: [{at: 300ms, kill: decode-1, restart: 200ms}, {at: 500ms, hang: prefill-0, for: 100ms}, {at: 900ms, kill: client, restart: 50ms}]}
        """

    @Test("leaves the records of a run on one, to the byte, with faults and without, however the nodes are shared out", arguments: [false, true])
    func digests(shared: Bool) throws {
        let program = try Program()
        let topology = smallTopology(requests: 300, extra: shared ? Self.faults.split(separator: "\n").joined() : "")
        let cluster = try start(program, topology, shared: shared)
        let outcome = try program.finish(cluster.launcher)
        #expect(outcome.code == 0, "\(outcome.error)")
        for host in cluster.hosts {
            let ended = try program.finish(host)
            #expect(ended.code == 0, "\(ended.error)")
        }
        let local = try program.run("up", program.path("plan.yaml"), "--out", program.path("local"))
        #expect(local.code == 0, "\(local.error)")
        #expect(try program.digest("run") == program.digest("local"))
        #expect(try program.read("run/iterations.csv") == program.read("local/iterations.csv"))
        let hosts = try #require(try program.json("run/manifest.json")["hosts"] as? [String: Any])
        #expect(hosts["refusals"] as? Int == 0)
        #expect((hosts["nodes"] as? [Any])?.count == smallNodes)
        #expect(program.processes.isEmpty)
    }

    @Test("goes on when a host is gone or silent, with its node counted as killed", arguments: [(SIGKILL, 4), (SIGSTOP, 2), (SIGKILL, 0)])
    func lostHost(signal: Int32, place: Int) throws {
        let program = try Program()
        let cluster = try start(program, smallTopology(requests: 1200), ["--patience", "1s"])
        #expect(program.within(30) { program.nodes.count == smallNodes })
        usleep(400_000)
        if signal == SIGSTOP, let node = program.nodes[place] { kill(node, signal) }
        kill(cluster.hosts[place].process, signal)
        let outcome = try program.finish(cluster.launcher)
        #expect(outcome.code == 0, "\(outcome.error)")
        #expect(outcome.error.contains("\(Self.names[place]) has"), "\(outcome.error)")
        try checkBalance(program)
        kill(cluster.hosts[place].process, SIGKILL)
        #expect(program.within(5) { program.processes.isEmpty })
    }

    @Test("ends everywhere soon after its launcher is gone")
    func lostLauncher() throws {
        let program = try Program()
        try program.write(smallTopology(requests: 100_000_000), to: "plan.yaml")
        let cluster = try start(program, smallTopology(requests: 100_000_000))
        #expect(program.within(30) { program.nodes.count == smallNodes })
        kill(cluster.launcher.process, SIGINT)
        #expect(try program.finish(cluster.launcher, limit: 30).code == 130)
        for host in cluster.hosts { #expect(try program.finish(host, limit: 10).code == 0) }
        #expect(program.processes.isEmpty)
    }

    @Test("takes nobody with a key of another run, nor a second one for the same node")
    func refusals() throws {
        let program = try Program()
        let cluster = try start(program, smallTopology(requests: 2000))
        #expect(program.within(30) { program.nodes.count == smallNodes })
        #expect(try program.run("keys", program.path("plan.yaml"), "-o", program.path("old")).code == 0)
        // The old run's launcher had another key: what is shown here is that the own keys of a node do not help either.
        let text =
            try program.read("old/decode-0.key").split(separator: "\n").prefix(2) + [
                try #require(try program.read("keys/decode-0.key").split(separator: "\n").last)
            ]
        try program.write(text.joined(separator: "\n") + "\n", to: "stolen.key")
        let join = ["--launcher", cluster.endpoint, "--patience", "2s", "--keys"]
        let stranger = try program.start(["join", "decode-0"] + join + [program.path("stolen.key")])
        let second = try program.start(["join", "decode-0"] + join + [program.path("keys")])
        #expect(try program.finish(second).error.contains("decode-0 is there already"))
        #expect(try program.finish(stranger).code == 1)
        let outcome = try program.finish(cluster.launcher)
        #expect(outcome.code == 0, "\(outcome.error)")
        try checkBalance(program)
        let hosts = try #require(try program.json("run/manifest.json")["hosts"] as? [String: Any])
        #expect(try #require(hosts["refusals"] as? Int) > 0)
        for host in cluster.hosts { #expect(try program.finish(host).code == 0) }
    }

    @Test(
        "is told apart from misuse",
        arguments: [
            ["--listen", "tcp://127.0.0.1:*"], ["--keys", "k"], ["--listen", "7000", "--keys", "k"], ["--on", "docker", "--keys", "k"],
        ])
    func misuse(options: [String]) throws {
        let program = try Program()
        try program.write(smallTopology(requests: 10), to: "plan.yaml")
        let outcome = try program.finish(program.start(["up", program.path("plan.yaml")] + options))
        #expect(outcome.code == 2)
        #expect(outcome.error.contains("expected"))
    }
}
