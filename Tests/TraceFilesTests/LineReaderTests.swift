import Foundation
import Quantities
import Testing

@testable import TraceFiles

/// The lines of a file, `nil` for one over the limit.
private func lines(_ content: [UInt8]) throws -> [String?] {
    let file = try TemporaryFile(content)
    let reader = try LineReader(path: file.path)
    var all: [String?] = []
    while let item = try reader.next() {
        if case .line(let line) = item { all.append(String(decoding: line, as: UTF8.self)) } else { all.append(nil) }
        #expect(reader.line == all.count)
    }
    return all
}

@Test("lines end with LF, CR LF or the file, plain or compressed, and a byte order mark is left out")
func lineEnds() throws {
    let cases: [(String, [String])] = [
        ("", []), ("\n", [""]), ("a", ["a"]), ("a\n", ["a"]), ("a\r\nb\n\r\nc", ["a", "b", "", "c"]), ("\u{feff}a\nb\r", ["a", "b"]),
        ("\u{feff}", [""]),
        ("a\rb\n", ["a\rb"]),
    ]
    for (content, expected) in cases {
        #expect(try lines(Array(content.utf8)) == expected)
        #expect(try lines(gzip(Array(content.utf8))) == expected)
    }
}

@Test("lines of any lengths come back whole across the buffer's borders")
func longLines() throws {
    var random = RandomStream(seed: 1, stream: 0)
    for _ in 0..<6 {
        let expected = (0..<60).map { _ in String(repeating: "x", count: random.below(1 << (1 + random.below(19)))) + "\(random.below(10))" }
        let content = Array(expected.joined(separator: "\n").utf8)
        #expect(try lines(content) == expected)
        #expect(try lines(gzip(content)) == expected)
    }
}

@Test("a line over the limit is left out and counted, and those after it are read")
func lineLimit() throws {
    let limit = LineReader.longestLine
    let longest = String(repeating: "a", count: limit)
    #expect(try lines(Array((longest + "\nb\n").utf8)) == [longest, "b"])
    for excess in [1, 1_000_000, 3 * limit] {
        let content = "a\n" + longest + String(repeating: "b", count: excess)
        #expect(try lines(Array((content + "\nc\nd").utf8)) == ["a", nil, "c", "d"])
        #expect(try lines(Array(content.utf8)) == ["a", nil])
    }
}

@Test("several gzip members one after another are one file")
func concatenatedMembers() throws {
    #expect(try lines(gzip(Array("a\nb".utf8)) + gzip(Array("c\nd\n".utf8))) == ["a", "bc", "d"])
}

@Test("a gzip file cut short gives the lines before the break and then an error at its place")
func truncatedGzip() throws {
    let text = (0..<5_000).map { "line \($0 * 7_919 % 5_003)\n" }.joined()
    let whole = gzip(Array(text.utf8))
    for share in [0.1, 0.5, 0.9, 0.999] {
        let file = try TemporaryFile(whole.prefix(Int(Double(whole.count) * share)))
        let reader = try LineReader(path: file.path)
        var count = 0
        let error = #expect(throws: TraceDiagnostic.self) { while try reader.next() != nil { count += 1 } }
        #expect(error?.line == count + 1)
        #expect(error?.found.contains("unexpected end of file") == true)
        if share > 0.4 { #expect(count > 100) }
        #expect(throws: TraceDiagnostic.self) { try reader.next() }
    }
}

@Test("a corrupt gzip file is an error")
func corruptGzip() throws {
    var bytes = gzip((0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 7) })
    bytes[bytes.count / 2] ^= 0x55
    bytes[bytes.count / 2 + 1] ^= 0x55
    let file = try TemporaryFile(bytes)
    let reader = try LineReader(path: file.path)
    #expect(throws: TraceDiagnostic.self) { while try reader.next() != nil {} }
}

@Test("what is not there, a folder and a pipe are refused at once")
func specialFiles() throws {
    let file = try TemporaryFile("")
    let pipe = file.path + ".pipe"
    mkfifo(pipe, 0o600)
    let folder = URL(fileURLWithPath: file.path).deletingLastPathComponent().path
    for (path, found) in [
        (file.path + ".none", "No such file"), (folder, "a directory"), (pipe, "not a regular file"), ("/dev/zero", "not a regular"),
    ] {
        let error = #expect(throws: TraceDiagnostic.self) { _ = try LineReader(path: path) }
        #expect(error?.found.contains(found) == true)
        #expect(error?.description.hasPrefix("\(path):1:1: found ") == true)
    }
}
