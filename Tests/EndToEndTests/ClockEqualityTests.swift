import Cluster
import TestKit
import Testing
import TopologyFile

@Suite("The clocks")
struct ClockEqualityTests {
    @Test("virtual and inproc give the same digest, again and again", arguments: 0..<40)
    func sameDigest(number: Int) throws {
        let program = try Program()
        var plan = generatedPlan(UInt64(number))
        plan.workload.requestLimit = min(plan.workload.requestLimit ?? 60, 60)
        plan.records = RecordPlan(iterations: true, messages: true, timeline: false)
        try program.write(TopologyWriter.text(plan), to: "plan.yaml")
        for (clock, folder) in [("virtual", "a"), ("virtual", "b"), ("inproc", "c")] {
            let outcome = try program.run("up", program.path("plan.yaml"), "--clock", clock, "--out", program.path(folder), "--quiet")
            try #require(outcome.code == 0, "\(outcome.error)")
        }
        let digest = try program.digest("a")
        #expect(digest.count == 32)
        #expect(try program.digest("b") == digest)
        #expect(try program.digest("c") == digest)
        for file in ["requests.csv", "iterations.csv", "messages.csv"] {
            let text = try program.read("a/" + file)
            #expect(try program.read("c/" + file) == text)
            #expect(text.hasSuffix("\n"))
        }
        let requests = try #require(try program.json("a/summary.json")["requests"] as? [String: Int])
        #expect(requests["offered"] == plan.workload.requestLimit)
        #expect(requests["offered"] == (requests["done"] ?? 0) + (requests["rejected"] ?? 0))
        #expect(program.processes.isEmpty)
    }

    @Test("give the same digest when a node is stopped before what it has sent to another one, which was stopped then, could leave")
    func stops() throws {
        let program = try Program()
        try program.write(
            "events:\n- {at: 1.443s, hang: client, for: 1.367s}\n- {at: 0.107s, hang: rank-1, for: 2.206s}\n", to: "stops.yaml")
        for clock in ["virtual", "inproc"] {
            let outcome = try program.run(
                "up", bundled("moe-ep8"), "--faults", program.path("stops.yaml"), "--clock", clock, "--seed", "5057", "--requests", "10", "--set",
                "workload.output-tokens=20", "--out", program.path(clock), "--quiet")
            try #require(outcome.code == 0, "\(outcome.error)")
        }
        #expect(try program.digest("virtual") == program.digest("inproc"))
        #expect(program.processes.isEmpty)
    }

    @Test("of the topology that a run leaves in its folder give the run again", arguments: ["pd-layerwise", "pd-4x8", "colo-8-whole-prompts"])
    func resolved(name: String) throws {
        let program = try Program()
        let first = try program.run("up", bundled(name), "--requests", "40", "--seed", "9", "--clock", "inproc", "--out", program.path("first"))
        try #require(first.code == 0, "\(first.error)")
        let second = try program.run("up", program.path("first/topology.yaml"), "--out", program.path("second"))
        try #require(second.code == 0, "\(second.error)")
        #expect(try program.digest("first") == program.digest("second"))
        #expect(try program.read("first/topology.yaml") == program.read("second/topology.yaml"))
    }

    @Test("draw other requests under another seed")
    func seeds() throws {
        let program = try Program()
        try program.write(smallTopology(requests: 10), to: "plan.yaml")
        for (seed, folder) in [("1", "a"), ("1", "b"), ("2", "c")] {
            let outcome = try program.run("up", program.path("plan.yaml"), "--seed", seed, "--out", program.path(folder))
            #expect(outcome.code == 0, "\(outcome.error)")
        }
        #expect(try program.digest("a") == program.digest("b"))
        #expect(try program.digest("a") != program.digest("c"))
    }

    @Test("wall runs to its end with a balanced account")
    func wall() throws {
        let program = try Program()
        try program.write(smallTopology(requests: 30), to: "plan.yaml")
        let outcome = try program.run("up", program.path("plan.yaml"), "--clock", "wall", "--dilation", "2", "--out", program.path("run"), "--json")
        try #require(outcome.code == 0, "\(outcome.error)")
        let summary = try program.json("run/summary.json")
        let requests = try #require(summary["requests"] as? [String: Int])
        #expect(requests["offered"] == 30)
        #expect(requests["done"] == 30)
        #expect(requests["duplicated"] == 0)
        #expect((summary["slip_s"] as? [String: Any])?["max"] as? Double ?? 0 > 0)
        #expect(program.processes.isEmpty)
    }
}
