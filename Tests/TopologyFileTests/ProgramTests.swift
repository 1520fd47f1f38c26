import Cluster
import Policies
import Testing

@testable import TopologyFile

@Suite("Programs that decide, in a topology")
struct ProgramTests {
    private func plan(_ routing: String) -> String { small + "\ncontroller: {routing: \(routing)}\n" }

    @Test("are read with what they need, and written so that they read back equal")
    func reading() throws {
        let text = plan(
            "{policy: process, command: [sh, -c, 'echo \"a: b\"', pd-4x8.yaml], timeout: 250ms, fallback: {policy: power-of-two, choices: 3}}")
        let read = try read(text).get()
        let program = try #require(read.controller.routing.program)
        // A file beside the topology by its full path; the rest as it is.
        #expect(program.command == ["sh", "-c", "echo \"a: b\"", packageRoot + "/Topologies/pd-4x8.yaml"])
        #expect(program.timeout == 250_000_000 && program.endpoint == nil)
        #expect(program.fallback == PolicyChoice("power-of-two", parameters: ["choices": 3]))
        #expect(try TopologyFileTests.read(TopologyWriter.text(read)).get() == read)
        let other = try TopologyFileTests.read(plan("{policy: process, endpoint: 'tcp://127.0.0.1:5555'}")).get()
        #expect(
            other.controller.routing.program == ExternalProgram(endpoint: "tcp://127.0.0.1:5555", fallback: PolicyChoice("join-shortest-queue")))
        #expect(try TopologyFileTests.read(TopologyWriter.text(other)).get() == other)
        let scheduling = "engine: {scheduling: {policy: process, endpoint: 'ipc:///x', fallback: sjf}}"
        let third = try TopologyFileTests.read(small.replacing("h100-sxm", with: "h100-sxm, \(scheduling)") + "\npredictor: oracle").get()
        #expect(third.pools[0].engine.scheduling.program?.fallback == PolicyChoice("sjf"))
        #expect(third.asksPrograms && read.asksPrograms)
    }

    @Test("are refused with a place when something is missing, too much or not there")
    func mistakes() {
        func expect(_ routing: String, _ message: String) {
            let found = TopologyFileTests.mistakes(plan(routing))
            #expect(found.contains { $0.hasPrefix("5:") && $0.contains(message) }, "\(found)")
        }
        expect("process", "found 'process' alone, expected a mapping with 'command' or 'endpoint'")
        expect("{policy: process}", "found neither 'command' nor 'endpoint'")
        expect("{policy: process, command: [sh], endpoint: 'ipc:///x'}", "found both 'command' and 'endpoint'")
        expect("{policy: process, command: sh}", "found 'sh', expected a list of 1 to 64 words of a command")
        expect("{policy: process, command: []}", "expected a list of 1 to 64 words of a command")
        expect("{policy: process, command: [no-such-program]}", "found no program 'no-such-program', expected a program on the PATH")
        expect("{policy: process, command: [./pd-4x8.yaml]}", "found no program './pd-4x8.yaml', expected a file that may be run")
        expect("{policy: process, command: [sh], fallback: bf-io}", "unknown policy 'bf-io', expected one of round-robin")
        expect("{policy: process, command: [sh], fallback: process}", "unknown policy 'process'")
        expect("{policy: process, command: [sh], timeout: 0}", "expected a time such as")
        expect("{policy: process, command: [sh], choices: 3}", "unknown key 'choices' in a program")
        for endpoint in ["tcp://10.0.0.1:80", "tcp://127.0.0.1:0", "tcp://127.0.0.1:65536", "tcp://*:80", "ipc://relative", "udp://127.0.0.1:80"] {
            expect("{policy: process, endpoint: '\(endpoint)'}", "expected an endpoint on this machine")
        }
    }

    @Test("need what their fallbacks need")
    func fallbacks() {
        let text = small.replacing(
            "device: h100-sxm", with: "device: h100-sxm, engine: {scheduling: {policy: process, endpoint: 'ipc:///x', fallback: sjf}}")
        #expect(TopologyFileTests.mistakes(text).contains { $0.contains("the policy 'sjf' decides on predicted output lengths") })
    }
}
