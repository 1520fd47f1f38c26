import Foundation
import Testing

/// A Python that has what `examples/policies` needs; `nil` where none has.
private let python: String? = ["/usr/bin/python3", "/usr/local/bin/python3"].first { path in
    guard FileManager.default.isExecutableFile(atPath: path) else { return false }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = ["-c", "import zmq, google.protobuf"]
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
}

private func hasPython() -> Bool {
    if python == nil { print("skipped: no python3 with zmq and protobuf is there; scripts/dependencies --test installs it") }
    return python != nil
}

private let examples = URL(fileURLWithPath: bundled("x")).deletingLastPathComponent().deletingLastPathComponent().path + "/examples/policies"

@Suite("Policies outside", .serialized)
struct ExternalPolicyTests {
    /// `{policy: process, command: …}` for a file of Python.
    private func process(_ file: String, extra: String = "") -> String {
        "{policy: process, command: [\(python ?? "python3"), '\(file)']\(extra)}"
    }

    /// A program that does what the example does up to its 21st answer, and then something else.
    private func failing(_ failure: String, in program: Program) throws -> String {
        try program.write(
            """
            import os, sys, time
            sys.path.insert(0, '\(examples)')
            import zmq
            import least_loaded
            import policy_pb2 as wire
            from testbed_policy import serve

            asked = 0
            send = zmq.Socket.send

            def route(request, workers):
                global asked
                asked += 1
                choice = least_loaded.route(request, workers)
                if asked < 21:
                    return choice
                \(failure)
                return choice

            def reply(answer):
                zmq.Socket.send = lambda self, data, *rest, **more: send(self, answer(data))

            serve(route=route)

            """, to: "failing.py")
    }

    private func up(_ program: Program, _ clock: String, _ folder: String, _ settings: [String], faults: String? = nil) throws -> Program.Outcome {
        let arguments =
            ["up", program.path("plan.yaml"), "--clock", clock, "--out", program.path(folder), "--quiet", "--record", "iterations,messages"]
            + settings.flatMap { ["--set", $0] } + (faults.map { ["--faults", $0] } ?? [])
        let outcome = try program.finish(program.start(arguments))
        try #require(outcome.code == 0, "\(outcome.error)")
        return outcome
    }

    private func external(_ program: Program, _ folder: String, _ kind: String = "routing") throws -> [String: Any] {
        let all = try #require(try program.json(folder + "/summary.json")["external"] as? [String: Any])
        return try #require(all[kind] as? [String: Any])
    }

    @Test("a copy in Python of the built-in policies leaves their records, to the byte", .enabled(if: hasPython()))
    func copies() throws {
        let program = try Program()
        try program.write(smallTopology(requests: 60), to: "plan.yaml")
        let copy = process(examples + "/least_loaded.py")
        _ = try up(program, "inproc", "own", ["controller.decode-routing=jsq"])
        let settings = ["controller.routing=\(copy)", "controller.decode-routing=\(copy)", "defaults.engine.scheduling=\(copy)"]
        for clock in ["inproc", "virtual"] {
            let outcome = try up(program, clock, clock, settings)
            #expect(try program.digest(clock) == program.digest("own"))
            #expect(!outcome.output.contains("FELL BACK"))
            for kind in ["routing", "decode_routing", "scheduling"] {
                let counts = try external(program, clock, kind)
                let asked = try #require(counts["asked"] as? Int)
                #expect(asked > 0 && counts["answered"] as? Int == asked && counts["fell_back"] as? Bool == false, "\(kind) \(counts)")
                #expect(counts["programs"] as? Int == (kind == "scheduling" ? 4 : 1))
            }
            #expect(try program.json(clock + "/manifest.json")["fell_back"] as? Bool == false)
        }
        #expect(program.within(5) { program.processes.isEmpty })
    }

