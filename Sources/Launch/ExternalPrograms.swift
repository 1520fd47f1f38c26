import CSystem
import Glibc
import Nodes
import Policies
import Quantities
import Transport

/// A program outside that decides in a policy's place: its process, where it is ours, and the conversation with it.
final class ExternalProcess: ExternalDecider {
    /// Host time that a program has to come up.
    private static let startPatience: Nanoseconds = 20_000_000_000

    private let use: ExternalUse
    private let log: String
    private var socket: ProgramSocket?
    /// The process that watches over the program, what it lives by, and what is readable at its end; -1 for none.
    private var (watcher, lifeline, ended): (pid_t, Int32, Int32) = (-1, -1, -1)
    /// Why there is no conversation.
    private var problem = "cannot be reached"

    /// Starts the program, or connects to it.
    /// - Parameters:
    ///   - socketPath: where one that is started is to listen.
    ///   - log: file for what it prints, and for why it was given up.
    init(_ use: ExternalUse, socketPath: String, log: String, context: ProgramContext) {
        self.use = use
        self.log = log
        do {
            let endpoint = use.program.endpoint ?? "ipc://" + socketPath
            if use.program.endpoint == nil { try start(use.program.command + [endpoint]) }
            socket = try ProgramSocket(use, endpoint: endpoint, ended: ended, context: context)
        } catch {
            problem = "\(error)"
        }
    }

    deinit {
        letGo()
        waitForEnd()
    }

    private func start(_ command: [String]) throws(SystemError) {
        let output = testbed_open(log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        guard output >= 0 else { throw SystemError("open \(log)", code: errno) }
        defer { close(output) }
        var words = command.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        watcher = testbed_start_program(&words, output, &lifeline)
        guard watcher > 0 else { throw SystemError("start \(command[0])", code: errno) }
        ended = testbed_pidfd_open(watcher)
    }

    func begin(born: Instant) -> ExternalAnswer<Void> {
        guard let socket else { return .gone(problem) }
        return told(socket.begin(born: born, patience: max(use.program.timeout, Self.startPatience)))
    }

    func route(_ request: RequestView, among workers: [WorkerView]) -> ExternalAnswer<Int> {
        guard let socket else { return .gone(problem) }
        return told(socket.route(request, among: workers, patience: use.program.timeout))
    }

    func admit(from waiting: WaitingQueue, _ engine: EngineView) -> ExternalAnswer<[Int]> {
        guard let socket else { return .gone(problem) }
        return told(socket.admit(from: waiting, engine, patience: use.program.timeout))
    }

    /// Says how the program ended where it did.
    private func told<Value>(_ answer: ExternalAnswer<Value>) -> ExternalAnswer<Value> {
        guard case .gone(let why) = answer, let ending = reap(waits: false) else { return answer }
        return .gone(why + ", with code \(ending)")
    }

    func giveUp(_ reason: String) {
        let line = Array("testbed: the program \(reason); \(use.program.fallback.name) decides from here on\n".utf8)
        let output = testbed_open(log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        if output >= 0 {
            _ = line.withUnsafeBytes { write(output, $0.baseAddress, $0.count) }
            close(output)
        }
        problem = reason
        letGo()
    }

    /// Ends the conversation, and the program if it is ours.
    func letGo() {
        socket = nil
        if lifeline >= 0 { close(lifeline) }
        lifeline = -1
    }

    /// Waits until a program of ours is gone that was let go.
    func waitForEnd() { _ = reap(waits: true) }

    /// The code that a program of ours has ended with; `nil` while it goes on.
    private func reap(waits: Bool) -> Int32? {
        guard watcher > 0 else { return nil }
        var (status, ended): (Int32, pid_t) = (0, -1)
        repeat { ended = waitpid(watcher, &status, waits ? 0 : WNOHANG) } while ended < 0 && errno == EINTR
        guard ended != 0 else { return nil }
        watcher = -1
        closeEnd()
        return (status >> 8) & 0xff
    }

    private func closeEnd() {
        if ended >= 0 { close(ended) }
        ended = -1
    }
}

/// The programs outside that decide for the nodes of this process.
public final class ExternalPrograms {
    /// Why there are none between hosts: a host would run commands that came over the network.
    public static let refusal = "found a program that decides (policy: process), which runs on the launcher's host alone, expected a run without other hosts"

    private let directory: String
    private let isOwnDirectory: Bool
    private let logs: String
    private var context: ProgramContext?
    private var programs: [ExternalProcess] = []

    /// - Parameters:
    ///   - directory: where sockets are made; `nil`: one is made for them.
    ///   - logs: folder for what programs print.
    init(directory: String?, logs: String) throws(SystemError) {
        isOwnDirectory = directory == nil
        if let directory { self.directory = directory } else { self.directory = try Files.makePrivateDirectory() }
        self.logs = logs
    }

    deinit {
        end()
        if isOwnDirectory { Files.remove(directory) }
    }

    /// What one node asks programs by.
    var desk: ExternalDesk {
        ExternalDesk(clock: monotonicNow) { [unowned self] use in connect(use) }
    }

    private func connect(_ use: ExternalUse) -> any ExternalDecider {
        let name = "\(use.node).\(use.kind.name)"
        if context == nil { context = try? ProgramContext() }
        guard let context else { return Unreachable() }
        // Numbered, for a node may begin anew in this process, and another process of it may have left its file.
        let program = ExternalProcess(
            use, socketPath: "\(directory)/\(getpid())-\(programs.count)", log: "\(logs)/\(name).log", context: context)
        programs.append(program)
        return program
    }

    /// Ends all programs, and returns when they are gone.
    func end() {
        for program in programs { program.letGo() }
        for program in programs { program.waitForEnd() }
        programs.removeAll()
    }

    /// Where there cannot be a conversation at all.
    private final class Unreachable: ExternalDecider {
        private static let why = "cannot be asked: no more sockets"
        func begin(born: Instant) -> ExternalAnswer<Void> { .gone(Self.why) }
        func route(_ request: RequestView, among workers: [WorkerView]) -> ExternalAnswer<Int> { .gone(Self.why) }
        func admit(from waiting: WaitingQueue, _ engine: EngineView) -> ExternalAnswer<[Int]> { .gone(Self.why) }
        func giveUp(_ reason: String) {}
    }
}
