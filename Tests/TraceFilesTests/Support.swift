import CZlib
import Foundation
import Quantities
import Workload

@testable import TraceFiles

/// A file in a folder of its own that goes away with this value.
final class TemporaryFile {
    let path: String
    private let folder: URL

    init(_ content: some Sequence<UInt8>, name: String = "trace") throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("testbed-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        path = folder.appendingPathComponent(name).path
        try Data(content).write(to: URL(fileURLWithPath: path))
    }

    convenience init(_ text: String, name: String = "trace") throws { try self.init(Array(text.utf8), name: name) }

    deinit { try? FileManager.default.removeItem(at: folder) }
}

/// Bytes compressed as `gzip` does.
func gzip(_ bytes: [UInt8]) -> [UInt8] {
    var stream = z_stream()
    deflateInit2_(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    defer { deflateEnd(&stream) }
    var input = bytes
    var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(bytes.count))))
    let written = input.withUnsafeMutableBufferPointer { source in
        output.withUnsafeMutableBufferPointer { target in
            stream.next_in = source.baseAddress
            stream.avail_in = UInt32(source.count)
            stream.next_out = target.baseAddress
            stream.avail_out = UInt32(target.count)
            deflate(&stream, Z_FINISH)
            return target.count - Int(stream.avail_out)
        }
    }
    return Array(output.prefix(written))
}

/// What a pass over a trace gives: its rows, or what was wrong.
struct Outcome {
    var rows: [TraceRow] = []
    var failure: TraceError?
    var badLines = 0
    var skipped = 0
}

/// Reads a file with the given content row by row.
func read(_ content: some Sequence<UInt8>, as format: TraceFormat, mode: TraceReader.Mode = .collect) throws -> Outcome {
    let file = try TemporaryFile(content)
    let reader = try TraceReader(TraceSource(path: file.path, format: format), mode: mode)
    var outcome = Outcome()
    while let row = reader.next() { outcome.rows.append(row) }
    outcome.failure = reader.failure
    outcome.badLines = reader.badLines
    outcome.skipped = reader.skipped
    return outcome
}

func read(_ text: String, as format: TraceFormat, mode: TraceReader.Mode = .collect) throws -> Outcome {
    try read(Array(text.utf8), as: format, mode: mode)
}

extension Outcome {
    /// `line:column` of everything wrong.
    var places: [String] { failure?.diagnostics.map { "\($0.line):\($0.column)" } ?? [] }
}

/// The root of the package.
let packageFolder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// A file of the public traces that lie beside the package in some places; `nil`, said once, where they do not.
func sharedTrace(_ name: String) -> String? {
    let folders = [packageFolder.deletingLastPathComponent(), packageFolder.deletingLastPathComponent().deletingLastPathComponent()]
    let found = folders.map { $0.appendingPathComponent("shared/data/traces/\(name)").path }.first { FileManager.default.fileExists(atPath: $0) }
    if found == nil { print("no ../shared/data/traces/\(name): the test on it is left out") }
    return found
}
