import CSystem
import Glibc
import Records
import Transport

/// Puts a launcher into the background, and waits in the foreground until its cluster is up.
public enum DetachedLauncher {
    /// What came of it.
    public enum Outcome: Sendable {
        case up(ClusterRegistry.Entry)
        /// Why not, and the exit code.
        case failed(String, code: Int32)
    }

    /// The launcher's way to say what came of it, once.
    public struct Report {
        private static let descriptor: Int32 = 3

        /// Answers whether somebody was there to hear it.
        public func up(_ entry: ClusterRegistry.Entry) -> Bool {
            say(["name": .string(entry.name), "socket": .string(entry.socket), "folder": .string(entry.folder)])
        }

        /// Says why there is no cluster, and which exit code that makes.
        public func failed(_ reason: String, code: Int32) { _ = say(["error": .string(reason), "code": .integer(Int64(code))]) }

        private func say(_ value: JSONValue) -> Bool {
            let bytes = Array(value.text().utf8)
            let written = bytes.withUnsafeBytes { write(Self.descriptor, $0.baseAddress, $0.count) }
            close(Self.descriptor)
            return written == bytes.count
        }
    }

    /// Runs `launch` in a process of its own, which ends with what that answers. Only the caller's process returns.
    public static func start(_ launch: (Report) -> Int32) throws(SystemError) -> Outcome {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw SystemError("make a pipe", code: errno) }
        let child = testbed_fork_session(ends[1])
        guard child != 0 else { exit(launch(Report())) }
        let code = errno
        close(ends[1])
        defer { close(ends[0]) }
        guard child > 0 else { throw SystemError("start the launcher", code: code) }
        let value = JSONValue(reading: readAll(ends[0]))
        if let name = value?["name"]?.asText, let socket = value?["socket"]?.asText, let folder = value?["folder"]?.asText {
            return .up(ClusterRegistry.Entry(name: name, launcher: child, socket: socket, folder: folder))
        }
        // It ends soon, if it has not ended yet.
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 && errno == EINTR {}
        if let reason = value?["error"]?.asText { return .failed(reason, code: Int32(clamping: value?["code"]?.asInteger ?? 1)) }
        let signal = status & 0x7f
        let ending = signal == 0 ? "exited with code \((status >> 8) & 0xff)" : "was ended by signal \(signal)"
        return .failed("the launcher \(ending) before the cluster was up", code: 1)
    }

    private static func readAll(_ descriptor: Int32) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return bytes }
            bytes += chunk[0..<count]
        }
    }
}
