import CommandLine
import Glibc
import Launch
import Quantities
import Records
import Terminal
import TraceFiles
import Workload

/// `testbed submit`: requests for a cluster that stays up.
enum Submit {
    static func run(_ command: ParsedCommand) -> Int32 {
        Clusters.attempt {
            let (submission, count) = try command.has("trace") ? trace(command) : generated(command)
            let what = ClusterCommand(.submit(submission), at: Clusters.time(command, "at"), holds: command.has("hold"))
            let answer = try Clusters.ask(Clusters.chosen(command), what)
            let time = answer["at"]?.asInteger ?? 0
            let value: JSONValue = ["requests": .integer(Int64(count)), "at_s": .number(seconds(time))]
            let text = "\(Figures.count(Int64(count))) requests from \(secondsText(time)) on"
            StandardStream.output.write((command.has("json") ? value.text(.pretty) : text) + "\n")
            return 0
        }
    }

    private static func generated(_ command: ParsedCommand) throws -> (ClusterCommand.Submission, Int) {
        guard let rate = command.number("rate"), let requests = command.integer("requests") else {
            throw Clusters.Stop(code: fail("submit: found neither a trace nor a rate, expected --trace FILE, or --rate R and --requests N", code: 2))
        }
        let submission = ClusterCommand.Submission.generated(
            rate: rate, requests: Int(requests), promptTokens: command.text("prompt-tokens").flatMap(lengths) ?? .fixed(512),
            outputTokens: command.text("output-tokens").flatMap(lengths) ?? .fixed(128), seed: command.integer("seed"))
        return (submission, Int(requests))
    }

    private static func trace(_ command: ParsedCommand) throws -> (ClusterCommand.Submission, Int) {
        for option in ["rate", "prompt-tokens", "output-tokens", "seed"] where command.has(option) {
            let reason = "submit: found --\(option) next to --trace, which has times and lengths of its own, expected one"
            throw Clusters.Stop(code: fail(reason, code: 2))
        }
        let given = command.text("trace") ?? ""
        guard let full = realpath(given, nil) else {
            throw Clusters.Stop(code: fail("\(given): \(String(cString: strerror(errno))), expected a trace", code: 2))
        }
        defer { free(full) }
        let path = String(cString: full)
        do {
            guard let format = TraceFile.guessFormat(path: path, firstLine: try TraceFile.firstLine(of: path)) else {
                let names = TraceFormat.allCases.map(\.rawValue).joined(separator: ", ")
                throw Clusters.Stop(code: fail("\(given): found a trace in no known format, expected one of \(names)", code: 2))
            }
            let source = TraceSource(path: path, format: format)
            let limit = command.integer("requests").map { Int($0) }
            let scan = try TraceFile.scan(source, for: WorkloadPlan(arrivals: .trace(source), requestLimit: limit))
            return (.trace(source, requests: limit), scan.rows)
        } catch let error as TraceError {
            throw Clusters.Stop(code: fail("\(error)", code: 2))
        }
    }

    /// Lengths as one writes them: `512`, or `100..800` for all between.
    static func lengths(_ text: String) -> LengthDistribution? {
        let parts = text.replacing("..", with: "\u{1}").split(separator: "\u{1}", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { part in part.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(part) : nil }
        guard numbers.count == parts.count, numbers.allSatisfy({ (1...longestRequestTokens).contains($0) }) else { return nil }
        switch numbers.count {
        case 1: return .fixed(numbers[0])
        case 2 where numbers[0] <= numbers[1]: return .uniform(from: numbers[0], through: numbers[1])
        default: return nil
        }
    }
}
