import CSystem
import Glibc
import Records
import Transport

/// A connection to a cluster that stays up.
public final class ClusterConnection {
    private let descriptor: Int32
    private var input: [UInt8] = []
    /// The process at the other end.
    public let launcher: pid_t
    private static let answerLimit = 1 << 25

    /// `nil` when nobody is there.
    public init?(_ entry: ClusterRegistry.Entry) {
        descriptor = testbed_connect(entry.socket)
        guard descriptor >= 0 else { return nil }
        launcher = testbed_peer(descriptor)
        guard launcher > 0 else {
            close(descriptor)
            return nil
        }
    }

    deinit { close(descriptor) }

    /// Sends a command and waits for the answer; `nil` when the other end is gone before.
    public func ask(_ command: ClusterCommand) -> JSONValue? {
        var rest = Array((command.json.text(.compact) + "\n").utf8)
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if sent < 0, errno == EINTR { continue }
            guard sent > 0 else { return nil }
            rest.removeFirst(sent)
        }
        while true {
            if let end = input.firstIndex(of: 0x0a) {
                let line = Array(input[..<end])
                input.removeSubrange(...end)
                return JSONValue(reading: line)
            }
            guard fill() else { return nil }
        }
    }

    private func fill() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        var count: Int
        repeat { count = read(descriptor, &chunk, chunk.count) } while count < 0 && errno == EINTR
        guard count > 0, input.count < Self.answerLimit else { return false }
        input += chunk[0..<count]
        return true
    }

    /// Whether the cluster has gone; waits so long for it at the most.
    public func hasEnded(within milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) > 0 && !fill()
    }

    /// Waits until the launcher's process is gone, some seconds at the most.
    public func waitForLauncher(milliseconds: Int32) {
        let process = testbed_pidfd_open(launcher)
        guard process >= 0 else { return }
        defer { close(process) }
        var entry = pollfd(fd: process, events: Int16(POLLIN), revents: 0)
        _ = poll(&entry, 1, milliseconds)
    }
}
