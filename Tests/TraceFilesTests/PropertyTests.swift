import Foundation
import Quantities
import Testing
import Workload

@testable import TraceFiles

/// Rows in order of time, some at the same time, at the resolution of the format.
private func randomRows(_ random: inout RandomStream, format: TraceFormat) -> [TraceRow] {
    var time: Int64 = format == .azure ? 1_700_000_000_000_000_000 : Int64(random.below(5)) * 1_000_000_000
    return (0..<random.below(60)).map { _ in
        time += Int64(random.below(3)) * Int64(random.below(4_000_000)) * 1_000
        return TraceRow(
            time: time, promptTokens: Int32(1 + random.below(1 << random.below(23))), outputTokens: Int32(1 + random.below(1 << random.below(23))),
            blockHashes: format == .mooncake ? (0..<random.below(9)).map { _ in Int64(bitPattern: random.next()) } : [])
    }
}

/// A time as `whole.decimals` in units of `unit` nanoseconds, with trailing zeros or without.
private func decimals(_ time: Int64, unit: Int64, digits: Int, trim: Bool) -> String {
    let fraction = String(String(unit + time % unit).dropFirst())
    let padded = String(fraction.prefix(digits))
    let trimmed = trim ? String(padded.reversed().drop { $0 == "0" }.reversed()) : padded
    return "\(time / unit)" + (trimmed.isEmpty ? "" : "." + trimmed)
}

/// The rows as the format writes them, in one of the ways seen in published files.
private func write(_ rows: [TraceRow], as format: TraceFormat, _ random: inout RandomStream) -> String {
    let style = random.below(4)
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.timeZone = TimeZone(identifier: "UTC")
    formatter.dateFormat = "yyyy-MM-dd HH:mm:ss"
    var lines: [String] = []
    switch format {
    case .azure: lines.append("TIMESTAMP,ContextTokens,GeneratedTokens")
    case .burstgpt where style % 2 == 0: lines.append("Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type")
    case .burstgpt: lines.append("Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type")
    case .mooncake: break
    }
    for row in rows {
        switch format {
        case .azure:
            let date = formatter.string(from: Date(timeIntervalSince1970: TimeInterval(row.time / 1_000_000_000)))
            let fraction = decimals(row.time % 1_000_000_000, unit: 1_000_000_000, digits: style % 2 == 0 ? 7 : 6, trim: style > 1).dropFirst()
            lines.append("\(date)\(fraction)\(style % 2 == 0 ? "" : "+00:00"),\(row.promptTokens),\(row.outputTokens)")
        case .burstgpt:
            let time = decimals(row.time, unit: 1_000_000_000, digits: 6, trim: style > 1)
            let model = style % 2 == 0 ? "ChatGPT" : "1722ac82-0a46,43,GPT-4"
            lines.append("\(time),\(model),\(row.promptTokens),\(row.outputTokens),\(row.promptTokens + row.outputTokens),API log")
        case .mooncake:
            let time = decimals(row.time, unit: 1_000_000, digits: 3, trim: style > 1)
            lines.append(
                "{\"timestamp\": \(time), \"input_length\": \(row.promptTokens), \"output_length\": \(row.outputTokens), \"hash_ids\": \(row.blockHashes)}"
            )
        }
        if random.below(20) == 0 { lines.append("") }
    }
    let end = random.below(2) == 0 ? "\n" : "\r\n"
    return (random.below(2) == 0 ? "\u{feff}" : "") + lines.joined(separator: end) + (random.below(2) == 0 ? end : "")
}

@Test("what is written in a format is read back", arguments: TraceFormat.allCases)
func roundTrip(format: TraceFormat) throws {
    for seed in UInt64(0)..<60 {
        var random = RandomStream(seed: seed, stream: 1)
        let rows = randomRows(&random, format: format)
        let content = Array(write(rows, as: format, &random).utf8)
        let outcome = try read(random.below(2) == 0 ? content : gzip(content), as: format)
        #expect(outcome.failure == nil, "seed \(seed): \(outcome.failure.map(\.description) ?? "")")
        #expect(outcome.rows == rows, "seed \(seed)")
    }
}

@Test("random changes of bytes give rows in order within limits, or errors with their places, and never crash", arguments: TraceFormat.allCases)
func mutations(format: TraceFormat) throws {
    let special = Array("\n\r,\"'{}[]:.-+eE0129TZ \u{0}\u{fe}\\".utf8)
    for seed in UInt64(0)..<400 {
        var random = RandomStream(seed: seed, stream: 2)
        var content = Array(write(randomRows(&random, format: format), as: format, &random).utf8)
        let compressed = random.below(4) == 0
        if compressed { content = gzip(content) }
        for _ in 0..<1 + random.below(6) where !content.isEmpty {
            let place = random.below(content.count)
            switch random.below(5) {
            case 0: content[place] = UInt8(truncatingIfNeeded: random.next())
            case 1: content[place] = special[random.below(special.count)]
            case 2: content.insert(special[random.below(special.count)], at: place)
            case 3: content.remove(at: place)
            default: content.removeSubrange(place..<min(content.count, place + random.below(200)))
            }
        }
        let lines = compressed ? Int.max : content.count { $0 == 0x0a } + 1
        for mode in [TraceReader.Mode.stop, .collect, .skip] {
            let outcome = try read(content, as: format, mode: mode)
            #expect(zip(outcome.rows, outcome.rows.dropFirst()).allSatisfy { $0.time <= $1.time }, "seed \(seed)")
            for row in outcome.rows {
                #expect(row.time >= 0 && (1...10_000_000).contains(row.promptTokens) && (1...10_000_000).contains(row.outputTokens), "seed \(seed)")
            }
            for diagnostic in outcome.failure?.diagnostics ?? [] {
                #expect(diagnostic.line >= 1 && diagnostic.line <= lines && diagnostic.column >= 1, "seed \(seed): \(diagnostic)")
                #expect(!diagnostic.found.isEmpty && !diagnostic.expected.isEmpty)
            }
            if mode == .collect { #expect((outcome.failure?.diagnostics.count ?? 0) <= TraceError.reported + 1) }
        }
    }
}
