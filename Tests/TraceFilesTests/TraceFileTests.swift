import Foundation
import Quantities
import Testing
import Workload

@testable import TraceFiles

private func scan(_ path: String, _ format: TraceFormat) throws -> TraceScan { try TraceFile.scan(TraceSource(path: path, format: format)) }

private func expected(rows: Int, skipped: Int = 0, duration: Int64, prompt: Int64, output: Int64, longest: (Int32, Int32)) -> TraceScan {
    var scan = TraceScan()
    scan.rows = rows
    scan.skipped = skipped
    scan.duration = duration
    scan.promptTokens = prompt
    scan.outputTokens = output
    scan.longestPrompt = longest.0
    scan.longestOutput = longest.1
    return scan
}

// The figures below were computed from the files with Python's csv, json and datetime in whole nanoseconds.

@Test("the bundled traces hold what an independent count finds")
func bundledTraces() throws {
    let folder = packageFolder.appendingPathComponent("Topologies/traces").path
    #expect(
        try scan(folder + "/conversation-sample.csv", .azure)
            == expected(rows: 3_245, duration: 599_228_087_300, prompt: 3_979_803, output: 656_690, longest: (8_192, 1_000)))
    let mooncake = try scan(folder + "/mooncake-sample.jsonl", .mooncake)
    #expect((mooncake.rows, mooncake.duration, mooncake.promptTokens, mooncake.outputTokens) == (100, 36_576_000_000, 420_633, 40_785))
    let burst = try scan(folder + "/burstgpt-sample.csv", .burstgpt)
    #expect((burst.rows, burst.skipped, burst.duration) == (94, 6, 140_000_000_000))
    #expect((burst.promptTokens, burst.outputTokens) == (74_056, 33_577))
}

@Test("the public Azure traces hold what an independent count finds")
func publicAzureTraces() throws {
    if let code = sharedTrace("azure_llm_2023_code.csv") {
        #expect(
            try scan(code, .azure)
                == expected(rows: 8_819, duration: 3_435_948_056_000, prompt: 18_059_974, output: 245_896, longest: (7_437, 1_899)))
    }
    if let conversation = sharedTrace("azure_llm_2023_conv_first2700s.csv") {
        #expect(
            try scan(conversation, .azure)
                == expected(rows: 15_877, duration: 2_699_891_009_000, prompt: 18_789_681, output: 3_191_687, longest: (14_050, 1_000)))
    }
}

@Test("the public Mooncake trace holds what an independent count finds, hashes included")
func publicMooncakeTrace() throws {
    guard let path = sharedTrace("mooncake_conversation_first2700s.jsonl") else { return }
    #expect(
        try scan(path, .mooncake)
            == expected(rows: 8_940, duration: 2_699_999_000_000, prompt: 109_285_356, output: 3_102_839, longest: (124_847, 2_000)))
    let reader = try TraceReader(TraceSource(path: path, format: .mooncake), mode: .stop)
    var count = 0
    var sum: Int64 = 0
    while let row = reader.next() {
        count += row.blockHashes.count
        sum += row.blockHashes.reduce(0, +)
    }
    #expect(count == 217_677)
    #expect(sum == 13_404_054_253)
}

@Test("a streamed trace gives the requests of the plan, compressed or not")
func streamedTrace() throws {
    let content = try Data(contentsOf: packageFolder.appendingPathComponent("Topologies/traces/conversation-sample.csv"))
    let plain = try TemporaryFile(content)
    let compressed = try TemporaryFile(gzip(Array(content)), name: "trace.csv.gz")
    func all(_ path: String, _ change: (inout WorkloadPlan) -> Void = { _ in }) throws -> [RequestSpec] {
        var plan = WorkloadPlan(arrivals: .trace(TraceSource(path: path, format: .azure)))
        change(&plan)
        let source = try requestSource(for: plan, seed: 1)
        var requests: [RequestSpec] = []
        while let request = source.next() { requests.append(request) }
        #expect((source as? TraceFileRequests)?.failure == nil)
        return requests
    }
    let requests = try all(plain.path)
    #expect(requests.count == 3_245)
    #expect(requests.first == RequestSpec(id: 0, arrival: 0, promptTokens: 823, outputTokens: 65))
    #expect(requests[1] == RequestSpec(id: 1, arrival: 130_012_000, promptTokens: 2_071, outputTokens: 100))
    #expect(try all(compressed.path) == requests)
    #expect(try all(plain.path) { $0.requestLimit = 10 } == Array(requests.prefix(10)))
    #expect(try all(plain.path) { ($0.rateScale, $0.duration) = (2, 100_000_000_000) }.count == requests.count { $0.arrival <= 200_000_000_000 })
}

