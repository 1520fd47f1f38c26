import Glibc
import Transport

/// How a process ended.
enum ProcessEnding: Equatable {
    case exited(Int32)
    case signalled(Int32)

    /// - Parameter status: as `waitpid` gives it for a process that has ended.
    init(status: Int32) {
        let signal = status & 0x7f
        self = signal == 0 ? .exited((status >> 8) & 0xff) : .signalled(signal)
    }

    /// In words, such as `killed by signal 9 (Killed)`.
    var description: String {
        switch self {
        case .exited(let code): "exited with code \(code)"
        case .signalled(let signal): "killed by signal \(signal) (\(String(cString: strsignal(signal))))"
        }
    }
}

/// Starts a process with nothing to read and no signal blocked. It gets a process group of its own, so that Ctrl-C on a terminal reaches this
/// process alone.
/// - Parameters:
///   - words: the program, looked up in `PATH` where it has no folder, and its arguments.
///   - files: says where its other descriptors lead.
func spawn(_ words: [String], files: (inout posix_spawn_file_actions_t) -> Void) throws(SystemError) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
        posix_spawn_file_actions_destroy(&actions)
        posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    files(&actions)
    posix_spawnattr_setpgroup(&attributes, 0)
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
    let name = words.first ?? ""
    var copies: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    copies.append(nil)
    defer { for case let copy? in copies { free(copy) } }
    var pid: pid_t = 0
    let code = posix_spawnp(&pid, name, &actions, &attributes, copies, environ)
    guard code == 0 else { throw SystemError("start \(name)", code: code) }
    return pid
}
