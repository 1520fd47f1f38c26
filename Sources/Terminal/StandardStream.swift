import CSystem
import Glibc

/// Standard output, which carries results and nothing else, and standard error, which carries the rest.
public enum StandardStream: Int32, Sendable {
    case output = 1
    case error = 2

    /// Opens `/dev/null` in place of standard streams that the process was started without, lest a record become one of them.
    public static func openMissing() {
        for descriptor: Int32 in 0...2 where fcntl(descriptor, F_GETFD) < 0 { _ = open("/dev/null", O_RDWR) }
    }

    /// Writes text without buffering.
    /// - Returns: whether all of it was written; a closed pipe is no reason to stop a run.
    @discardableResult
    public func write(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { writeAll(UnsafeRawBufferPointer($0)) }
    }

    private func writeAll(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = UnsafeRawBufferPointer(rebasing: rest)
            let written = Glibc.write(rawValue, piece.baseAddress, piece.count)
            if written < 0 {
                guard errno == EINTR else { return false }
                continue
            }
            rest = rest.dropFirst(written)
        }
        return true
    }

    /// What the stream is connected to.
    public var capabilities: Capabilities {
        Capabilities(
            isTerminal: isatty(rawValue) == 1, columns: Int(testbed_terminal_columns(rawValue)),
            environment: { name in getenv(name).map { String(cString: $0) } })
    }
}
