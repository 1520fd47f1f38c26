import Foundation
import Testing

/// A cluster that stays up, as its user sees it.
@Suite("A cluster that stays up", .serialized)
struct ClusterTests {
    private let requests = ["--rate", "200", "--requests", "60", "--prompt-tokens", "100..800", "--output-tokens", "1..20"]

    @discardableResult
    private func run(_ program: Program, _ arguments: [String], code: Int32? = 0) throws -> Program.Outcome {
        let outcome = try program.finish(program.start(arguments), limit: 60)
        if let code { #expect(outcome.code == code, "\(arguments): \(outcome)") }
        return outcome
    }

    private func up(_ program: Program, _ arguments: String...) throws {
        try program.write(smallTopology(requests: 60), to: "plan.yaml")
        try run(program, ["up", program.path("plan.yaml"), "--detach"] + arguments)
    }

    /// The clusters that are up, by `ps --json`.
    private func clusters(_ program: Program) throws -> [[String: Any]] {
        let text = try run(program, ["ps", "--json"]).output
        return try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]] ?? []
    }

    private func states(_ program: Program) throws -> [String: String] {
        let nodes = try clusters(program).first?["nodes"] as? [[String: Any]] ?? []
        return Dictionary(uniqueKeysWithValues: nodes.map { ($0["name"] as? String ?? "", $0["state"] as? String ?? "") })
    }

    private func count(_ program: Program, _ key: String) throws -> Int {
        (try clusters(program).first?["requests"] as? [String: Any])?[key] as? Int ?? -1
    }

    @Test("given its workload's requests while it is up, leaves the records of a plain run, to the byte")
    func sameAsPlain() throws {
        let program = try Program()
        try up(program, "--idle", "--out", program.path("fed"))
        try run(program, ["submit", "--seed", "1"] + requests)
        #expect(try run(program, ["down", "--drain"]).output.contains("60 offered, 60 done"))
        #expect(program.processes.isEmpty)
        try run(program, ["up", program.path("plan.yaml"), "--out", program.path("plain")])
        #expect(try program.digest("fed") == program.digest("plain"))
        #expect(try program.json("fed/manifest.json")["complete"] as? Bool == true)
    }

    @Test("does what is to happen at a time of the virtual clock at that time, and so repeats itself to the byte")
    func schedule() throws {
        let program = try Program()
        for name in ["one", "two"] {
            try up(program, "--idle", "--out", program.path(name))
            try run(program, ["submit", "--at", "2s", "--hold"] + requests)
            try run(program, ["submit", "--at", "1s", "--hold"] + requests)
            #expect(try clusters(program).first?["now_s"] as? Double == 0)
            try run(program, ["submit", "--at", "2.01s", "--seed", "9"] + requests)
            let early = program.within(20) { (try? count(program, "ended")) == 180 }
            #expect(early)
            let late = try run(program, ["submit", "--at", "1500ms"] + requests, code: 2)
            #expect(late.error.contains("--at: found 1.5s, which has passed"), "\(late)")
            try run(program, ["down"])
        }
        let rows = try program.read("one/requests.csv").split(separator: "\n").dropFirst()
        let arrivals = rows.compactMap { Double($0.split(separator: ",")[1]) }
        #expect(arrivals.count == 180)
        #expect(arrivals.allSatisfy { $0 > 1 })
        #expect(arrivals.filter { $0 > 2 }.count >= 120)
        #expect(try program.digest("one") == program.digest("two"))
        #expect(try program.read("one/requests.csv") == program.read("two/requests.csv"))
    }

    @Test("has processes ended, begun anew, stopped and set going at times of the virtual clock: nothing is lost, and all repeats itself")
    func faults() throws {
        let program = try Program()
        for name in ["one", "two"] {
            try up(program, "--idle", "--hold", "--out", program.path(name))
            try run(program, ["submit", "--rate", "200", "--requests", "300", "--prompt-tokens", "100..800", "--output-tokens", "1..20", "--hold"])
            try run(program, ["restart", "decode-0", "--at", "300ms", "--after", "500ms", "--hold"])
            try run(program, ["pause", "prefill-1", "--at", "400ms", "--for", "200ms", "--hold"])
            try run(program, ["scale", "prefill", "1", "--at", "700ms", "--hold"])
            try run(program, ["scale", "prefill", "2", "--at", "900ms", "--hold"])
            try run(program, ["pause", "decode-1", "--at", "1s", "--hold"])
            try run(program, ["unpause", "decode-1", "--at", "1.1s"])
            #expect(try run(program, ["down", "--drain"]).output.contains("300 offered, 300 done"))
            #expect(program.processes.isEmpty)
        }
        #expect(try program.read("one/requests.csv") == program.read("two/requests.csv"))
        #expect(try program.digest("one") == program.digest("two"))
    }

    @Test("grows past the workers that serve from the start, up to `max`, and shrinks again: whoever has rested begins cold and serves")
    func growth() throws {
        let program = try Program()
        let topology = smallTopology(requests: 60, extra: "recovery: {start-up: {base: 100ms, tier: memory}}")
            .replacing("decode: {role: decode, count: 2}", with: "decode: {role: decode, count: 1, max: 3}")
        try program.write(topology, to: "grows.yaml")
        for name in ["one", "two"] {
            try run(program, ["up", program.path("grows.yaml"), "--detach", "--idle", "--hold", "--out", program.path(name)])
            #expect(try run(program, ["scale", "decode", "4"], code: 2).error.contains("expected 0 to 3: the key 'max'"))
            try run(program, ["submit", "--rate", "100", "--requests", "500", "--prompt-tokens", "100..800", "--output-tokens", "1..20", "--hold"])
            try run(program, ["scale", "decode", "2", "--at", "1s", "--hold"])
            try run(program, ["scale", "decode", "1", "--at", "4s"])
            #expect(try run(program, ["down", "--drain"]).output.contains("500 offered, 500 done"))
        }
        let rows = try program.read("one/requests.csv").split(separator: "\n").dropFirst().map {
            $0.split(separator: ",", omittingEmptySubsequences: false)
        }
        let ends = rows.filter { $0[5] == "decode-1" }.compactMap { Double($0[8]) }
        #expect(!ends.isEmpty && ends.allSatisfy { $0 > 1.1 && $0 < 4.1 })
        #expect(rows.allSatisfy { $0[5] != "decode-2" })
        #expect(try program.read("one/requests.csv") == program.read("two/requests.csv"))
        // A policy that has workers come and go does so alone.
        try program.write(topology.replacing("recovery:", with: "controller: {scaling: threshold}\nrecovery:"), to: "scales.yaml")
        try run(program, ["up", program.path("scales.yaml"), "--detach", "--idle"])
        #expect(try run(program, ["scale", "decode", "2"], code: 2).error.contains("expected 0 to 1: the scaling policy 'threshold' says"))
        try run(program, ["down"])
    }

    @Test("told to slow nodes and to cut and heal links, leaves the records of a run that had it in its plan, and loses no message")
    func links() throws {
        let program = try Program()
        try up(program, "--idle", "--hold", "--out", program.path("told"))
        try run(program, ["submit", "--seed", "1", "--hold"] + requests)
        try run(program, ["slow", "decode-0", "3", "--at", "20ms", "--for", "100ms", "--hold"])
        try run(program, ["partition", "prefill-0", "decode", "--at", "50ms", "--for", "60ms", "--hold"])
        try run(program, ["partition", "prefill", "decode-1", "--at", "150ms", "--hold"])
        try run(program, ["heal", "--at", "210ms"])
        #expect(try run(program, ["down", "--drain"]).output.contains("60 offered, 60 done"))
        try program.write(
            """
            events:
              - {at: 20ms, slow: decode-0, factor: 3, for: 100ms}
              - {at: 50ms, partition: prefill-0, from: [decode-0, decode-1], for: 60ms}
              - {at: 150ms, partition: [prefill-0, prefill-1], from: decode-1, for: 60ms}
            """, to: "faults.yaml")
        let faults = ["--faults", program.path("faults.yaml")]
        try run(program, ["up", program.path("plan.yaml"), "--out", program.path("planned")] + faults)
        #expect(try program.read("told/requests.csv") == program.read("planned/requests.csv"))
        try run(program, ["up", program.path("plan.yaml"), "--out", program.path("plain")])
        #expect(try program.read("told/requests.csv") != program.read("plain/requests.csv"))
        let twice = try run(program, ["up", program.path("plan.yaml"), "--detach"])
        #expect(twice.code == 0)
        #expect(try run(program, ["partition", "prefill-0", "prefill"], code: 2).error.contains("found prefill-0 on both sides"))
        try run(program, ["down"])
    }

    @Test("on the wall clock can be looked at, stopped in part, set going, fed and ended")
    func wall() throws {
        let program = try Program()
        try up(program, "--clock", "wall", "--idle", "--out", program.path("run"))
        #expect(try states(program).count == smallNodes)
        try run(program, ["pause", "decode-0", "prefill-1"])
        // A signal takes a moment to get through.
        #expect(program.within(5) { (try? states(program).filter { $0.value == "stopped" }.keys.sorted()) == ["decode-0", "prefill-1"] })
        try run(program, ["submit"] + requests)
        usleep(600_000)
        // Those that went to the nodes that stand still are open.
        #expect(try count(program, "ended") < 60)
        try run(program, ["unpause", "decode-0", "prefill-1"])
        #expect(program.within(20) { (try? count(program, "ended")) == 60 })
        #expect(try run(program, ["unpause", "decode-0"], code: 1).error.contains("decode-0 is not stopped"))
        let outcome = try run(program, ["down", "--json"])
        let summary = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
        #expect((summary?["requests"] as? [String: Any])?["done"] as? Int == 60)
        #expect(try program.json("run/summary.json")["name"] as? String == summary?["name"] as? String)
        #expect(program.processes.isEmpty)
        #expect(program.list("testbed").isEmpty)
    }

    @Test("goes on when a node is killed, and is ended as it is")
    func kill() throws {
        let program = try Program()
        try up(program, "--out", program.path("run"))
        #expect(program.within(20) { (try? count(program, "ended")) == 60 })
        try run(program, ["kill", "decode-1"])
        #expect(program.within(10) { (try? states(program)["decode-1"]) == "down" })
        #expect(try states(program)["decode-0"] == "up")
        #expect(try run(program, ["kill", "decode-1"], code: 1).error.contains("decode-1 is down"))
        try run(program, ["down"])
        #expect(program.processes.isEmpty)
    }

    @Test("writes logs that can be followed to its end")
    func logs() throws {
        let program = try Program()
        try up(program, "--out", program.path("run"))
        let follower = try program.start(["logs", "-f", "launcher", "decode-0"])
        let folder = try #require(try clusters(program).first?["folder"] as? String)
        let log = try #require(FileHandle(forWritingAtPath: folder + "/logs/decode-0.log"))
        log.seekToEndOfFile()
        log.write(Data("a word from the node\n".utf8))
        try run(program, ["submit"] + requests)
        #expect(program.within(5) { (try? program.read("harness-\(follower.number)-output").contains("word from")) == true })
        try run(program, ["down"])
        let outcome = try program.finish(follower, limit: 20)
        #expect(outcome.code == 0)
        let lines = outcome.output.split(separator: "\n")
        #expect(lines.contains("decode-0 | a word from the node"))
        #expect(lines.contains { $0.hasPrefix("launcher | ") && $0.contains("submit --rate 200") })
        #expect(lines.contains { $0.hasPrefix("launcher | ") && $0.hasSuffix("s down") })
    }

    @Test("stands beside another one, each under its name")
    func sideBySide() throws {
        let program = try Program()
        try up(program)
        try up(program)
        try up(program, "--cluster", "third")
        #expect(try clusters(program).map { $0["name"] as? String } == ["plan", "plan-2", "third"])
        let vague = try run(program, ["down"], code: 2)
        #expect(vague.error.contains("found 3 clusters (plan, plan-2, third), expected --cluster NAME"))
        #expect(try run(program, ["down", "--cluster", "tird"], code: 2).error.contains("unknown cluster 'tird', did you mean 'third'?"))
        #expect(
            try run(program, ["up", program.path("plan.yaml"), "--detach", "--cluster", "third"], code: 2).error
                .contains("found a cluster called 'third' already"))
        for name in ["plan-2", "third", "plan"] { try run(program, ["down", "--cluster", name]) }
        #expect(try run(program, ["ps"]).output.isEmpty)
        #expect(try run(program, ["down"], code: 2).error.contains("found no cluster that is up"))
        #expect(program.processes.isEmpty)
    }

    @Test("leaves no node behind when its launcher is killed, and is said to be gone")
    func killedLauncher() throws {
        let program = try Program()
        try up(program, "--clock", "wall", "--idle")
        let launcher = try #require(try clusters(program).first?["launcher"] as? Int)
        Foundation.kill(pid_t(launcher), SIGKILL)
        #expect(program.within(2) { program.processes.isEmpty })
        let outcome = try run(program, ["ps"])
        #expect(outcome.error.contains("cluster 'plan' is gone: its launcher, process \(launcher), has ended"), "\(outcome)")
        #expect(outcome.output.isEmpty)
        // It is said once, and nothing of it is in the way.
        #expect(try run(program, ["ps"]).error.isEmpty)
        #expect(program.list().filter { $0.hasPrefix("testbed-") }.isEmpty)
    }

    @Test("ends on SIGTERM to its launcher as by 'down'")
    func terminated() throws {
        let program = try Program()
        try up(program, "--out", program.path("run"))
        #expect(program.within(20) { (try? count(program, "ended")) == 60 })
        let launcher = try #require(try clusters(program).first?["launcher"] as? Int)
        Foundation.kill(pid_t(launcher), SIGTERM)
        #expect(program.within(20) { program.exists("run/manifest.json") && program.processes.isEmpty })
        #expect(try program.json("run/manifest.json")["complete"] as? Bool == true)
        #expect(program.list("testbed").isEmpty)
        #expect(try run(program, ["ps"]).error.isEmpty)
    }

    @Test("is told that a node failed unasked by the next who looks")
    func failed() throws {
        let program = try Program()
        try up(program, "--clock", "wall", "--idle", "--out", program.path("run"))
        Foundation.kill(try #require(program.nodes[4]), SIGSEGV)
        #expect(program.within(20) { program.processes.isEmpty })
        let outcome = try run(program, ["ps"])
        #expect(outcome.error.contains("cluster 'plan' has failed: node decode-0 killed by signal 11"), "\(outcome)")
    }

    @Test("refuses what names nothing it has, with the nearest name")
    func mistakes() throws {
        let program = try Program()
        try up(program, "--idle")
        for (arguments, reason) in [
            (["kill", "decod-0"], "unknown node 'decod-0', did you mean 'decode-0'?"),
            (["logs", "clinet"], "unknown node 'clinet', did you mean 'client'?"),
            (["scale", "decodes", "1"], "unknown pool 'decodes', did you mean 'decode'?"),
            (["scale", "decode", "3"], "expected 0 to 2: the key 'max'"),
            (["partition", "decode", "decode-1,prefill"], "found decode-1 on both sides"), (["kill", "decode-0", "--at", "5"], "expected a time"),
            (["submit", "--rate", "5"], "expected --trace FILE, or --rate R and --requests N"),
            (["submit", "--trace", program.path("none.csv")], "none.csv: No such file"), (["slow", "decode-0", "0.5"], "expected a number from 1"),
        ] {
            #expect(try run(program, arguments, code: 2).error.contains(reason), "\(arguments)")
        }
        try program.write("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,12,x\n", to: "broken.csv")
        #expect(try run(program, ["submit", "--trace", program.path("broken.csv")], code: 2).error.contains("broken.csv:2:"))
        #expect(try run(program, ["up", program.path("plan.yaml"), "--idle"], code: 2).error.contains("found --idle without --detach"))
        let inproc = try run(program, ["up", program.path("plan.yaml"), "--detach", "--clock", "inproc"], code: 2)
        #expect(inproc.error.contains("found the clock 'inproc'"))
        try program.write("x", to: "occupied")
        let folder = try run(program, ["up", program.path("plan.yaml"), "--detach", "--out", program.path("occupied")], code: 2)
        #expect(folder.error.contains("found a file"), "\(folder)")
        try run(program, ["down"])
    }
}
