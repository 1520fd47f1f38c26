import Foundation
import TestKit
import Testing

@testable import TopologyFile

@Suite("The JSON schema")
struct SchemaTests {
    @Test("is valid JSON, the same at every call, and closed")
    func text() throws {
        let text = JSONSchema.text()
        #expect(text == JSONSchema.text())
        let schema = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(schema["additionalProperties"] as? Bool == false)
        #expect(schema["$schema"] as? String == "http://json-schema.org/draft-07/schema#")
        print("JSON schema: \(text.utf8.count) bytes")
    }

    /// What an independent validator must refuse, as the reader does.
    private static let wrong = [
        small + "\nsede: 1", small + "\nseed: -1", small + "\nclock: vitual", small + "\nslo: {ttft: 0.5}", small + "\nslo: {ttft: 5 parsecs}",
        small + "\nlinks: {inter-node: {latency: 5}}", small + "\nlinks: {inter-node: {bandwidth: 400Gb}}", small + "\ncontroller: {routing: jqs}",
        small + "\ncontroller: {routing: {policy: power-of-two, choices: 65}}", small + "\ncontroller: {routing: {policy: round-robin, choices: 2}}",
        small + "\ndefaults: {engine: {max-batch: 1.5}}", small + "\ndefaults: {engine: {kv-memory: lots}}", small + "\ndilation: 0",
        small + "\nmodel: {base: llama-3.1-8b, attention: {latnt: 1}}".replacing("model:", with: "x-model:") + "\nrecords: 3",
        small.replacing("colocated", with: "colocatd"), small.replacing("worker:", with: "client:"), small.replacing("worker:", with: "W_1:"),
        small.replacing("h100-sxm", with: "h100-sx"), small.replacing("poisson: 5/s", with: "poison: 5/s"),
        small.replacing("poisson: 5/s", with: "poisson: -5"), small.replacing("poisson: 5/s", with: "poisson: 5/s, constant: 5/s"),
        small.replacing("requests: 10", with: "requests: 0"), small.replacing("requests: 10", with: "requests: 10, prompt-tokens: {uniform: []}"),
        small.replacing("role: colocated, ", with: ""), "model: llama-3.1-8b", small + "\nrecords: {layers: 2}",
        mixture("{balance: {policy: eplbb}}"),
        mixture("{gate: {popularity: zipf}}"), mixture("{gate: {popularity: {zipf: 11}}}"), mixture("{gate: {popularity: {recorded: []}}}"),
        mixture("{gate: {popularity: {recorded: [x]}}}"), mixture("{gate: {selection: {groups: {count: 4}}}}"), mixture("{layers: {grouped: 0}}"),
        mixture("{micro-batches: 5}"), mixture("{fabric: deepep}"), mixture("{dispatch: fp16}"), mixture("{balance: lpbl}"),
        mixture("{balance: {replan-interval: sometimes}}"), mixture("{transfer: three-phase}"), mixture("{pool: W_1}"),
        small + "\nfaults: {event: []}", small + "\nfaults: {events: []}", small + "\nfaults: {events: [{at: 1s}]}",
        small + "\nfaults: {events: [{at: 1, kill: worker-0}]}", small + "\nfaults: {events: [{kill: worker-0}]}",
        small + "\nfaults: {events: [{at: 1s, kill: worker-0, factor: 2}]}", small + "\nfaults: {events: [{at: 1s, hang: worker-0}]}",
        small + "\nfaults: {events: [{at: 1s, slow: worker-0, factor: 0.5, for: 1s}]}",
        small + "\nfaults: {events: [{at: 1s, link: worker-0, loss: 1, for: 1s}]}",
        small + "\nfaults: {events: [{at: 1s, link: worker-0, bandwidth: 0, for: 1s}]}",
        small + "\nfaults: {events: [{at: 1s, partition: [], for: 1s}]}", small + "\nfaults: {random: [{kill: worker-0, mtbf: 1s}]}",
        small + "\nfaults: {random: [{kill: colocated, mtbf: 1s, distribution: {weibull: 30}}]}", small + "\nrecovery: {retries: many}",
        small + "\nrecovery: {policy: {name: recompute}}", small + "\nrecovery: {start-up: {tier: tape}}", small + "\nrecovery: {standby: 1}",
    ]

    @Test("agrees with the reader, by an independent validator")
    func validator() throws {
        var documents = try bundledPaths().map { (try String(contentsOfFile: $0, encoding: .utf8), true) }
        documents += (0..<20).map { (TopologyWriter.text(generatedPlan(UInt64($0))), true) }
        for number in 0..<20 {
            var plan = generatedPlan(UInt64(number))
            plan.faults = generatedFaultPlan(UInt64(number), for: plan)
            plan.recovery = generatedRecovery(UInt64(number))
            documents.append((TopologyWriter.text(plan), true))
        }
        documents += [
            (small + "\ncontroller: {routing: {policy: process, command: [sh, x], fallback: {policy: power-of-two, choices: 3}}}", true),
            (small + "\ncontroller: {routing: process}", false),
            (small + "\ncontroller: {routing: {policy: process, endpoint: 'tcp://8.8.8.8:1'}}", false),
            (small + "\ncontroller: {routing: {command: [sh]}}", false),
        ]
        documents += Self.wrong.map { ($0, false) }
        for (text, isRight) in documents { #expect(mistakes(text).isEmpty == isRight, "\(text)\n\(mistakes(text))") }
        let input = try JSONSerialization.data(withJSONObject: ["schema": JSONSchema.text(), "documents": documents.map(\.0)])
        guard let verdicts = try Self.python(input) else {
            print("skipped: python3 with jsonschema and yaml is not there to check the schema with")
            return
        }
        #expect(verdicts.count == documents.count)
        for (document, verdict) in zip(documents, verdicts) { #expect((verdict == "ok") == document.1, "\(verdict)\n\(document.0)") }
    }

    /// Verdicts of Debian's python3-jsonschema; `nil` when it is not installed.
    private static func python(_ input: Data) throws -> [String]? {
        let script = """
            import json, sys
            try:
                import jsonschema, yaml
            except ImportError:
                sys.exit(9)
            work = json.load(sys.stdin)
            schema = json.loads(work["schema"])
            jsonschema.Draft7Validator.check_schema(schema)
            validator = jsonschema.Draft7Validator(schema)
            def verdict(text):
                error = next(iter(validator.iter_errors(yaml.safe_load(text))), None)
                return "ok" if error is None else str(error.message)[:300]
            json.dump([verdict(text) for text in work["documents"]], sys.stdout)
            """
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-c", script]
        let (stdin, stdout) = (Pipe(), Pipe())
        process.standardInput = stdin
        process.standardOutput = stdout
        try process.run()
        DispatchQueue.global().async {
            stdin.fileHandleForWriting.write(input)
            try? stdin.fileHandleForWriting.close()
        }
        let output = stdout.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        if process.terminationStatus == 9 || process.terminationStatus == 127 { return nil }
        return try #require(try JSONSerialization.jsonObject(with: output) as? [String])
    }
}