    @Test("one that has requests overtake each other does what the built-in policy does", .enabled(if: hasPython()))
    func order() throws {
        let program = try Program()
        let engine = "defaults: {device: h100-sxm, engine: {max-batch: 3}}"
        let text = smallTopology(requests: 60, rate: 400, extra: "predictor: {name: noisy, error: 0.5}")
        try program.write(text.replacingOccurrences(of: "defaults: {device: h100-sxm}", with: engine), to: "plan.yaml")
        try program.write(
            """
            import sys
            sys.path.insert(0, '\(examples)')
            from testbed_policy import serve
            def admit(waiting, engine):
                order = sorted(range(len(waiting)), key=lambda place: (waiting[place].prediction.expected, waiting[place].arrival, waiting[place].id))
                return order[:max(0, engine.max_batch - len(engine.running))]
            serve(admit=admit)
            """, to: "shortest.py")
        _ = try up(program, "inproc", "fcfs", [])
        _ = try up(program, "inproc", "own", ["defaults.engine.scheduling=sjf"])
        #expect(try program.digest("fcfs") != program.digest("own"))
        for clock in ["inproc", "virtual"] {
            _ = try up(program, clock, clock, ["defaults.engine.scheduling=\(process(program.path("shortest.py")))"])
            #expect(try program.digest(clock) == program.digest("own"))
            #expect(try external(program, clock, "scheduling")["fell_back"] as? Bool == false)
        }
    }

    @Test("what a program remembers is void when its node begins anew, under both clocks alike", .enabled(if: hasPython()))
    func faults() throws {
        let program = try Program()
        try program.write(smallTopology(requests: 60), to: "plan.yaml")
        try program.write(
            """
            import sys
            sys.path.insert(0, '\(examples)')
            from testbed_policy import serve
            turn = 0
            def begin(begin):
                global turn
                turn = 0
            def route(request, workers):
                global turn
                choice = turn % len(workers)
                turn = (turn + 1) % len(workers)
                return choice
            serve(route=route, begin=begin)
            """, to: "turns.py")
        let faults = try program.write(
            "events: [{at: 100ms, kill: controller, restart: 50ms}, {at: 150ms, kill: prefill-1, restart: 10ms}]", to: "faults.yaml")
        _ = try up(program, "inproc", "own", ["controller.routing=round-robin"], faults: faults)
        for clock in ["inproc", "virtual"] {
            _ = try up(program, clock, clock, ["controller.routing=\(process(program.path("turns.py")))"], faults: faults)
            #expect(try program.digest(clock) == program.digest("own"))
        }
    }

