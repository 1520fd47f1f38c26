import Foundation
import Quantities
import Testing
import Workload

@testable import TraceFiles

private func instant(_ text: String) -> Int64? {
    Array(text.utf8).withUnsafeBufferPointer { instant(fromTimestamp: $0) }
}

private func decimal(_ text: String) -> Int64? {
    Array(text.utf8).withUnsafeBufferPointer { nanoseconds(fromDecimalSeconds: $0) }
}

@Test("timestamps of both Azure releases are exact to the nanosecond")
func azureTimestamps() {
    #expect(instant("1970-01-01 00:00:00") == 0)
    #expect(instant("2023-11-16 18:17:03.9799600") == 1_700_158_623_979_960_000)
    #expect(instant("2024-05-10 00:00:00.009930+00:00") == 1_715_299_200_009_930_000)
    #expect(instant("2024-05-12 00:00:10+00:00") == 1_715_472_010_000_000_000)
    #expect(instant("2024-05-10T02:00:00.5+02:00") == 1_715_299_200_500_000_000)
    #expect(instant("2024-05-09 19:30:00-0430") == 1_715_299_200_000_000_000)
    #expect(instant("2024-05-10 00:00:00.123456789Z") == 1_715_299_200_123_456_789)
    #expect(instant("2024-05-10 01:00:00+01") == 1_715_299_200_000_000_000)
}

@Test("dates agree with Foundation's calendar on every day from 1970 to 2261")
func calendarDays() throws {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = try #require(TimeZone(identifier: "UTC"))
    var time: Int64 = 0
    for year in 1970...2261 {
        for month in 1...12 {
            let start = try #require(calendar.date(from: DateComponents(year: year, month: month, day: 1)))
            #expect(Int64(start.timeIntervalSince1970) == time)
            let days = try #require(calendar.range(of: .day, in: .month, for: start)).count
            for day in 1...31 {
                let found = instant("\(year)-\(month < 10 ? "0" : "")\(month)-\(day < 10 ? "0" : "")\(day) 00:00:00")
                #expect(found == (day <= days ? (time + Int64(day - 1) * 86_400) * 1_000_000_000 : nil))
            }
            time += Int64(days) * 86_400
        }
    }
}

@Test(
    "timestamps that are anything else are refused",
    arguments: [
        "", "2023", "2023-11-16", "2023-11-16 18:17", "2023-11-16 18:17:03.", "2023-11-16 18:17:03.1234567890", "2023-13-16 18:17:03",
        "2023-00-16 18:17:03", "2023-11-00 18:17:03", "2023-02-29 18:17:03", "1900-02-28 00:00:00", "2262-01-01 00:00:00", "2023-11-16 24:00:00",
        "2023-11-16 18:60:03", "2023-11-16 18:17:60", "2023-11-16 18:17:03 ", " 2023-11-16 18:17:03", "2023-11-16 18:17:03+1",
        "2023-11-16 18:17:03+24:00",
        "2023-11-16 18:17:03+02:60", "2023-11-16 18:17:03ZZ", "2023-1a-16 18:17:03", "1970-01-01 00:00:00+01:00", "20231116T181703Z",
        "٢023-11-16 18:17:03",
    ])
func brokenTimestamps(text: String) {
    #expect(instant(text) == nil)
}

@Test("decimal seconds are exact to nine decimals and rounded beyond")
func decimalSeconds() {
    #expect(decimal("5") == 5_000_000_000)
    #expect(decimal("19440110.0") == 19_440_110_000_000_000)
    #expect(decimal("0.123456789") == 123_456_789)
    #expect(decimal("0.1234567885") == 123_456_789)
    #expect(decimal("0.30000000000000004") == 300_000_000)
    #expect(decimal("0.9999999999") == 1_000_000_000)
    #expect(decimal("1000000000") == 1_000_000_000_000_000_000)
    for text in ["", ".", "5.", ".5", "-1", "+1", "1e3", "1,5", "0x10", "nan", "1000000001", "99999999999999999999999999", "5 ", "5.5.5"] {
        #expect(decimal(text) == nil)
    }
}

@Test("columns are found by name, in any order, quoted, padded and among others")
func columnsByName() throws {
    let azure = try read("GeneratedTokens, model ,\"timestamp\",ContextTokens\n 7 ,\"a,\"\"b\", 2024-05-10 00:00:00Z,\"12\"\n", as: .azure)
    #expect(azure.rows == [TraceRow(time: 1_715_299_200_000_000_000, promptTokens: 12, outputTokens: 7)])
    let burst = try read(
        "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n19440110.5,1722ac82,43,GPT-4,906,446,1352,API log\n",
        as: .burstgpt)
    #expect(burst.rows == [TraceRow(time: 19_440_110_500_000_000, promptTokens: 906, outputTokens: 446)])
}

@Test("a header without a column, with one twice or of data is refused, even when bad lines are to be skipped")
func brokenHeaders() throws {
    for header in [
        "TIMESTAMP,ContextTokens", "TIMESTAMP,ContextTokens,GeneratedTokens,ContextTokens", "2023-11-16 18:17:03,1,2", "\"TIMESTAMP", "\u{0}",
    ] {
        for mode in [TraceReader.Mode.stop, .collect, .skip] {
            let outcome = try read(header + "\n2023-11-16 18:17:03,1,2\n", as: .azure, mode: mode)
            #expect(outcome.rows.isEmpty)
            #expect(outcome.failure?.diagnostics.count == 1)
            #expect(outcome.failure?.diagnostics.first?.line == 1)
        }
    }
    let many = try read(String(repeating: "x,", count: 65) + "TIMESTAMP,ContextTokens,GeneratedTokens\n", as: .azure)
    #expect(many.failure?.diagnostics.first?.expected == "at most 64")
    #expect(try read("", as: .burstgpt).failure?.description.hasSuffix(":1:1: found no line, expected a header") == true)
    #expect(try read("\n \r\n\t\n", as: .burstgpt).failure?.diagnostics.first?.line == 3)
}

