import Glibc
import Transport

/// A program that brings the nodes' hosts up, such as `srun`, and ends when they have ended.
public final class HostStarter {
    private let name: String
    private let pid: pid_t
    private var ending: Child.Ending?

    /// Starts it. What it prints goes to standard error; a Ctrl-C on the terminal does not reach it.
    public init(_ command: [String]) throws(SystemError) {
        name = command.first ?? ""
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO)
        posix_spawnattr_setpgroup(&attributes, 0)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
        var words: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
        words.append(nil)
        defer { for case let word? in words { free(word) } }
        var pid: pid_t = 0
        let code = posix_spawnp(&pid, name, &actions, &attributes, words, environ)
        guard code == 0 else { throw SystemError("start \(name)", code: code) }
        self.pid = pid
    }

    /// How it has ended, in words; `nil` while it goes on.
    var end: String? {
        if ending == nil {
            var status: Int32 = 0
            if waitpid(pid, &status, WNOHANG) == pid {
                ending = status & 0x7f == 0 ? .exited((status >> 8) & 0xff) : .signalled(status & 0x7f)
            }
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