    @Test(
        "one that fails is given up: counted, said, and its fallback decides the rest", .enabled(if: hasPython()),
        arguments: [
            ("os._exit(7)", "gone", "has ended, with code 7"), ("time.sleep(30)", "late", "gave no answer in time"),
            ("return 17", "wrong", "answered worker 17 of 2"), ("reply(lambda data: b'\\xff\\xff nonsense')", "wrong", "bytes that are no Answer"),
            ("reply(lambda data: wire.Answer(sequence=5).SerializeToString())", "wrong", "answered the question 5, expected 22"),
            ("reply(lambda data: wire.Answer(sequence=22).SerializeToString())", "wrong", "answered another question"),
            ("reply(lambda data: bytes(1 << 25))", "late", "gave no answer in time"),
        ])
    func failures(failure: String, kind: String, reason: String) throws {
        let program = try Program()
        try program.write(smallTopology(requests: 60), to: "plan.yaml")
        let path = try failing(failure, in: program)
        _ = try up(program, "inproc", "own", [])
        for clock in kind == "gone" ? ["inproc", "virtual"] : ["inproc"] {
            let outcome = try up(program, clock, clock, ["controller.routing=\(process(path, extra: ", timeout: 2s"))"])
            // The example and its fallback decide alike, so that a wrong hand-over would show.
            #expect(try program.digest(clock) == program.digest("own"))
            #expect(outcome.output.hasPrefix("FELL BACK: routing by a program: 1 of 1 \(kind); join-shortest-queue made 40 of 60 decisions"))
            let counts = try external(program, clock)
            #expect(counts["asked"] as? Int == 21 && counts["answered"] as? Int == 20 && counts["fallback"] as? Int == 40)
            for each in ["late", "wrong", "gone"] { #expect(counts[each] as? Int == (each == kind ? 1 : 0)) }
            #expect(try program.json(clock + "/manifest.json")["fell_back"] as? Bool == true)
            #expect(try program.read(clock + "/logs/controller.routing.log").contains(reason))
        }
        #expect(program.within(5) { program.processes.isEmpty })
    }

    @Test("one that cannot begin leaves all to the fallback", arguments: ["[sh, -c, 'exit 3']", "[sh, -c, 'kill -9 $$']"])
    func stillborn(command: String) throws {
        let program = try Program()
        try program.write(smallTopology(requests: 40), to: "plan.yaml")
        _ = try up(program, "inproc", "own", ["controller.routing=least-kv"])
        for clock in ["inproc", "virtual"] {
            let outcome = try up(program, clock, clock, ["controller.routing={policy: process, command: \(command), fallback: least-kv}"])
            #expect(outcome.output.contains("FELL BACK: routing by a program: 1 of 1 gone; least-kv made 40 of 40 decisions"))
            #expect(try program.digest(clock) == program.digest("own"))
        }
    }

    @Test("none outlives its run, however that ends, nor what it has started itself", .enabled(if: hasPython()), arguments: ["inproc", "virtual"])
    func noneLeft(clock: String) throws {
        let program = try Program()
        try program.write(smallTopology(requests: 100_000), to: "plan.yaml")
        // In the program's folder, so that it is seen; the shell waits for a Python that it has started.
        try program.write(
            "import sys\nsys.path.insert(0, '\(examples)')\nimport least_loaded\nleast_loaded.serve(route=least_loaded.route)\n", to: "mine.py")
        let command = "{policy: process, command: [sh, -c, '\(python ?? "") \(program.path("mine.py")) \"$0\"; true']}"
        for signal in [SIGKILL, SIGINT] {
            let arguments = ["up", program.path("plan.yaml"), "--clock", clock, "--out", program.path("run\(signal)"), "--quiet"]
            let run = try program.start(arguments + ["--set", "controller.routing=\(command)"])
            func isThere() -> Bool { program.commandLines.contains { $0.contains("mine.py") && $0.contains("ipc://") } }
            #expect(program.within(30, isThere))
            kill(run.process, signal)
            _ = try program.finish(run)
            #expect(program.within(10) { program.processes.isEmpty }, "\(program.commandLines)")
        }
    }

    @Test("none is started by a run over several hosts")
    func otherHosts() throws {
        let program = try Program()
        try program.write(smallTopology(requests: 40), to: "plan.yaml")
        let outcome = try program.run(
            "up", program.path("plan.yaml"), "--listen", "tcp://127.0.0.1:0", "--keys", program.path("keys"), "--set",
            "controller.routing={policy: process, command: [sh]}")
        #expect(outcome.code == 2 && outcome.error.contains("runs on the launcher's host alone"), "\(outcome.error)")
        #expect(!program.exists("keys"))
    }

    @Test("one that somebody else has started is asked at its endpoint", .enabled(if: hasPython()))
    func endpoint() throws {
        let program = try Program()
        try program.write(smallTopology(requests: 40), to: "plan.yaml")
        _ = try up(program, "inproc", "own", [])
        let endpoint = "ipc://" + program.path("socket")
        let outcome = try program.run(
            "up", program.path("plan.yaml"), "--clock", "virtual", "--out", program.path("run"), "--quiet", "--set",
            "controller.routing={policy: process, endpoint: '\(endpoint)'}", "--record", "iterations,messages",
            shell: "\(python ?? "") \(examples)/least_loaded.py \(endpoint) & \"$0\" \"$@\"; code=$?; kill $!; exit $code")
        #expect(outcome.code == 0, "\(outcome.error)")
        #expect(try program.digest("run") == program.digest("own"))
        #expect(try external(program, "run")["answered"] as? Int == 40)
    }

    @Test("are compared as others are; runs of one that was given up are marked and not taken for done", .enabled(if: hasPython()))
    func compare() throws {
        let program = try Program()
        let path = try program.write(smallTopology(requests: 60), to: "plan.yaml")
        let copy = process(examples + "/least_loaded.py")
        let dying = process(try failing("os._exit(7)", in: program))
        var times: [Int: [String: Date]] = [:]
        for pass in 0..<2 {
            let outcome = try program.run(
                "compare", path, "--vary", "controller.routing=jsq,\(copy),\(dying)", "--seeds", "2", "--metric", "ttft_s.mean", "--json")
            try #require(outcome.code == 0, "\(outcome.error)")
            let object = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
            let variants = try #require(object["variants"] as? [[String: Any]])
            #expect(Set(variants.compactMap { $0["mean"] as? Double }).count == 1)
            for variant in variants {
                let name = try #require((variant["values"] as? [String: String])?["controller.routing"])
                for run in try #require(variant["runs"] as? [[String: Any]]) {
                    #expect(run["fell_back"] as? Bool == name.contains("failing.py"))
                    let folder = try #require(run["folder"] as? String)
                    let file = program.path(folder) + "/manifest.json"
                    let written = try FileManager.default.attributesOfItem(atPath: file)[.modificationDate] as? Date
                    times[pass, default: [:]][folder] = written
                    if pass == 1 { #expect((times[0]?[folder] == written) == !name.contains("failing.py")) }
                }
            }
        }
    }
}
