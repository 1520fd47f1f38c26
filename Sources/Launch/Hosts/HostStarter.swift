import Glibc
import Transport

/// A program that brings the nodes' hosts up, such as `srun`, and ends when they have ended.
public final class HostStarter {
    private let name: String
    private let pid: pid_t
    private var ending: ProcessEnding?

    /// Starts it. What it prints goes to standard error; a Ctrl-C on the terminal does not reach it.
    public init(_ command: [String]) throws(SystemError) {
        name = command.first ?? ""
        pid = try spawn(command) { files in posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO) }
    }

    /// How it has ended, in words; `nil` while it goes on.
    var end: String? {
        if ending == nil {
            var status: Int32 = 0
            if waitpid(pid, &status, WNOHANG) == pid { ending = ProcessEnding(status: status) }
        }
        return ending.map { "\(name) \($0.description)" }
    }

    /// Waits for its end; after so many nanoseconds it is asked to end, and ended when that does not help.
    func finish(within grace: Int64) {
        for (signal, limit) in [(SIGTERM, grace), (SIGKILL, 20_000_000_000)] {
            let deadline = monotonicNow() + limit
            while end == nil, monotonicNow() < deadline { usleep(20_000) }
            if end == nil { kill(pid, signal) }
        }
        while end == nil { usleep(20_000) }
    }
}
