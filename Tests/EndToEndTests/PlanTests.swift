import Foundation
import Testing

@Suite("Plan")
struct PlanTests {
    private let split = """
        model: llama-3.1-8b
        defaults: {device: h100-sxm}
        pools:
          prefill: {role: prefill}
          decode: {role: decode}
        workload:
          arrivals: {poisson: 60/s}
          prompt-tokens: 1024
          output-tokens: 64
          requests: 300
        slo: {ttft: 250ms, tbt: 15ms}

        """

    private let apart = """
        model: mixtral-8x22b
        defaults: {device: h800}
        pools:
          attention: {role: attention, count: 2, experts: {pool: expert, micro-batches: 3}}
          expert: {role: expert, count: 4}
        workload:
          arrivals: {poisson: 10/s}
          prompt-tokens: 256
          output-tokens: 128
          requests: 300
        slo: {tbt: 150ms}

        """

    @Test("saves a shape that is a good topology, runs, and serves nine of ten requests in time")
    func write() throws {
        let program = try Program()
        let path = try program.write(split, to: "split.yaml")
        let outcome = try program.run("plan", path, "--write", program.path("planned.yaml"), "--json")
        #expect(outcome.code == 0, "\(outcome.error)")
        let report = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
        #expect((report["parts"] as? [Any])?.count == 2)
        let pools = try #require(report["chosen"] as? [[String: Any]])
        #expect(pools.compactMap { $0["name"] as? String } == ["prefill", "decode"])
        #expect(try program.run("validate", program.path("planned.yaml")).code == 0)
        let run = try program.run(
            "up", program.path("planned.yaml"), "--clock", "inproc", "--out", program.path("run"), "--require", "ttft_s.p90<0.25")
        #expect(run.code == 0, "\(run.error)")
        // Again over its own file, and not over others.
        #expect(try program.run("plan", path, "--write", program.path("planned.yaml")).code == 0)
        for target in ["split.yaml", ".", "none/x.yaml"] {
            let refused = try program.run("plan", path, "--write", program.path(target))
            #expect(refused.code == 2)
            #expect(refused.error.contains(":1:1: "), "\(refused.error)")
        }
        #expect(try program.read("split.yaml") == split)
    }

    @Test("saves no faults of nodes that the shape may not have, and says so")
    func faults() throws {
        let program = try Program()
        let larger = split.replacing("{role: decode}", with: "{role: decode, count: 9}")
        let path = try program.write(larger + "faults: {events: [{at: 1s, kill: decode-8}]}\n", to: "split.yaml")
        let outcome = try program.run("plan", path, "--write", program.path("planned.yaml"))
        #expect(outcome.code == 0 && outcome.error.contains("planned.yaml has none of the topology's faults"), "\(outcome.error)")
        #expect(try program.run("validate", program.path("planned.yaml")).code == 0)
    }

    @Test("saves attention and expert nodes as a good topology", arguments: ["megascale", "janus"])
    func experts(procedure: String) throws {
        let program = try Program()
        let path = try program.write(apart, to: "apart.yaml")
        let outcome = try program.run("plan", path, "--procedure", procedure, "--devices", "12", "--write", program.path("planned.yaml"))
        #expect(outcome.code == 0, "\(outcome.error)")
        #expect(outcome.output.contains("*"))
        let checked = try program.run("validate", program.path("planned.yaml"))
        #expect(checked.code == 0, "\(checked.error)")
    }

    @Test(
        "saves ranks that share experts as a good topology, alone and beside prefill workers",
        arguments: [("moe-ep8", "5"), ("ep144-deepseek-v3", "32")])
    func ranks(topology: String, devices: String) throws {
        let program = try Program()
        let outcome = try program.run("plan", bundled(topology), "--devices", devices, "--write", program.path("planned.yaml"))
        #expect(outcome.code == 0, "\(outcome.error)")
        #expect(outcome.output.contains("*") && outcome.output.contains("redundant"), "\(outcome.output)")
        let checked = try program.run("validate", program.path("planned.yaml"))
        #expect(checked.code == 0, "\(checked.error)")
    }

    @Test("says at the topology what it lacks, with exit code 2, and what cannot be reached, with exit code 1")
    func mistakes() throws {
        let program = try Program()
        let loose = try program.write(split.replacingOccurrences(of: "slo: {ttft: 250ms, tbt: 15ms}", with: ""), to: "loose.yaml")
        let lacking = try program.run("plan", loose)
        #expect(lacking.code == 2)
        #expect(lacking.error.hasPrefix(loose + ":1:1: found no slo"), "\(lacking.error)")
        let path = try program.write(split, to: "split.yaml")
        #expect(try program.run("plan", path, "--set", "slo.tbt=1us").code == 1)
        #expect(try program.run("plan", path, "--rate", "1e9").code == 1)
        #expect(try program.run("plan", path, "--devices", "0").code == 2)
        #expect(try program.run("plan", path, "--procedure", "janus").code == 2)
        #expect(try program.run("plan", path, "--devices", "1").code == 1)
        #expect(try program.run("plan", path, "--write", program.path("x.yaml"), "--devices", "1").code == 1)
        #expect(!program.exists("x.yaml"))
    }
}
