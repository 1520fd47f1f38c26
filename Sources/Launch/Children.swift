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
    var ending: ProcessEnding?

    /// Starts a process that runs `executable arguments`, with its end of the control channel as descriptor 3 and standard output
    /// and error in `log`. It gets a process group of its own, so that Ctrl-C on a terminal reaches the launcher alone.
    init(node: NodePlan, executable: String, arguments: [String], log: String) throws(SystemError) {
        self.node = node
        let (launcherEnd, nodeEnd) = try ControlChannel.pair()
        control = launcherEnd
        pid = try spawn([executable] + arguments) { files in
            posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
            posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO)
            posix_spawn_file_actions_adddup2(&files, nodeEnd.descriptor, ControlChannel.nodeDescriptor)
        }
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
        ending = ProcessEnding(status: status)
        return true
    }
}
