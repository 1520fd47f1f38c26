import Foundation
import Testing

/// The program under test and a directory to run it in. The directory is removed in the end, and with it what is still running there.
final class Program {
    /// What came of a run.
    struct Outcome {
        /// Exit code; `nil` when a signal ended it.
        var code: Int32?
        var signal: Int32?
        var output: String
        var error: String
    }

    /// Something that did not come in time, or cannot be started.
    struct Failure: Error, CustomStringConvertible { var description: String }

    /// Beside the bundle of tests.
    static let executable = folder(of: (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "") + "/testbed"

    let directory: String
    private var started: [pid_t] = []
    private var runs = 0

    init() throws {
        directory = FileManager.default.temporaryDirectory.path + "/testbed-e2e-\(UUID().uuidString.prefix(12))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        guard FileManager.default.isExecutableFile(atPath: Self.executable) else { throw Failure(description: "no program at \(Self.executable)") }
    }

    deinit {
        for process in started { kill(process, SIGKILL) }
        for process in processes { kill(process, SIGKILL) }
        chmod(directory, 0o755)
        try? FileManager.default.removeItem(atPath: directory)
    }

    private static func folder(of path: String) -> String { URL(fileURLWithPath: path).deletingLastPathComponent().path }

    // MARK: - Files

    func path(_ name: String) -> String { directory + "/" + name }

    /// Writes a file into the directory.
    @discardableResult
    func write(_ text: String, to name: String) throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path(name)))
        return path(name)
    }

    func read(_ name: String) throws -> String { String(decoding: try Data(contentsOf: URL(fileURLWithPath: path(name))), as: UTF8.self) }

    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

    /// Names in the directory, or in one below it, without those of the harness.
    func list(_ name: String = "") -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: path(name))) ?? []).filter { !$0.hasPrefix("harness-") }.sorted()
    }

    /// A file of JSON as dictionaries and arrays.
    func json(_ name: String) throws -> [String: Any] {
        let value = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path(name))))
        guard let object = value as? [String: Any] else { throw Failure(description: "\(name) is no object") }
        return object
    }

    /// The digest in a run's manifest.
    func digest(_ folder: String) throws -> String { try json(folder + "/manifest.json")["digest"] as? String ?? "" }

    // MARK: - Processes

    /// A run under way.
    struct Started {
        var process: pid_t
        var number: Int
    }

    /// Starts the program in the directory.
    /// - Parameter shell: the script that runs it in place of `exec "$0" "$@"`.
    func start(_ arguments: [String], shell: String? = nil) throws -> Started {
        runs += 1
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, path("harness-\(runs)-output"), O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        posix_spawn_file_actions_addopen(&actions, 2, path("harness-\(runs)-error"), O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        // A crash is to end a process, not to be explained at length; sockets are to be here, so that one left behind is seen.
        var variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("SWIFT_BACKTRACE") }
        variables["XDG_RUNTIME_DIR"] = directory
        let environment = variables.map { "\($0.key)=\($0.value)" }
        let script = "cd '\(directory)' && " + (shell ?? "exec \"$0\" \"$@\"")
        let command = ["/bin/sh", "-c", script, Self.executable] + arguments
        var process: pid_t = 0
        let code = withStrings(command) { words in
            withStrings(environment) { variables in posix_spawn(&process, command[0], &actions, nil, words, variables) }
        }
        guard code == 0 else { throw Failure(description: "cannot start \(command[0]): \(code)") }
        started.append(process)
        return Started(process: process, number: runs)
    }

    private func withStrings(_ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Int32) -> Int32 {
        let words = strings.map { strdup($0) }
        defer { for word in words { free(word) } }
        return body(words + [nil])
    }

    /// Waits for the end of a run.
    func finish(_ run: Started, limit: Double = 90) throws -> Outcome {
        var status: Int32 = 0
        let ended = within(limit) { waitpid(run.process, &status, WNOHANG) == run.process }
        guard ended else { throw Failure(description: "no end within \(limit) s") }
        started.removeAll { $0 == run.process }
        let signal = status & 0x7f
        return Outcome(
            code: signal == 0 ? (status >> 8) & 0xff : nil, signal: signal == 0 ? nil : signal,
            output: try read("harness-\(run.number)-output"), error: try read("harness-\(run.number)-error"))
    }

    /// Runs the program to its end.
    func run(_ arguments: String..., shell: String? = nil, limit: Double = 90) throws -> Outcome {
        try finish(start(arguments, shell: shell), limit: limit)
    }

    /// Processes that name the directory in their command lines: the program and all nodes of its runs.
    var processes: [pid_t] { commands.map(\.process) }

    /// The command lines of these, their words with spaces between them.
    var commandLines: [String] { commands.map { $0.words.joined(separator: " ") } }

    /// Node processes of runs in the directory by index of their nodes.
    var nodes: [Int: pid_t] {
        var found: [Int: pid_t] = [:]
        for command in commands {
            guard let place = command.words.firstIndex(of: "--index"), place + 1 < command.words.count else { continue }
            if let index = Int(command.words[place + 1]) { found[index] = command.process }
        }
        return found
    }

    /// Whether the clock of a run has begun: the client writes what it counts from then on.
    func isUnderWay(_ folder: String = "run") -> Bool {
        list().contains { $0.hasPrefix(folder) && exists($0 + "/parts/client.statistics") }
    }

    private var commands: [(process: pid_t, words: [String])] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { name in
            guard let process = pid_t(name), let data = FileManager.default.contents(atPath: "/proc/\(name)/cmdline") else { return nil }
            let words = data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            return words.contains { $0.contains(directory) } ? (process, words) : nil
        }
    }

    /// Waits until something holds. Answers whether it came to hold within so many seconds.
    func within(_ limit: Double, _ condition: () throws -> Bool) rethrows -> Bool {
        let end = DispatchTime.now().uptimeNanoseconds + UInt64(limit * 1e9)
        while DispatchTime.now().uptimeNanoseconds < end {
            if try condition() { return true }
            usleep(10_000)
        }
        return try condition()
    }
}
