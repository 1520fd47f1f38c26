import Cluster
import Glibc
import Records
import Terminal
import Transport

/// Measures the testbed beside what the machine gives without it.
enum Bench {
    static let usage = """
        usage: scripts/bench [--quick] [--json]

        Measures, in one run on this machine: emulated seconds per second for pd-4x8 and for 16, 64 and 256 workers, hand-overs,
        messages, memory, start-up, tokens per processor second beside other emulators, and the pieces of an event.

          --quick  shorter loads: under a minute in place of about five
          --json   print JSON

        """

    /// Runs, and answers the exit code.
    static func main(_ arguments: [String]) -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        do {
            switch (arguments.first, arguments.count) {
            case ("peer", 2...): return try BareLoops.peer(Array(arguments.dropFirst()))
            case ("idle-node", 2):
                try EmptyWindows.node(directory: arguments[1])
                return 0
            case ("emulate", 4):
                return try Emulation.run(topology: arguments[1], clock: arguments[2], folder: arguments[3], testbed: try sibling("testbed"))
            default: return try measure(arguments)
            }
        } catch {
            StandardStream.error.write("bench: \(error)\n")
            return 1
        }
    }

    private static func measure(_ arguments: [String]) throws -> Int32 {
        var options = Set(arguments)
        let isQuick = options.remove("--quick") != nil
        let asJSON = options.remove("--json") != nil
        guard options.isEmpty else {
            let wantsHelp = options == ["--help"] || options == ["-h"]
            (wantsHelp ? StandardStream.output : .error).write(usage)
            return wantsHelp ? 0 : 2
        }
        guard access("Package.swift", R_OK) == 0 else { throw SystemError("run scripts/bench, which goes to the package's folder first") }
        var template = Array("/tmp/testbed-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("make a directory", code: errno) }
        let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { _ = try? Subprocess("/bin/rm", ["-rf", directory]).wait() }
        let measurements = try Measurements(bench: try sibling("testbed-bench"), directory: directory, isQuick: isQuick).all()
        StandardStream.output.write(asJSON ? measurements.json.text(.pretty) + "\n" : measurements.text)
        return 0
    }

    /// A program that lies beside this one.
    private static func sibling(_ name: String) throws -> String {
        var path = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &path, path.count - 1)
        let own = String(decoding: path[0..<max(count, 0)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard let slash = own.lastIndex(of: "/") else { throw SystemError("cannot find the program's own file") }
        return own[...slash] + name
    }
}
