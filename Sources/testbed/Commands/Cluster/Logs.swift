import CommandLine
import Glibc
import Launch
import Quantities
import Terminal

/// `testbed logs`: what the nodes of a cluster that stays up, and its launcher, have written.
enum Logs {
    static func run(_ command: ParsedCommand) -> Int32 {
        Clusters.attempt {
            let cluster = try Clusters.chosen(command)
            guard let status = cluster.status else { return 0 }
            let folder = status["folder"]?.asText ?? ""
            let known = (status["nodes"]?.asList ?? []).compactMap { $0["name"]?.asText } + ["launcher"]
            for name in command.arguments where !known.contains(name) {
                let hint = nearest(name, among: known).map { ", did you mean '\($0)'?" } ?? ""
                return fail("unknown node '\(name)'" + hint, code: 2)
            }
            let names = command.arguments.isEmpty ? known : known.filter(command.arguments.contains)
            let width = names.map(\.count).max() ?? 0
            let files = names.map { name in
                let padding = String(repeating: " ", count: width - name.count)
                return LogFile(path: "\(folder)/logs/\(name).log", prefix: names.count > 1 ? "\(name)\(padding) | " : "")
            }
            for file in files { file.copy() }
            while command.has("follow"), !cluster.connection.hasEnded(within: 200) {
                for file in files { file.copy() }
            }
            for file in files { file.finish() }
            return 0
        }
    }
}

/// A log, and how far it has been printed.
private final class LogFile {
    private let descriptor: Int32
    private let prefix: String
    private var line: [UInt8] = []

    init(path: String, prefix: String) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        self.prefix = prefix
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Prints the lines that have been written since.
    func copy() {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while descriptor >= 0 {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            for piece in chunk[0..<count].split(separator: 0x0a, omittingEmptySubsequences: false).enumerated() {
                if piece.offset > 0 { endLine() }
                line += piece.element
            }
            // A line without end is not kept for ever.
            if line.count > 1 << 20 { endLine() }
        }
    }

    private func endLine() {
        StandardStream.output.write(prefix + String(decoding: line, as: UTF8.self) + "\n")
        line.removeAll(keepingCapacity: true)
    }

    /// Prints the rest.
    func finish() {
        copy()
        if !line.isEmpty { endLine() }
    }
}
