import CSystem
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

/// One end of a connection to a stream socket, for tests: says anything, never waits.
final class Talker {
    private let descriptor: Int32

    init?(_ path: String) {
        descriptor = testbed_connect(path)
        guard descriptor >= 0 else { return nil }
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    }

    deinit { close(descriptor) }

    func say(_ text: String) { _ = Array(text.utf8).withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) } }

    /// What is there to be read.
    func hear() -> String {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = read(descriptor, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes[0..<count], as: UTF8.self) : ""
    }

    /// Whether the other end has closed.
    var isClosed: Bool {
        var byte: UInt8 = 0
        let count = read(descriptor, &byte, 1)
        return count == 0 || count < 0 && errno != EAGAIN
    }
}
