import CSystem
import Glibc
import Transport

/// A process of this program or another one, with its output and what it cost.
final class Subprocess {
    let pid: pid_t
    private let output: Int32

    /// What is left of a process that has ended.
    struct Ending {
        /// Exit code, or 128 and the signal.
        var code: Int32
        var output: String
        /// Its own processor time and that of the processes that it waited for, in seconds.
        var processor: Double
    }

    /// Starts a program.
    /// - Parameter control: a descriptor that the program finds as descriptor 3.
    init(_ executable: String, _ arguments: [String], control: Int32? = nil) throws(SystemError) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw SystemError("pipe", code: errno) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        posix_spawn_file_actions_addclose(&actions, ends[0])
        posix_spawn_file_actions_addclose(&actions, ends[1])
        if let control { posix_spawn_file_actions_adddup2(&actions, control, ControlChannel.nodeDescriptor) }
        var words: [UnsafeMutablePointer<CChar>?] = ([executable] + arguments).map { strdup($0) }
        words.append(nil)
        defer { for case let word? in words { free(word) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, executable, &actions, nil, words, environ)
        close(ends[1])
        output = ends[0]
        self.pid = pid
        guard code == 0 else { throw SystemError("start \(executable)", code: code) }
    }

    /// Reads its output to the end and waits for it.
    func wait() -> Ending {
        var text: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let count = read(output, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            text += chunk[0..<count]
        }
        close(output)
        var status: Int32 = 0
        var usage = rusage()
        while wait4(pid, &status, 0, &usage) < 0, errno == EINTR {}
        let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
        return Ending(code: code, output: String(decoding: text, as: UTF8.self), processor: Processor.seconds(usage))
    }
}

/// Processor time and memory, as the kernel counts them.
enum Processor {
    /// User and system time in seconds.
    static func seconds(_ usage: rusage) -> Double {
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    /// Processor time of this process and of those that it has waited for, in seconds.
    static var spent: Double {
        [RUSAGE_SELF.rawValue, RUSAGE_CHILDREN.rawValue].reduce(0) { sum, who in
            var usage = rusage()
            getrusage(__rusage_who_t(who), &usage)
            return sum + seconds(usage)
        }
    }

    /// A figure in kilobytes of a file such as `/proc/1/status`, in bytes.
    static func kilobytes(_ name: String, in path: String) -> Double? {
        guard let text = text(of: path) else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix(name + ":") {
            return line.split(separator: " ").dropFirst().first.flatMap { Double($0) }.map { $0 * 1024 }
        }
        return nil
    }

    /// The processes that this one has started and that still run.
    static var children: [pid_t] { (text(of: "/proc/self/task/\(getpid())/children") ?? "").split(separator: " ").compactMap { pid_t($0) } }

    private static func text(of path: String) -> String? {
        let file = testbed_open(path, O_RDONLY, 0)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 13)
        while case let count = read(file, &chunk, chunk.count), count > 0 { bytes += chunk[0..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The host's clock and statistics of repeated measurements.
enum Measure {
    /// Host time that `body` takes, in seconds.
    static func time(_ body: () throws -> Void) rethrows -> Double {
        let start = monotonicNow()
        try body()
        return Double(monotonicNow() - start) / 1e9
    }

    /// The middle value; of an even number of values the lower one.
    static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        return sorted.isEmpty ? .nan : sorted[(sorted.count - 1) / 2]
    }
}
