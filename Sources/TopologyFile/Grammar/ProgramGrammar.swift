import Glibc
import Policies
import Quantities

/// How a program outside stands in a topology: `{policy: process, command: [python3, mine.py], timeout: 1s, fallback: join-shortest-queue}`.
struct ProgramGrammar {
    fileprivate struct Draft {
        var command: [String]?
        var endpoint: String?
        var timeout: Nanoseconds = 1_000_000_000
        var fallback: PolicyChoice
    }

    private static let endpointPattern = "^(ipc:///.+|tcp://(127\\.0\\.0\\.1|localhost|\\[::1\\]):[0-9]+)$"
    private let mapping: Codec<Draft>

    /// - Parameters:
    ///   - fallback: codec of the policies of the family that are no programs.
    ///   - name: the fallback where none is given.
    init(fallback: Codec<PolicyChoice>, name: String) {
        let word = Codec<String>.text("a word of a command, without NUL, of 1 to 4096 bytes") {
            (1...4_096).contains($0.utf8.count) && !$0.utf8.contains(0)
        }
        let endpoint = Codec<String>.text(
            "an endpoint on this machine, ipc:///PATH or tcp://127.0.0.1:PORT", pattern: Self.endpointPattern, accepts: Self.isEndpoint)
        let said = Dictionary(uniqueKeysWithValues: ExternalProgram.settings.map { ($0.name, $0.summary) })
        mapping = .mapping(
            "a program", Draft(fallback: PolicyChoice(name)),
            [
                Key("policy", \.policy, .name("policy", [ExternalProgram.policyName]), isRequired: true, "A program decides."),
                Key("command", \.command, Codec<[String]>.list("words of a command", word, limit: 64).optional, said["command"] ?? ""),
                Key("endpoint", \.endpoint, endpoint.optional, said["endpoint"] ?? ""),
                Key("timeout", \.timeout, .quantity(.duration, 1_000_000...600_000_000_000), said["timeout"] ?? ""),
                Key("fallback", \.fallback, fallback, said["fallback"] ?? ""),
            ])
    }

    var schema: JSON { mapping.schema }

    func read(_ node: YAMLNode, _ reading: Reading) -> PolicyChoice? {
        guard let draft = mapping.read(node, nil, reading), case .mapping(let entries) = node.content else { return nil }
        guard (draft.command == nil) != (draft.endpoint == nil) else {
            let mark = entries.first { $0.key == "endpoint" && draft.command != nil }?.keyMark ?? node.mark
            // One that is there and cannot be read has been reported.
            if draft.command != nil || !entries.contains(where: { $0.key == "command" || $0.key == "endpoint" }) {
                let found = draft.command == nil ? "neither 'command' nor" : "both 'command' and"
                reading.report(mark, "found \(found) 'endpoint' for a program, expected one of the two")
            }
            return nil
        }
        var command = draft.command ?? []
        if let first = entries.first(where: { $0.key == "command" })?.value {
            guard let found = locate(command, at: first, reading) else { return nil }
            command = found
        }
        return PolicyChoice(
            ExternalProgram(command: command, endpoint: draft.endpoint, timeout: draft.timeout, fallback: draft.fallback))
    }

    func write(_ program: ExternalProgram) -> YAMLNode? {
        mapping.write(
            Draft(
                command: program.command.isEmpty ? nil : program.command, endpoint: program.endpoint, timeout: program.timeout,
                fallback: program.fallback))
    }

    /// The words of a command with files by their full paths: from the topology's folder, or else from the present one. The program must be there.
    private func locate(_ command: [String], at node: YAMLNode, _ reading: Reading) -> [String]? {
        let folders = [reading.directory(of: node.mark), FilePath.current]
        let words = command.map { word in
            folders.map { FilePath.resolve(word, in: $0) }.first { SourceFile.problem($0) == nil } ?? word
        }
        let program = command[0].contains("/") ? words[0] : command[0]
        let places = program.contains("/") ? [program] : Self.searchPath.map { $0 + "/" + program }
        guard places.contains(where: { SourceFile.problem($0) == nil && access($0, X_OK) == 0 }) else {
            var mark = node.mark
            if case .sequence(let items) = node.content, let first = items.first { mark = first.mark }
            let expected = program.contains("/") ? "a file that may be run" : "a program on the PATH, or the path of one"
            reading.report(mark, "found no program \(quoted(command[0])), expected \(expected)")
            return nil
        }
        return [program] + words.dropFirst()
    }

    private static var searchPath: [String] {
        (getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin").split(separator: ":").map(String.init)
    }

    private static func isEndpoint(_ text: String) -> Bool {
        guard text.utf8.count <= 200, !text.utf8.contains(0) else { return false }
        // A socket's address has room for 107 bytes.
        if text.hasPrefix("ipc:///") { return (8...113).contains(text.utf8.count) }
        for host in ["127.0.0.1", "localhost", "[::1]"] where text.hasPrefix("tcp://\(host):") {
            let digits = text.dropFirst("tcp://\(host):".count)
            return digits.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } && UInt16(digits).map { $0 > 0 } == true
        }
        return false
    }
}

extension ProgramGrammar.Draft {
    fileprivate var policy: String {
        get { ExternalProgram.policyName }
        set {}
    }
}
