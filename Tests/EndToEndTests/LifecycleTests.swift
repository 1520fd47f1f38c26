import Foundation
import Testing

/// Signals and crashes. One after the other: some of them measure how fast things end.
@Suite("A run's processes", .serialized)
struct LifecycleTests {
    /// A run that goes on until it is stopped.
    private func startEndless(_ program: Program, clock: String) throws -> Program.Started {
        try program.write(smallTopology(requests: 100_000_000), to: "plan.yaml")
        let run = try program.start(["up", program.path("plan.yaml"), "--clock", clock, "--out", program.path("run"), "--record", "iterations"])
        if clock != "inproc" {
            #expect(program.within(30) { program.nodes.count == smallNodes }, "the nodes did not start")
        }
        // Until requests have ended, which a progress line or the parts would tell only later.
        usleep(1_500_000)
        return run
    }

    private func checkPartial(_ program: Program) throws {
        let manifest = try program.json("run/manifest.json")
        #expect(manifest["complete"] as? Bool == false)
        #expect(try program.json("run/summary.json")["incomplete"] as? Bool == true)
        let text = try program.read("run/requests.csv")
        #expect(text.hasSuffix("\n"))
        for row in text.split(separator: "\n") { #expect(row.split(separator: ",", omittingEmptySubsequences: false).count == 14) }
        #expect(program.list() == ["plan.yaml", "run"])
        #expect(!program.exists("run/parts"))
    }

    private func rows(_ program: Program, _ file: String) throws -> Int { try program.read("run/" + file).split(separator: "\n").count - 1 }

    @Test("end on an interrupt, and the records so far are kept, marked incomplete", arguments: ["virtual", "wall", "inproc"])
    func interrupt(clock: String) throws {
        let program = try Program()
        let run = try startEndless(program, clock: clock)
        kill(run.process, SIGINT)
        let outcome = try program.finish(run, limit: 30)
        #expect(outcome.code == 130, "\(outcome.error)")
        try checkPartial(program)
        #expect(try rows(program, "requests.csv") > 0)
        #expect(program.processes.isEmpty)
    }

    @Test("end on SIGTERM as on an interrupt, even when a node is stopped")
    func stopped() throws {
        let program = try Program()
        let run = try startEndless(program, clock: "virtual")
        kill(try #require(program.nodes[3]), SIGSTOP)
        kill(run.process, SIGTERM)
        #expect(try program.finish(run, limit: 30).code == 130)
        try checkPartial(program)
        #expect(program.processes.isEmpty)
    }

    @Test("end on an interrupt at any time of the start-up, without anything left behind", arguments: [0, 5, 20, 60, 150, 400])
    func earlyInterrupt(milliseconds: Int) throws {
        let program = try Program()
        try program.write(smallTopology(requests: 100_000_000), to: "plan.yaml")
        let run = try program.start(["up", program.path("plan.yaml"), "--out", program.path("run")])
        usleep(UInt32(milliseconds) * 1000)
        kill(run.process, SIGINT)
        let outcome = try program.finish(run, limit: 30)
        // Before the program is up the signal ends it as it would any other: nothing is there yet.
        #expect(outcome.code == 130 || outcome.signal == SIGINT, "\(outcome)")
        #expect(program.list() == (outcome.code == 130 ? ["plan.yaml", "run"] : ["plan.yaml"]))
        #expect(program.processes.isEmpty)
    }

    @Test("are gone within a second of a SIGKILL to their parent")
    func killedParent() throws {
        let program = try Program()
        let run = try startEndless(program, clock: "virtual")
        kill(run.process, SIGKILL)
        #expect(try program.finish(run).signal == SIGKILL)
        #expect(program.within(1) { program.processes.isEmpty })
    }

    @Test("go on when one of them is killed, and the account balances", arguments: [("virtual", 4), ("wall", 2), ("virtual", 0), ("wall", 0)])
    func killedNode(clock: String, node: Int) throws {
        let program = try Program()
        let run = try startEndless(program, clock: clock)
        kill(try #require(program.nodes[node]), SIGKILL)
        if node > 0 {
            usleep(500_000)
            kill(run.process, SIGINT)
        }
        let outcome = try program.finish(run, limit: 30)
        #expect(outcome.code == (node > 0 ? 130 : 0), "\(outcome.error)")
        let summary = try program.json("run/summary.json")
        let requests = try #require(summary["requests"] as? [String: Any])
        func count(_ key: String) throws -> Int { try #require(requests[key] as? Int) }
        #expect(try count("offered") == count("done") + count("rejected") + count("failed"))
        #expect(try count("offered") == rows(program, "requests.csv"))
        if clock == "wall" || node == 0 {
            let faults = try #require(summary["faults"] as? [[String: Any]])
            #expect(faults.first?["kind"] as? String == "kill")
        }
        #expect(program.processes.isEmpty)
    }

    @Test("come to the end of the workload when the controller is killed, whatever it had said that nobody had waited for yet")
    func killedController() throws {
        let program = try Program()
        try program.write(smallTopology(requests: 6000), to: "plan.yaml")
        let run = try program.start(["up", program.path("plan.yaml"), "--out", program.path("run")])
        #expect(program.within(30) { program.nodes.count == smallNodes && program.isUnderWay() })
        usleep(200_000)
        if let controller = program.nodes[1] { kill(controller, SIGKILL) }
        #expect(try program.finish(run, limit: 60).code == 0)
        #expect(try rows(program, "requests.csv") == 6000)
    }

    @Test("fail as a whole when one of them crashes, naming it and the signal", arguments: [(SIGSEGV, "Segmentation fault")])
    func crashedNode(signal: Int32, name: String) throws {
        for (clock, node, title) in [("virtual", 4, "decode-0"), ("wall", 2, "prefill-0"), ("virtual", 0, "client")] {
            let program = try Program()
            let run = try startEndless(program, clock: clock)
            kill(try #require(program.nodes[node]), signal)
            let outcome = try program.finish(run, limit: 15)
            #expect(outcome.code == 1)
            #expect(outcome.error.contains("node \(title) killed by signal \(signal) (\(name))"), "\(outcome.error)")
            try checkPartial(program)
            if node > 0 { #expect(try rows(program, "requests.csv") > 0) }
            #expect(try rows(program, "iterations.csv") > 0)
            #expect(program.processes.isEmpty)
        }
    }

    @Test("of two equal runs side by side do not disturb each other")
    func sideBySide() throws {
        let program = try Program()
        try program.write(smallTopology(requests: 300), to: "plan.yaml")
        let runs = try (0..<2).map { _ in try program.start(["up", program.path("plan.yaml")]) }
        for run in runs {
            let outcome = try program.finish(run)
            #expect(outcome.code == 0, "\(outcome.error)")
        }
        let folders = program.list("runs")
        #expect(folders.count == 1)
        let folder = try #require(folders.first)
        #expect(program.list("runs/" + folder).allSatisfy { !$0.contains("partial") })
        #expect(try program.json("runs/\(folder)/manifest.json")["complete"] as? Bool == true)
        let alone = try program.run("up", program.path("plan.yaml"), "--clock", "inproc", "--out", program.path("alone"))
        #expect(alone.code == 0)
        #expect(try program.digest("alone") == program.digest("runs/" + folder))
        #expect(program.processes.isEmpty)
    }

    @Test("bear standard streams that are closed: no record ends up in one of them")
    func closedStreams() throws {
        let program = try Program()
        try program.write(smallTopology(requests: 20), to: "plan.yaml")
        let outcome = try program.run("up", program.path("plan.yaml"), "--out", program.path("run"), shell: "exec \"$0\" \"$@\" <&- >&- 2>&-")
        #expect(outcome.code == 0)
        let other = try program.run("up", program.path("plan.yaml"), "--out", program.path("other"))
        #expect(other.code == 0)
        #expect(try program.digest("run") == program.digest("other"))
        #expect(try program.read("run/requests.csv") == program.read("other/requests.csv"))
    }

    @Test("find room for their sockets where the runtime directory is set and not there")
    func runtimeDirectory() throws {
        let program = try Program()
        try program.write(smallTopology(requests: 5), to: "plan.yaml")
        let outcome = try program.run(
            "up", program.path("plan.yaml"), "--out", program.path("run"), shell: "XDG_RUNTIME_DIR=/nowhere exec \"$0\" \"$@\"")
        #expect(outcome.code == 0, "\(outcome.error)")
    }

    @Test("fail with what could not be written where files may not grow", arguments: ["virtual", "inproc"])
    func fileLimit(clock: String) throws {
        let program = try Program()
        try program.write(smallTopology(requests: 100_000_000), to: "plan.yaml")
        let outcome = try program.run(
            "up", program.path("plan.yaml"), "--clock", clock, "--out", program.path("run"), shell: "ulimit -f 100; exec \"$0\" \"$@\"")
        #expect(outcome.code == 1)
        #expect(outcome.error.contains("File too large"), "\(outcome.error)")
        #expect(program.processes.isEmpty)
    }

    @Test("go on under nohup when the terminal goes")
    func nohup() throws {
        let program = try Program()
        let topology = try program.write(smallTopology(requests: 2000), to: "plan.yaml")
        let run = try program.start(["up", topology, "--out", program.path("run")], shell: "trap '' HUP; exec \"$0\" \"$@\"")
        #expect(program.within(30) { program.nodes.count == smallNodes })
        kill(run.process, SIGHUP)
        #expect(try program.finish(run).code == 0)
    }
}
