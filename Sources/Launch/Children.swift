import CSystem
import Cluster
import Glibc
import Transport

/// A node's process, as its launcher holds it.
class Child {
    let node: NodePlan
    let pid: pid_t
    /// Readable when the process has ended.
    let pidDescriptor: Int32
    let control: any ControlEnd
    /// When it was started, on the machine's monotonic clock.
    let started = monotonicNow()
    /// How it ended; `nil` while it lives.
    var ending: Ending?

    /// How a process ended.
    enum Ending: Equatable {
        case exited(Int32)
        case signalled(Int32)

        /// In words, such as `killed by signal 9 (Killed)`.
        var description: String {
            switch self {
            case .exited(let code): "exited with code \(code)"
            case .signalled(let signal): "killed by signal \(signal) (\(String(cString: strsignal(signal))))"
            }
        }
    }

    /// Starts a process that runs `executable arguments`, with its end of the control channel as descriptor 3 and standard output
    /// and error in `log`. It gets a process group of its own, so that Ctrl-C on a terminal reaches the launcher alone.
    init(node: NodePlan, executable: String, arguments: [String], log: String) throws(SystemError) {
        self.node = node
        let (launcherEnd, nodeEnd) = try ControlChannel.pair()
        control = launcherEnd
        pid = try Self.spawn(executable, arguments, control: nodeEnd.descriptor, log: log)
        let descriptor = testbed_pidfd_open(pid)
        guard descriptor >= 0 else {
            let code = errno
            Glibc.kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
            throw SystemError("watch the process of \(node.name)", code: code)
        }
        pidDescriptor = descriptor
    }

    /// A process that is on another host.
    init(node: NodePlan, control: any ControlEnd) {
        self.node = node
        self.control = control
        pid = 0
        pidDescriptor = -1
    }

    deinit { if pidDescriptor >= 0 { close(pidDescriptor) } }

    private static func spawn(_ executable: String, _ arguments: [String], control: Int32, log: String) throws(SystemError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        posix_spawn_file_actions_adddup2(&actions, control, ControlChannel.nodeDescriptor)
        posix_spawnattr_setpgroup(&attributes, 0)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))

        var words: [UnsafeMutablePointer<CChar>?] = ([executable] + arguments).map { strdup($0) }
        words.append(nil)
        defer { for case let word? in words { free(word) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, executable, &actions, &attributes, words, environ)
        guard code == 0 else { throw SystemError("start \(executable)", code: code) }
        return pid
    }

    /// Sends a signal to a process that has not been reaped.
    func kill(_ signal: Int32) { if ending == nil { Glibc.kill(pid, signal) } }

    /// Whether somebody has stopped it (SIGSTOP).
    var isStopped: Bool {
        guard ending == nil, let text = try? Files.read("/proc/\(pid)/stat"), let close = text.lastIndex(of: UInt8(ascii: ")")),
            close + 2 < text.count
        else { return false }
        return text[close + 2] == UInt8(ascii: "T")
    }

    /// Takes note of the process's end, if it has come. Answers whether it has.
    func reap(waits: Bool = false) -> Bool {
        if ending != nil { return true }
        var status: Int32 = 0
        var result: pid_t
        repeat { result = waitpid(pid, &status, waits ? 0 : WNOHANG) } while result < 0 && errno == EINTR
        guard result == pid else { return false }
        let signal = status & 0x7f
        ending = signal == 0 ? .exited((status >> 8) & 0xff) : .signalled(signal)
        return true
    }
}
