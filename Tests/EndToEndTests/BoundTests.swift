import Foundation
import Testing

@Suite("Bound")
struct BoundTests {
    private let small = """
        model: llama-3.1-8b
        defaults: {device: h100-sxm}
        pools:
          mixed: {role: colocated, count: 2}
        workload:
          arrivals: {poisson: 40/s}
          prompt-tokens: 600
          output-tokens: 40
          requests: 200

        """

    private func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test("stands beside what a run measured, and is the same for the topology and the run")
    func run() throws {
        let program = try Program()
        let path = try program.write(small, to: "small.yaml")
        #expect(try program.run("up", path, "--clock", "inproc", "--out", program.path("run"), "--quiet").code == 0)
        let before = try program.run("bound", path, "--json")
        let after = try program.run("bound", program.path("run"), "--json")
        #expect(before.code == 0 && after.code == 0, "\(before.error)\(after.error)")
        let (planned, measured) = (try object(before.output), try object(after.output))
        let lines = try #require(measured["bounds"] as? [[String: Any]])
        #expect(lines.compactMap { $0["figure"] as? String } == ["ttft_s.mean", "e2e_s.mean", "duration_s", "throughput.requests_per_s"])
        let ratios = lines.compactMap { $0["ratio"] as? Double }
        #expect(ratios.count == 4 && ratios.allSatisfy { $0 >= 1 })
        #expect(ratios[1] < 2)
        let planLines = try #require(planned["bounds"] as? [[String: Any]])
        for (mine, theirs) in zip(lines, planLines) {
            #expect(abs(try #require(mine["bound"] as? Double) / #require(theirs["bound"] as? Double) - 1) < 1e-6)
        }
    }

    @Test("says that a record beats its bound")
    func beaten() throws {
        let program = try Program()
        let path = try program.write(small, to: "small.yaml")
        #expect(try program.run("up", path, "--clock", "inproc", "--out", program.path("run"), "--quiet").code == 0)
        let rows = """
            id,arrival_s,prompt_tokens,output_tokens,first_token_s,finish_s,status
            0,0.000000000,600,40,0.000001000,0.000002000,done

            """
        try program.write(rows, to: "run/requests.csv")
        let outcome = try program.run("bound", program.path("run"))
        #expect(outcome.code == 1)
        #expect(outcome.error.contains("better than its bound"))
    }

    @Test("finds the optimum of an instance: the short request first")
    func instance() throws {
        let program = try Program()
        let path = try program.write("arrival,prompt,output\n0,3,5\n0,3,2\n", to: "two.csv")
        let outcome = try program.run("bound", "--instance", path, "--memory", "8", "--json")
        #expect(outcome.code == 0, "\(outcome.error)")
        let found = try object(outcome.output)
        #expect(found["total"] as? Int == 9)
        #expect(found["bound"] as? Int == 9)
        #expect(found["optimal"] as? Bool == true)
        #expect(found["starts"] as? [Int] == [2, 0])
    }

    @Test(
        "names what is wrong with an instance",
        arguments: [
            ("arrival,prompt,output\n0,3,5\n0,6,5\n", ":3:1: found a request that needs 11 tokens"),
            ("arrival,prompt,output\n0,3\n", ":2:1: found 2 fields"),
            ("arrival,prompt,output\n0,x,2\n", ":2:3: found 'x' as 'prompt'"),
            ("arrival,prompt,output\n0,1,0\n", ":2:5: found '0' as 'output'"),
            ("arrival,prompt\n0,3\n", ":1:1: found the header"), ("arrival,prompt,output\n", ":2:1: found no request"),
            ("", ":1:1: found the header"),
        ])
    func badInstance(text: String, message: String) throws {
        let program = try Program()
        let outcome = try program.run("bound", "--instance", try program.write(text, to: "bad.csv"), "--memory", "10")
        #expect(outcome.code == 2)
        #expect(outcome.output.isEmpty)
        #expect(outcome.error.contains(message), "\(outcome.error)")
    }

    @Test("refuses what fits nothing")
    func usage() throws {
        let program = try Program()
        let path = try program.write("arrival,prompt,output\n0,3,5\n", to: "one.csv")
        let topology = try program.write(small, to: "small.yaml")
        let wrong = [
            ["bound"], ["bound", "--instance", path], ["bound", topology, "--memory", "5"], ["bound", program.path(".")],
            ["bound", program.path("none.yaml")], ["bound", topology, "--instance", path, "--memory", "9"],
            ["bound", "--instance", program.path("none.csv"), "--memory", "9"], ["bound", path],
        ]
        for arguments in wrong {
            let outcome = try program.finish(program.start(arguments), limit: 90)
            #expect(outcome.code == 2, "\(arguments)")
            #expect(outcome.output.isEmpty && !outcome.error.isEmpty, "\(arguments)")
        }
    }
}
