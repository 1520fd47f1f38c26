import Foundation
import Testing

@Suite("What up is told")
struct InputTests {
    private let tenMistakes = """
        model: llama-3.1-8b
        defaults: {device: h100-sxn}
        pools:
          prefill: {role: prefil, count: 2}
          decode: {role: decode, count: -1}
          decode: {role: decode, count: 3}
        controller:
          routing: jqs
          colour: red
        links:
          inter-node: {latency: 5 parsecs}
        workload:
          arrivals: {poisson: fast}
          requests: 0
        slo: {ttft: 1s, tbt: [1]}

        """

    @Test("ten mistakes are ten places, exit code 2, and nothing launched")
    func mistakes() throws {
        let program = try Program()
        let path = try program.write(tenMistakes, to: "plan.yaml")
        let outcome = try program.run("up", path)
        #expect(outcome.code == 2)
        #expect(outcome.output.isEmpty)
        let places = outcome.error.split(separator: "\n").filter { $0.hasPrefix(path + ":") }
        let lines = places.compactMap { $0.dropFirst(path.count + 1).split(separator: ":").first.flatMap { Int($0) } }
        #expect(lines.sorted() == [2, 4, 5, 6, 8, 9, 11, 13, 14, 15], "\(outcome.error)")
        #expect(program.list() == ["plan.yaml"])
        #expect(program.processes.isEmpty)
    }

    @Test("a broken line of a trace is a place, exit code 2, and nothing launched")
    func brokenTrace() throws {
        let program = try Program()
        let rows = (0..<50).map { "2023-11-16 18:15:46.\(100 + $0)0000,\($0 == 30 ? "many" : "374"),44" }
        let lines = ["TIMESTAMP,ContextTokens,GeneratedTokens"] + rows
        let trace = try program.write(lines.joined(separator: "\n") + "\n", to: "trace.csv")
        let topology = "model: llama-3.1-8b\npools: {w: {role: colocated, device: h100-sxm}}\nworkload: {trace: trace.csv}\n"
        let path = try program.write(topology, to: "plan.yaml")
        let outcome = try program.run("up", path, "--out", program.path("run"))
        #expect(outcome.code == 2)
        #expect(outcome.error.hasPrefix("testbed: \(trace):32:") || outcome.error.hasPrefix("\(trace):32:"), "\(outcome.error)")
        #expect(program.list() == ["plan.yaml", "trace.csv"])
        let skipped = try program.run("up", path, "--set", "workload.trace={file: trace.csv, skip-bad-lines: true}", "--out", program.path("run"))
        #expect(skipped.code == 0, "\(skipped.error)")
        #expect(skipped.error.contains("1 broken line"))
        #expect((try program.json("run/summary.json")["requests"] as? [String: Int])?["done"] == 49)
    }

    @Test("faults of a file are the run's, their mistakes have its places, and the end of a role is warned of")
    func faults() throws {
        let program = try Program()
        let topology = try program.write(smallTopology(requests: 10), to: "plan.yaml")
        let wrong = try program.write("events:\n  - {at: 1s, kill: decode-2}\n", to: "wrong.yaml")
        for verb in ["up", "validate"] {
            let refused = try program.run(verb, topology, "--faults", wrong)
            #expect(refused.code == 2 && refused.output.isEmpty)
            #expect(refused.error.hasPrefix("\(wrong):2:20: found no node 'decode-2', expected one of client,"), "\(refused.error)")
        }
        let last = try program.write("events:\n  - {at: 1s, kill: [decode-0, decode-1]}\n", to: "last.yaml")
        let planned = try program.run("up", topology, "--faults", last, "--dry-run")
        #expect(planned.code == 0)
        #expect(planned.error.hasPrefix("\(last):2:20: warning: the last decode worker is gone for good from 1s on"), "\(planned.error)")
        let validated = try program.run("validate", topology, "--faults", last, "--resolved")
        #expect(validated.code == 0 && validated.output == planned.output && validated.error == planned.error)
        // What is printed stands for the whole run.
        let resolved = try program.write(planned.output, to: "resolved.yaml")
        #expect(try program.run("up", resolved, "--dry-run").output == planned.output)
        let asJSON = try program.run("validate", topology, "--faults", last, "--json")
        #expect(asJSON.error.isEmpty && asJSON.output.contains("the last decode worker"))
    }