@Test("a plan with generated arrivals gives generated requests")
func generatedSource() throws {
    let source = try requestSource(for: WorkloadPlan(arrivals: .constant(rate: 1), requestLimit: 3), seed: 1)
    #expect(source is GeneratedRequests)
    #expect(source.next()?.arrival == 1_000_000_000)
}

@Test("an error in the middle of a stream ends the requests and is kept")
func errorInStream() throws {
    let file = try TemporaryFile("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,1,2\nx\n2023-11-16 18:17:03,1,2\n")
    let source = TraceSource(path: file.path, format: .azure)
    let requests = try TraceFile.open(source, for: WorkloadPlan(arrivals: .trace(source)))
    #expect(requests.next() != nil)
    #expect(requests.failure == nil)
    #expect(requests.next() == nil)
    #expect(requests.next() == nil)
    #expect(requests.failure?.description == "\(file.path):3:1: found 1 fields, expected 3, as in the header")
}

@Test("a scan reports twenty broken lines and counts the others")
func manyBrokenLines() throws {
    let file = try TemporaryFile("TIMESTAMP,ContextTokens,GeneratedTokens\n" + String(repeating: "x\n", count: 57))
    let error = #expect(throws: TraceError.self) { try scan(file.path, .azure) }
    #expect(error?.diagnostics.count == 20)
    #expect(error?.omitted == 37)
    #expect(error?.description.hasSuffix("and 37 more broken lines") == true)
    #expect(error?.diagnostics.map(\.line) == Array(2...21))
}

@Test("a scan goes as far as the plan does, and no request is an error")
func scanLimits() throws {
    let file = try TemporaryFile("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,10,2\n2023-11-16 18:17:04,10,2\nx\n")
    let source = TraceSource(path: file.path, format: .azure)
    let plan = WorkloadPlan(arrivals: .trace(source), requestLimit: 2, rateScale: 2, promptScale: 3)
    let scan = try TraceFile.scan(source, for: plan)
    #expect((scan.rows, scan.duration, scan.promptTokens, scan.longestPrompt) == (2, 500_000_000, 60, 30))
    #expect(throws: TraceError.self) { try TraceFile.scan(source) }
    let skipping = try TraceFile.scan(TraceSource(path: file.path, format: .azure, skipBadLines: true))
    #expect((skipping.rows, skipping.badLines) == (2, 1))
    let empty = try TemporaryFile("TIMESTAMP,ContextTokens,GeneratedTokens\n")
    let error = #expect(throws: TraceError.self) { try TraceFile.scan(TraceSource(path: empty.path, format: .azure, skipBadLines: true)) }
    #expect(error?.description == "\(empty.path):1:1: found no request, expected at least one")
}

@Test("formats are guessed from the first line, then from the name")
func guessedFormats() throws {
    #expect(TraceFile.guessFormat(path: "x.csv", firstLine: "TIMESTAMP,ContextTokens,GeneratedTokens") == .azure)
    #expect(TraceFile.guessFormat(path: "x.csv", firstLine: "Timestamp,Model,Request tokens,Response tokens") == .burstgpt)
    #expect(TraceFile.guessFormat(path: "x", firstLine: "{\"timestamp\": 0, \"input_length\": 6758}") == .mooncake)
    #expect(TraceFile.guessFormat(path: "a/BurstGPT_1.csv.gz", firstLine: "") == .burstgpt)
    #expect(TraceFile.guessFormat(path: "azure/x.csv", firstLine: "a,b") == nil)
    #expect(TraceFile.guessFormat(path: "conv.jsonl.gz", firstLine: "") == .mooncake)
    #expect(TraceFile.guessFormat(path: "", firstLine: "") == nil)
    let folder = packageFolder.appendingPathComponent("Topologies/traces").path
    for (name, format) in [("conversation-sample.csv", TraceFormat.azure), ("mooncake-sample.jsonl", .mooncake), ("burstgpt-sample.csv", .burstgpt)] {
        #expect(TraceFile.guessFormat(path: "x", firstLine: try TraceFile.firstLine(of: folder + "/" + name)) == format)
    }
    #expect(throws: TraceError.self) { try TraceFile.firstLine(of: folder) }
}
