import Quantities
import Testing

@testable import Models

@Suite struct MeasuredLookupTests {
    typealias Row = MeasuredTable.Row

    private func cost(prefill: [Row], decode: [Row]) throws -> CostModel {
        let table = MeasuredTable(path: "test.csv", prefill: prefill, decode: decode)
        return CostModel(
            model: try #require(ModelCatalog.named("llama-2-70b")), device: try #require(DeviceCatalog.named("h100")), tensorParallel: 8,
            table: table)
    }

    private func prompt(_ tokens: Int64) -> BatchShape {
        var batch = BatchShape()
        batch.addPrefill(tokens: tokens, context: 0)
        return batch
    }

    private func decode(_ requests: Int64, _ context: Int64) -> BatchShape {
        BatchShape(prefillTokens: 0, prefillPairs: 0, prefillRequests: 0, decodeRequests: requests, decodeContext: requests * context)
    }

    private let prefillRows = [Row(size: 100, context: 0, time: 1000), Row(size: 200, context: 0, time: 3000)]
    private let decodeRows = [
        Row(size: 1, context: 0, time: 100), Row(size: 1, context: 1000, time: 200), Row(size: 11, context: 0, time: 1100),
        Row(size: 11, context: 1000, time: 2200),
    ]

    @Test("between rows a prefill is linear, below them flat, beyond them at least proportional")
    func prefill() throws {
        let cost = try cost(prefill: prefillRows, decode: decodeRows)
        #expect([1, 100, 150, 200].map { cost.iterationTime(prompt($0)) } == [1000, 1000, 2000, 3000])
        #expect(cost.iterationTime(prompt(300)) == 5000)
        let flat = try self.cost(prefill: [Row(size: 100, context: 0, time: 900), Row(size: 200, context: 0, time: 1000)], decode: [])
        #expect(flat.iterationTime(prompt(400)) == 2000)
    }

    @Test("a decode is bilinear in requests and mean context")
    func bilinear() throws {
        let cost = try cost(prefill: prefillRows, decode: decodeRows)
        #expect(cost.iterationTime(decode(1, 500)) == 150)
        #expect(cost.iterationTime(decode(6, 0)) == 600)
        #expect(cost.iterationTime(decode(6, 500)) == 900)
        #expect(cost.iterationTime(decode(11, 2000)) == 3300)
        #expect(cost.iterationTime(decode(21, 0)) == 2100)
        #expect(cost.minimumIterationTime == 100)
    }

    @Test("repeated rows count as their median, and dips are raised to what stands before them")
    func medians() throws {
        let rows = [5, 900, 7, 6, 8].map { Row(size: 10, context: 0, time: $0 * 100) } + [Row(size: 20, context: 0, time: 300)]
        let cost = try cost(prefill: rows, decode: [])
        #expect(cost.iterationTime(prompt(10)) == 700)
        #expect(cost.iterationTime(prompt(20)) == 700)
    }

    @Test("a mixed batch costs 1.1 times the prompt of as many tokens, and no less than its decode")
    func mixed() throws {
        let cost = try cost(prefill: prefillRows, decode: decodeRows)
        var batch = decode(10, 0)
        batch.addPrefill(tokens: 140, context: 0)
        #expect(cost.iterationTime(batch) == 2200)
        var heavy = decode(11, 100_000)
        heavy.addPrefill(tokens: 1, context: 0)
        #expect(cost.iterationTime(heavy) == cost.iterationTime(decode(11, 100_000)))
    }

    @Test("a phase without rows falls back on the roofline")
    func fallback() throws {
        let roofline = CostModel(
            model: try #require(ModelCatalog.named("llama-2-70b")), device: try #require(DeviceCatalog.named("h100")), tensorParallel: 8)
        let onlyPrefill = try cost(prefill: prefillRows, decode: [])
        #expect(onlyPrefill.iterationTime(decode(4, 100)) == roofline.iterationTime(decode(4, 100)))
        let onlyDecode = try cost(prefill: [], decode: decodeRows)
        #expect(onlyDecode.iterationTime(prompt(100)) == roofline.iterationTime(prompt(100)))
        #expect(try cost(prefill: [], decode: []).iterationTime(prompt(100)) == roofline.iterationTime(prompt(100)))
    }

    @Test("a table with a context of its own in each row is laid out in bounded memory and keeps its corners")
    func scattered() throws {
        let rows = (1...20_000).map { Row(size: Int64($0), context: Int64($0) * 3, time: Int64($0) * 1000) }
        let cost = try cost(prefill: [], decode: rows)
        #expect(cost.iterationTime(decode(1, 3)) == 1000)
        #expect(cost.iterationTime(decode(20_000, 60_000)) == 20_000_000)
        #expect(cost.iterationTime(decode(10_000, 30_000)) == 10_000_000)
    }

    @Test("random tables never go below their minimum and never fall as a batch grows")
    func property() throws {
        var random = RandomStream(seed: 11, stream: 1)
        for _ in 0..<200 {
            func rows(contexts: Bool) -> [Row] {
                (0..<random.below(12)).map { _ in
                    Row(
                        size: Int64(1 + random.below(64)), context: contexts ? Int64(random.below(5) * 500) : 0,
                        time: Int64(1 + random.below(1_000_000)))
                }
            }
            let cost = try cost(prefill: rows(contexts: false), decode: rows(contexts: true))
            for _ in 0..<40 {
                let requests = Int64(random.below(100))
                let tokens = Int64(random.below(3) == 0 ? 0 : random.below(200))
                guard requests + tokens > 0 else { continue }
                let context = Int64(random.below(4000))
                var batch = decode(requests, context)
                if tokens > 0 { batch.addPrefill(tokens: tokens, context: 0) }
                let time = cost.iterationTime(batch)
                #expect(time >= cost.minimumIterationTime)
                guard requests > 0 else { continue }
                var larger = batch
                larger.decodeContext += requests * Int64(random.below(500))
                #expect(cost.iterationTime(larger) >= time)
                if tokens == 0 { #expect(cost.iterationTime(decode(requests + 1, context)) >= time - 1) }
            }
        }
    }

    @Test("a table made of Splitwise's measurements gives back their medians", arguments: [("a100-80gb", 4), ("h100-80gb", 8)])
    func splitwise(hardware: String, ranks: Int) throws {
        guard let rows = MeasuredData.rows("steptime/splitwise_llama2_70b.csv") else { return }
        let measured = rows.filter { $0["hardware"] == hardware && $0.integer("tensor_parallel") == ranks && $0.integer("token_size") == 128 }
        func row(_ row: [String: String], size: Int, column: String) -> Row {
            Row(size: Int64(size), context: 0, time: nanoseconds(fromSeconds: row.number(column) / 1000))
        }
        let prefill = measured.map { row($0, size: $0.integer("prompt_size") * $0.integer("batch_size"), column: "prompt_time") }
        let decodes = measured.filter { $0.integer("prompt_size") == 512 }.map {
            row($0, size: $0.integer("batch_size"), column: "token_time")
        }
        let cost = try cost(prefill: prefill, decode: decodes)
        #expect(!prefill.isEmpty && !decodes.isEmpty)
        for (rows, isPrompt) in [(prefill, true), (decodes, false)] {
            var before: Int64 = 0
            for size in Set(rows.map(\.size)).sorted() {
                let times = rows.filter { $0.size == size }.map(\.time).sorted()
                let median = max(times[times.count / 2], before)
                #expect(cost.iterationTime(isPrompt ? prompt(size) : decode(size, 512)) == median)
                before = median
            }
        }
    }
}
