import Foundation
import Quantities
import TestKit
import Testing

@testable import TopologyFile

@Suite("Mutated topologies")
struct FuzzTests {
    /// Texts that mutations put in.
    private static let pieces = [
        "&a ", "*a", "<<: *a\n", "{", "}", "[", "]", ": ", "- ", "\n", "\n  ", "\t", "\"", "'", "|\n", ">", "!", "%", "#", "---\n", "...\n", "? ",
        "~", "0",
        "-1", "9999999999999999999999", "1e999", ".5", "nan", "0ns", "5us", "1e-3", "\u{0}", "\u{FEFF}", "é", "🙂", "null", "true", "x-", "base: ",
        "[[[[[[[[",
    ]

    private static func mutated(_ text: [UInt8], _ random: inout RandomStream) -> [UInt8] {
        var text = text
        for _ in 0...random.below(4) {
            let place = random.below(text.count + 1)
            switch random.below(5) {
            case 0: text.insert(contentsOf: Array(pieces[random.below(pieces.count)].utf8), at: place)
            case 1: text.removeSubrange(place..<min(text.count, place + 1 + random.below(12)))
            case 2: if place < text.count { text[place] = UInt8(random.below(256)) }
            case 3:
                let other = random.below(text.count + 1)
                text.insert(contentsOf: text[min(place, other)..<min(text.count, min(place, other) + 40)], at: place)
            default: if place < text.count, text[place] < 128 { text[place] ^= 1 << UInt8(random.below(7)) }
            }
            if text.isEmpty { text = [0x61] }
        }
        return text
    }

    @Test("are read or refused, never a crash, each in bounded time; those that are read are written and read back")
    func mutations() throws {
        var seeds = try bundledPaths().map { Array(try Data(contentsOf: URL(fileURLWithPath: $0))) }
        seeds += (0..<4).map { Array(TopologyWriter.text(generatedPlan(UInt64($0))).utf8) }
        var random = RandomStream(seed: 11, stream: 1)
        var (accepted, refused) = (0, 0)
        let clock = ContinuousClock()
        var slowest = Duration.zero
        for _ in 0..<800 {
            let text = Self.mutated(seeds[random.below(seeds.count)], &random)
            guard SourceFile.firstInvalidByte(text) == nil else { continue }
            let start = clock.now
            let result = TopologyReader.read(text, path: packageRoot + "/Topologies/fuzz.yaml")
            slowest = max(slowest, clock.now - start)
            switch result {
            case .success(let topology):
                accepted += 1
                let back = TopologyReader.read(Array(TopologyWriter.text(topology.plan).utf8), path: "/elsewhere/a.yaml")
                #expect((try? back.get().plan) == topology.plan, "\(String(decoding: text, as: UTF8.self))\n\(back)")
            case .failure(let diagnostics):
                refused += 1
                #expect(!diagnostics.list.isEmpty)
                for diagnostic in diagnostics.list { #expect(diagnostic.place.line >= 1 && !diagnostic.description.contains("\n")) }
            }
        }
        print("mutated topologies: \(accepted) read, \(refused) refused, the slowest in \(slowest)")
        #expect(accepted > 20 && refused > 200)
        #expect(slowest < .seconds(5))
    }

    @Test(
        "of a mebibyte of one character are refused in bounded time",
        arguments: ["[", "{", "- ", "a: ", "? ", "&a ", "*a ", "\"", "#", "!", ": ", "\n", "{a: [", "<<: "])
    func hostile(piece: String) {
        let text = String(repeating: piece, count: (1 << 20) / piece.utf8.count)
        let clock = ContinuousClock()
        let time = clock.measure { #expect(!mistakes(text).isEmpty) }
        #expect(time < .seconds(10), "\(piece): \(time)")
    }
}