    @Test("a folder for the records may be new, empty, an earlier run or the present one, and nothing of the user's is lost")
    func out() throws {
        let program = try Program()
        try program.write(smallTopology(requests: 10), to: "plan.yaml")
        func up(_ out: String, shell: String? = nil) throws -> Program.Outcome {
            try program.run("up", program.path("plan.yaml"), "--clock", "inproc", "--out", out, shell: shell)
        }
        #expect(try up("new/deep").code == 0)
        #expect(try up("new/deep/").code == 0)
        try FileManager.default.createDirectory(atPath: program.path("here"), withIntermediateDirectories: false)
        #expect(try up(".", shell: "cd here && exec \"$0\" \"$@\"").code == 0)
        #expect(try program.digest("here") == program.digest("new/deep"))
        #expect(program.list("here") == program.list("new/deep"))
        // The folder of the topology itself, and a file.
        for out in [".", "plan.yaml"] {
            let refused = try up(out)
            #expect(refused.code == 2)
            #expect(refused.error.contains("--out \(out)"), "\(refused.error)")
        }
        #expect(try program.read("plan.yaml") == smallTopology(requests: 10))
        #expect(program.list() == ["here", "new", "plan.yaml"])
    }

    @Test("a folder that cannot be written is an error before anything runs")
    func readOnly() throws {
        let program = try Program()
        try program.write(smallTopology(requests: 10), to: "plan.yaml")
        let outcome = try program.run("up", program.path("plan.yaml"), "--out", "/proc/self/nowhere/run")
        #expect(outcome.code == 1)
        #expect(outcome.error.contains("/proc/self/nowhere"), "\(outcome.error)")
        #expect(program.processes.isEmpty)
    }

    @Test("a requirement that holds is exit code 0, one that does not is 1, an unknown figure is 2 before anything is launched")
    func requirements() throws {
        let program = try Program()
        try program.write(smallTopology(requests: 10), to: "plan.yaml")
        func up(_ requirement: String) throws -> Program.Outcome {
            try program.run("up", program.path("plan.yaml"), "--clock", "inproc", "--out", program.path("run"), "--require", requirement)
        }
        let unknown = try up("ttft.p99<1")
        #expect(unknown.code == 2)
        #expect(unknown.error.contains("ttft_s.p99"), "\(unknown.error)")
        #expect(!program.exists("run"))
        #expect(try up("requests.done==10").code == 0)
        #expect(try up("workers.prefill-1.preemptions==0").code == 0)
        let failed = try up("ttft_s.p99<0.000001")
        #expect(failed.code == 1)
        #expect(failed.error.contains("ttft_s.p99"))
        let missing = try up("goodput.attainment>0")
        #expect(missing.code == 1)
        #expect(missing.error.contains("no value"))
    }

    @Test("--json prints the summary as it stands in the run's folder, and nothing else")
    func json() throws {
        let program = try Program()
        try program.write(smallTopology(requests: 10), to: "plan.yaml")
        let outcome = try program.run("up", program.path("plan.yaml"), "--clock", "inproc", "--out", program.path("run"), "--json")
        #expect(outcome.code == 0)
        let printed = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? NSDictionary
        #expect(try printed == program.json("run/summary.json") as NSDictionary)
    }

    @Test("--dry-run prints what would run and starts nothing")
    func dryRun() throws {
        let program = try Program()
        try program.write(smallTopology(requests: 10), to: "plan.yaml")
        let outcome = try program.run("up", program.path("plan.yaml"), "--dry-run", "--seed", "5")
        #expect(outcome.code == 0)
        #expect(outcome.output.contains("seed: 5"))
        #expect(program.list() == ["plan.yaml"])
        let again = try program.write(outcome.output, to: "resolved.yaml")
        #expect(try program.run("up", again, "--dry-run").output == outcome.output)
    }

    @Test("runs of one request, of none, and of prompts that fit no worker end well", arguments: ["virtual", "inproc", "wall"])
    func extremes(clock: String) throws {
        let program = try Program()
        try program.write(smallTopology(requests: 1), to: "plan.yaml")
        func up(_ settings: String...) throws -> [String: Int] {
            var arguments = ["up", program.path("plan.yaml"), "--clock", clock, "--out", program.path("run")]
            for setting in settings { arguments += ["--set", setting] }
            let outcome = try program.finish(program.start(arguments))
            #expect(outcome.code == 0, "\(outcome.error)")
            return try program.json("run/summary.json")["requests"] as? [String: Int] ?? [:]
        }
        #expect(try up()["done"] == 1)
        let none = try up("workload.arrivals={constant: 1/s}", "workload.duration=1ms")
        #expect(none["offered"] == 0)
        let long = try up("workload.prompt-tokens={empirical: [{tokens: 10000000, weight: 3}, {tokens: 100}]}", "workload.requests=20")
        #expect(long["rejected", default: 0] > 0 && long["done", default: 0] > 0)
        #expect(long["rejected", default: 0] + long["done", default: 0] == 20)
    }
}
