import CSystem
import Glibc
import Quantities
import Transport

/// A program that brings the nodes' hosts up, such as `srun`, and ends when they have ended.
public final class HostStarter {
    private let name: String
    private let pid: pid_t
    private var ending: ProcessEnding?
    /// The end of a pipe that the program reads from, which is closed when the hosts are to be taken down; -1 for none.
    private var leash: Int32 = -1
    /// How long it may take to take the hosts down, in nanoseconds.
    private static let takingDown: Int64 = 180_000_000_000

    /// Starts it. What it prints goes to standard error; a Ctrl-C on the terminal does not reach it.
    /// - Parameters:
    ///   - name: what it is called when it has ended too early.
    ///   - readsEnd: whether it takes the hosts down, and ends, when its input ends, however this process ends.
    public init(_ command: [String], name: String? = nil, readsEnd: Bool = false) throws(SystemError) {
        self.name = name ?? command.first ?? ""
        var ends: [Int32] = [-1, -1]
        if readsEnd, pipe(&ends) != 0 { throw SystemError("pipe", code: errno) }
        // Nobody else is to hold it open.
        for end in ends where end >= 0 { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let input = ends[0]
        defer { if input >= 0 { close(input) } }
        do {
            pid = try spawn(command) { files in
                posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO)
                if input >= 0 { posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO) }
            }
        } catch {
            if ends[1] >= 0 { close(ends[1]) }
            throw error
        }
        leash = ends[1]
    }

    deinit { if leash >= 0 { close(leash) } }

    /// How it has ended, in words; `nil` while it goes on.
    var end: String? {
        if ending == nil {
            var status: Int32 = 0
            if waitpid(pid, &status, WNOHANG) == pid { ending = ProcessEnding(status: status) }
        }
        return ending.map { "\(name) \($0.description)" }
    }

    /// Waits for its end; after so many nanoseconds it is asked to end, and ended when that does not help.
    public func finish(within grace: Int64) {
        var grace = grace
        if leash >= 0 {
            close(leash)
            leash = -1
            grace = Self.takingDown
        }
        for (signal, limit) in [(SIGTERM, grace), (SIGKILL, 20_000_000_000)] {
            let deadline = monotonicNow() + limit
            while end == nil, monotonicNow() < deadline { usleep(20_000) }
            if end == nil { kill(pid, signal) }
        }
        while end == nil { usleep(20_000) }
    }
}

/// An engine for clusters that is not there, or not as it has to be.
public struct EngineError: Error, CustomStringConvertible {
    public var description: String

    public init(_ description: String) { self.description = description }
}

/// Runs a command to its end. Answers how it ended in words, or `nil` if it did well, and what it printed.
public func outcome(of command: [String]) throws -> (failure: String?, output: String) {
    let folder = try Files.makePrivateDirectory()
    defer { Files.remove(folder) }
    let path = folder + "/output"
    try Files.write([], to: path)
    let pid = try spawn(command) { files in
        posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, path, O_WRONLY | O_APPEND, 0)
        posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO)
    }
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    let ending = ProcessEnding(status: status)
    let output = String(decoding: try Files.read(path, limit: 1 << 16) ?? [], as: UTF8.self)
    return (ending == .exited(0) ? nil : ending.description, output)
}

/// A new folder that nobody else may enter.
public func makePrivateFolder() throws(SystemError) -> String { try Files.makePrivateDirectory() }