@Test("every broken CSV line is reported at its place in one pass, and skipped and counted where that is asked")
func brokenCSVLines() throws {
    let text = """
        TIMESTAMP,ContextTokens,GeneratedTokens
        2023-11-16 18:17:03.5,10,20
        2023-11-16 18:17,10,20
        2023-11-16 18:17:04,-5,20
        2023-11-16 18:17:04,10
        2023-11-16 18:17:04,10,20,30
        2023-11-16 18:17:04,10,20.5
        2023-11-16 18:17:04,10,

        2023-11-16 18:17:03.4,10,20
        2023-11-16 18:17:04,10000001,20
        2023-11-16 18:17:04,"10,20
        2023-11-16 18:17:05,11,21
        """
    let outcome = try read(text, as: .azure)
    #expect(outcome.places == ["3:1", "4:21", "5:1", "6:1", "7:24", "8:24", "10:1", "11:21", "12:21"])
    #expect(outcome.failure?.description.contains(":4:21: found '-5' as 'ContextTokens', expected a whole number of tokens") == true)
    #expect(outcome.rows.map(\.promptTokens) == [10, 11])
    let skipped = try read(text, as: .azure, mode: .skip)
    #expect(skipped.failure == nil)
    #expect(skipped.badLines == 9)
    #expect(skipped.rows == outcome.rows)
    let stopped = try read(text, as: .azure, mode: .stop)
    #expect(stopped.places == ["3:1"])
    #expect(stopped.rows.count == 1)
}

@Test("Mooncake lines give time, lengths and hashes, with milliseconds whole or in decimals")
func mooncakeLines() throws {
    let text = """
        {"timestamp": 0, "input_length": 6758, "output_length": 500, "hash_ids": [0, -1, 9223372036854775807]}

        {"output_length": 3, "extra": {"a": [1, {}]}, "input_length": 2, "timestamp": 27482.125}
        {"timestamp": 3e4, "input_length": 2, "output_length": 1, "hash_ids": []}
        """
    let outcome = try read(text, as: .mooncake)
    #expect(outcome.failure == nil)
    #expect(
        outcome.rows == [
            TraceRow(time: 0, promptTokens: 6_758, outputTokens: 500, blockHashes: [0, -1, .max]),
            TraceRow(time: 27_482_125_000, promptTokens: 2, outputTokens: 3), TraceRow(time: 30_000_000_000, promptTokens: 2, outputTokens: 1),
        ])
}

@Test("every broken Mooncake line is reported at its place")
func brokenMooncakeLines() throws {
    let lines: [(String, String)] = [
        ("{\"timestamp\": 0, \"input_length\": 1, \"output_length\": 1", "no JSON"), ("[1]", "'[1]'"), ("5", "no JSON"),
        ("{\"timestamp\": 0, \"output_length\": 1}", "no 'input_length'"),
        ("{\"timestamp\": \"0\", \"input_length\": 1, \"output_length\": 1}", "a text as 'timestamp'"),
        ("{\"timestamp\": -1, \"input_length\": 1, \"output_length\": 1}", "-1 as 'timestamp'"),
        ("{\"timestamp\": 1e300, \"input_length\": 1, \"output_length\": 1}", "1e+300 as 'timestamp'"),
        ("{\"timestamp\": 0, \"input_length\": 1.5, \"output_length\": 1}", "1.5 as 'input_length'"),
        ("{\"timestamp\": 0, \"input_length\": 1, \"output_length\": 10000001}", "10000001 as 'output_length'"),
        ("{\"timestamp\": 0, \"input_length\": null, \"output_length\": 1}", "null as 'input_length'"),
        ("{\"timestamp\": 0, \"input_length\": 1, \"output_length\": 1, \"hash_ids\": 7}", "7 as 'hash_ids'"),
        ("{\"timestamp\": 0, \"input_length\": 1, \"output_length\": 1, \"hash_ids\": [1, \"x\"]}", "something else at place 2"),
        ("{\"timestamp\": 0, \"timestamp\": 0, \"input_length\": 1, \"output_length\": 1}", "no JSON"),
        ("{\"timestamp\": 0, \"input_length\": 1, \"output_length\": 99999999999999999999}", "no JSON"),
        (String(repeating: "[", count: 100_000), "no JSON"), ("{\"\u{1b}[31m\": ", "no JSON"),
    ]
    for (index, (_, found)) in lines.enumerated() {
        let outcome = try read(lines.map(\.0).joined(separator: "\n"), as: .mooncake)
        let diagnostic = try #require(outcome.failure?.diagnostics[index])
        #expect(diagnostic.line == index + 1)
        #expect(diagnostic.column >= 1)
        #expect(diagnostic.found.contains(found), "line \(index + 1): \(diagnostic)")
        #expect(!diagnostic.description.unicodeScalars.contains { $0.value < 0x20 })
    }
    let place = try read("{\"timestamp\": 0, \"input_length\": 1.5, \"output_length\": 1}", as: .mooncake).places
    #expect(place == ["1:18"])
}

@Test("failed requests are skipped and counted, an empty prompt counts as one token, ties are kept in order")
func emptyRequests() throws {
    let text = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,a,0,0,0,x\n5,a,0,3,3,x\n5,a,4,0,4,x\n5,a,6,1,7,x\n"
    let outcome = try read(text, as: .burstgpt)
    #expect(outcome.failure == nil)
    #expect(outcome.skipped == 2)
    #expect(outcome.rows.map(\.promptTokens) == [1, 6])
}
