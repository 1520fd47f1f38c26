import Foundation
import Testing

@Suite("Compare", .serialized)
struct CompareTests {
    private func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    private func rows(_ program: Program, _ run: [String: Any]) throws -> [[Substring]] {
        let folder = try #require(run["folder"] as? String)
        return try program.read(folder + "/requests.csv").split(separator: "\n").dropFirst().map {
            $0.split(separator: ",", omittingEmptySubsequences: false)
        }
    }

    @Test("gives every variant the same requests by seed, and other seeds other ones; its figures are those of the runs")
    func paired() throws {
        let program = try Program()
        let path = try program.write(smallTopology(requests: 120), to: "plan.yaml")
        let outcome = try program.run(
            "compare", path, "--vary", "controller.routing=round-robin,join-shortest-queue,{policy: power-of-two, choices: 3}", "--seeds", "2",
            "--metric", "ttft_s.mean", "--json", "--csv", program.path("table.csv"))
        #expect(outcome.code == 0, "\(outcome.error)")
        let variants = try #require(try object(outcome.output)["variants"] as? [[String: Any]])
        #expect(variants.count == 3)
        let runs = try variants.map { try #require($0["runs"] as? [[String: Any]]) }
        for seed in 0..<2 {
            // Number, arrival and both lengths of each request; rows stand in the order of the ends.
            let requests = try runs.map { try rows(program, $0[seed]).map { $0[0...3].joined(separator: ",") }.sorted() }
            #expect(requests[0].count == 120)
            #expect(requests[1] == requests[0] && requests[2] == requests[0])
        }
        #expect(try rows(program, runs[0][0]).map { $0[1] }.sorted() != rows(program, runs[0][1]).map { $0[1] }.sorted())
        var means: [Double] = []
        for (variant, runs) in zip(variants, runs) {
            let values = try runs.map { run in
                let summary = try program.json(try #require(run["folder"] as? String) + "/summary.json")
                return try #require((summary["ttft_s"] as? [String: Any])?["mean"] as? Double)
            }
            let mean = try #require(variant["mean"] as? Double)
            #expect(abs(mean / (values.reduce(0, +) / 2) - 1) < 1e-12)
            #expect(try #require(variant["ratio"] as? Double) >= 1)
            means.append(mean)
        }
        #expect(means == means.sorted())
        #expect(try program.read("table.csv").split(separator: "\n").count == 4)
        #expect(try program.read("table.csv").contains("\"{policy: power-of-two, choices: 3}\",2,"))
    }

    @Test("runs nothing again that is there, only what more seeds ask for, and all when a run was cut short")
    func resume() throws {
        let program = try Program()
        let path = try program.write(smallTopology(requests: 60), to: "plan.yaml")
        func compare(seeds: Int) throws -> String {
            let outcome = try program.run(
                "compare", path, "--vary", "controller.routing=rr,jsq", "--seeds", "\(seeds)", "--out", program.path("kept"), "--quiet")
            #expect(outcome.code == 0, "\(outcome.error)")
            return outcome.output
        }
        func times() throws -> [String: Date] {
            var found: [String: Date] = [:]
            for folder in program.list("kept") {
                let file = program.path("kept/\(folder)/requests.csv")
                found[folder] = try #require(FileManager.default.attributesOfItem(atPath: file)[.modificationDate] as? Date)
            }
            return found
        }
        let first = try compare(seeds: 2)
        let before = try times()
        #expect(before.count == 4)
        #expect(try compare(seeds: 2) == first)
        #expect(try times() == before)
        _ = try compare(seeds: 3)
        let after = try times()
        #expect(after.count == 6)
        #expect(after.filter { before[$0.key] != nil } == before)
        let cut = try #require(before.keys.min())
        let manifest = try program.read("kept/\(cut)/manifest.json")
        try program.write(manifest.replacingOccurrences(of: "\"complete\": true", with: "\"complete\": false"), to: "kept/\(cut)/manifest.json")
        #expect(try program.json("kept/\(cut)/manifest.json")["complete"] as? Bool == false)
        // What decisions took on the host is another figure now.
        _ = try compare(seeds: 2)
        #expect(try times().filter { $0.value != after[$0.key] }.map(\.key) == [cut])
    }

    @Test("ends on an interrupt without a process left behind, and goes on from there")
    func interrupt() throws {
        let program = try Program()
        // The second variant's runs would take for ever.
        let path = try program.write(smallTopology(requests: 50), to: "plan.yaml")
        let run = try program.start([
            "compare", path, "--vary", "workload.requests=50,100000000", "--seeds", "1", "--jobs", "2", "--out", program.path("kept"),
        ])
        #expect(program.within(30) { program.list("kept").contains { !$0.contains("partial") } }, "no run ended")
        kill(run.process, SIGINT)
        let outcome = try program.finish(run, limit: 30)
        #expect(outcome.code == 130)
        #expect(outcome.output.isEmpty)
        #expect(outcome.error.contains("interrupted: 1 of 2 runs are done"), "\(outcome.error)")
        #expect(program.processes.isEmpty)
        #expect(program.list("kept").allSatisfy { !$0.contains("partial") })
        let again = try program.run("compare", path, "--seeds", "1", "--out", program.path("kept"))
        #expect(again.code == 0, "\(again.error)")
        // The topology as written is the variant of 50 requests.
        #expect(program.list("kept").count == 2)
    }

    @Test("leaves no process when it is killed")
    func killed() throws {
        let program = try Program()
        let path = try program.write(smallTopology(requests: 100_000_000), to: "plan.yaml")
        let run = try program.start(["compare", path, "--seeds", "2", "--jobs", "2"])
        #expect(program.within(30) { program.processes.count >= 3 })
        kill(run.process, SIGKILL)
        _ = try program.finish(run, limit: 30)
        #expect(program.within(10) { program.processes.isEmpty })
    }

    @Test("reports runs that fail, and prints the table without them")
    func failing() throws {
        let program = try Program()
        let path = try program.write(smallTopology(requests: 50), to: "plan.yaml")
        // No room for the folder of one run: a file has its name.
        #expect(try program.run("compare", path, "--vary", "controller.routing=rr,jsq", "--seeds", "2").code == 0)
        let folder = try #require(program.list("runs").first { $0.hasPrefix("plan-2-") })
        try FileManager.default.removeItem(atPath: program.path("runs/" + folder))
        try program.write("", to: "runs/" + folder)
        let outcome = try program.run("compare", path, "--vary", "controller.routing=rr,jsq", "--seeds", "2")
        #expect(outcome.code == 1)
        #expect(outcome.error.contains("seed 2: ") && outcome.error.contains("found a file"), "\(outcome.error)")
        #expect(outcome.output.contains("1/2") && outcome.output.contains("2/2"), "\(outcome.output)")
    }

    @Test(
        "refuses what makes no sense, before it runs anything",
        arguments: [
            (["--vary", "controller.routin=rr,jsq"], "--vary controller.routin=rr:1:1: unknown key 'routin'"),
            (["--vary", "controller.routing=rr,jqs"], "--vary controller.routing=jqs:1:1: unknown policy 'jqs'"),
            (["--vary", "controller.routing=rr,{policy: p2c, choises: 3}"], ":1:15: unknown parameter 'choises'"),
            (["--vary", "controller.routing=rr,round-robin"], "the same cluster"), (["--vary", "controller.routing=rr,rr"], "twice"),
            (["--vary", "controller.routing={rr,jsq"], "no '}'"), (["--vary", "seed=1,2"], "expected --seeds"),
            (["--vary", "controller.routing=rr", "--vary", "controller.routing=jsq"], "twice"), (["--metric", "ttft.mean"], "'ttft_s.mean'"),
            (["--metric", "name"], "no figure 'name'"), (["--seeds", "0"], "--seeds"), (["--confidence", "1"], "--confidence"),
            (["--lower-is-better", "--higher-is-better"], "one of them"),
            (["--vary", "controller.routing=rr,jsq", "--baseline", "jqs"], "did you mean 'jsq'"), (["--csv", "none/table.csv"], "--csv"),
            (["--set", "workload.requests=0"], "--set workload.requests=0:1:1"),
        ])
    func mistakes(options: [String], message: String) throws {
        let program = try Program()
        let path = try program.write(smallTopology(requests: 50), to: "plan.yaml")
        let outcome = try program.finish(program.start(["compare", path] + options), limit: 90)
        #expect(outcome.code == 2)
        #expect(outcome.output.isEmpty)
        #expect(outcome.error.contains(message), "\(outcome.error)")
        #expect(program.list() == ["plan.yaml"])
    }
}
