import Foundation
import Testing

@Suite("Audit")
struct AuditTests {
    private func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test("saves the worst instance, and replays it to the same ratio")
    func replay() throws {
        let program = try Program()
        let saved = program.path("worst.csv")
        let audit = try program.run("audit", "sjf", "--instances", "6", "--states", "0", "--seed", "4", "--save", saved, "--json")
        #expect(audit.code == 0, "\(audit.error)")
        let worst = try #require(try object(audit.output)["worst"] as? [String: Any])
        let replay = try object(try program.run("audit", "sjf", "--states", "0", "--replay", saved, "--json").output)
        #expect(replay["ratio"] as? Double == worst["ratio"] as? Double)
        #expect(try #require(replay["ratio"] as? Double) > 1)
        #expect(replay["total"] as? Int == worst["total"] as? Int)
        // The same file is an instance of 'bound'.
        let memory = try #require(replay["memory"] as? Int)
        let bound = try object(try program.run("bound", "--instance", saved, "--memory", "\(memory)", "--states", "0", "--json").output)
        #expect(try #require(bound["total"] as? Int) <= (try #require(replay["best_known"] as? Int)))
    }

    @Test("prints the same bytes for the same seed")
    func deterministic() throws {
        let program = try Program()
        let runs = try (0..<2).map { _ in try program.run("audit", "a-min", "--instances", "6", "--states", "0", "--nodes", "10", "--seed", "3") }
        #expect(runs[0].output == runs[1].output && !runs[0].output.isEmpty)
        let searches = try (0..<2).map { _ in try program.run("audit", "fcfs", "--cluster", "--instances", "1", "--seed", "3") }
        #expect(searches[0].output == searches[1].output && searches[0].code == 0, "\(searches[0].error)")
    }

    @Test("saves a workload that replays to the same ratio")
    func cluster() throws {
        let program = try Program()
        let saved = program.path("bad.yaml")
        let search = try program.run("audit", "fcfs", "--cluster", "--instances", "1", "--save", saved, "--json")
        #expect(search.code == 0, "\(search.error)")
        #expect(program.exists("bad.csv"))
        let (found, again) = (try object(search.output), try object(try program.run("audit", "fcfs", "--replay", saved, "--json").output))
        #expect(found["ratio"] as? Double == again["ratio"] as? Double)
        #expect(found["bound_s"] as? Double == again["bound_s"] as? Double)
    }

    /// Rows of a table in a README: heuristic, best other, ratio.
    private static let kept: [(String, String, Double)] = {
        let path = bundled("adversarial/README").replacingOccurrences(of: ".yaml", with: ".md")
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 8, let ratio = Double(cells[4]) else { return nil }
            return (cells[0], cells[2], ratio)
        }
    }()

    @Test("keeps a workload for each heuristic on which it fails as the README says")
    func adversarial() throws {
        #expect(Set(Self.kept.map(\.0)) == ["round-robin", "join-shortest-queue", "least-kv", "power-of-two", "fcfs"])
        let program = try Program()
        for (heuristic, best, ratio) in Self.kept {
            let outcome = try program.run("audit", heuristic, "--replay", bundled("adversarial/\(heuristic)"), "--json")
            #expect(outcome.code == 0, "\(outcome.error)")
            let found = try object(outcome.output)
            #expect(abs(try #require(found["ratio"] as? Double) - ratio) < 0.005 + 1e-9, "\(heuristic)")
            #expect(found["best"] as? String == best)
            let bound = try #require(found["bound_s"] as? Double)
            let policies = try #require(found["policies"] as? [[String: Any]])
            for latency in policies.compactMap({ $0["e2e_mean_s"] as? Double }) { #expect(latency >= bound) }
        }
    }

    @Test(
        "names what is wrong with its input",
        arguments: [
            (["mc-fs"], "found no scheduling or routing policy 'mc-fs'"), (["mc-fs"], "did you mean 'mc-sf'?"),
            (["mc-sf,protektion=1"], "found the parameter 'protektion' of 'mc-sf', expected one of protection"),
            (["mc-sf,protection=2"], "found '2' for 'protection' of 'mc-sf', expected a number from 0 to 0.99"),
            (["mc-sf,protection"], "found no value for 'protection'"), (["fcfs,x=1"], "'fcfs' has no parameters"),
            (["mc-sf,protection=0,protection=0"], "found 'protection' twice"),
            (["mc-sf", "--predictor", "none"], "found 'none' for 'mc-sf'"), (["mc-sf", "--predictor", "refined"], "change as tokens appear"),
            (["mc-sf", "--predictor", "crystal"], "found no predictor 'crystal'"),
            (["round-robin", "--save", "x.csv"], "found 'x.csv', expected a topology's file"),
            (["round-robin", "--nodes", "3"], "expected them with instances only"),
            (["mc-sf", "--save", "missing/x.csv", "--instances", "1"], "--save: "),
            (["round-robin", "--replay", "nowhere.yaml"], "nowhere.yaml:1:1: found no such file"),
        ])
    func mistakes(arguments: [String], message: String) throws {
        let program = try Program()
        let outcome = try program.finish(program.start(["audit"] + arguments))
        #expect(outcome.code == 2)
        #expect(outcome.error.contains(message), "\(outcome.error)")
        #expect(outcome.output.isEmpty)
    }

    @Test(
        "names the place of what is wrong with a saved instance",
        arguments: [
            ("", ":1:1: found the header"), ("arrival,prompt,output,expected,lower,upper,memory\n", ":2:1: found no request"),
            ("arrival,prompt,output,expected,lower,upper,memory\n0,1,2,2,2,2\n", ":2:1: found 6 fields"),
            ("arrival,prompt,output,expected,lower,upper,memory\n0,1,0,2,2,2,9\n", ":2:5: found '0' as 'output'"),
            (
                "arrival,prompt,output,expected,lower,upper,memory\n0,1,9,9,9,9,9\n",
                ":2:5: found '9' as 'output', expected no more than memory leaves"
            ),
            ("arrival,prompt,output,expected,lower,upper,memory\n0,1,2,2,3,2,9\n", ":2:11: found '2' as 'upper'"),
            ("arrival,prompt,output,expected,lower,upper,memory\n0,1,2,7,2,3,9\n", ":2:7: found '7' as 'expected'"),
            ("arrival,prompt,output,expected,lower,upper,memory\n0,1,2,2,2,2,9\n0,1,2,2,2,2,8\n", ":3:13: found '8' as 'memory'"),
            ("arrival,prompt,output,expected,lower,upper,memory\n0,1,2,,2,2,9\n", ":2:7: found '' as 'expected'"),
        ])
    func brokenInstance(text: String, message: String) throws {
        let program = try Program()
        let path = try program.write(text, to: "broken.csv")
        let outcome = try program.run("audit", "mc-sf", "--replay", path)
        #expect(outcome.code == 2)
        #expect(outcome.error.contains("broken.csv" + message), "\(outcome.error)")
    }
}
