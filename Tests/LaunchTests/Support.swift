import Foundation
import Quantities

/// A new directory that is removed afterwards.
func withDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
    let directory = FileManager.default.temporaryDirectory.path + "/testbed-launch-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    return try body(directory)
}

/// Writes a file of text.
func write(_ text: String, to path: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: path)) }

/// Reads a file of text.
func read(_ path: String) throws -> String { String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self) }

/// A time as records have it.
func decimal(_ time: Instant) -> String {
    var text = TextBuffer()
    text.append(seconds: time)
    return String(decoding: text.bytes, as: UTF8.self)
}
