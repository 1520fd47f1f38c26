import Cluster
import Policies
import Quantities
import Terminal
import TopologyFile
import Workload

/// The small cluster whose workload is searched, as a topology and as a plan.
enum AdversarialTopology {
    private static func lines(_ choice: PolicyChoice, isRouting: Bool, workload: String) -> [String] {
        let parameters = choice.parameters.sorted { $0.key < $1.key }.map { ", \($0.key): \(ChoiceText.plain($0.value))" }.joined()
        let name = parameters.isEmpty ? choice.name : "{policy: \(choice.name)\(parameters)}"
        let engine = isRouting ? "" : ", engine: {scheduling: \(name)}"
        return [
            "version: 1", "model: llama-3.1-8b", "pools:",
            "  worker: {role: colocated, count: \(isRouting ? 4 : 2), device: h100-sxm\(engine)}",
            "controller: {routing: \(isRouting ? name : "join-shortest-queue")}", "predictor: oracle", "workload: \(workload)",
        ]
    }

    /// The plan, without requests of its own.
    static func plan(_ choice: PolicyChoice, isRouting: Bool) throws -> ClusterPlan {
        let workload = "{arrivals: {constant: 1/s}, prompt-tokens: 1, output-tokens: 1, requests: 1}"
        let text = lines(choice, isRouting: isRouting, workload: workload).map { $0 + "\n" }.joined()
        return try TopologyReader.read(Array(text.utf8), path: "the cluster of the search").get().plan
    }

    /// The topology with its workload, the trace beside it.
    static func text(_ choice: PolicyChoice, isRouting: Bool, _ outcome: TrialOutcome, trace path: String) -> String {
        let ratio = outcome.ratio.map { Figures.fixed($0, decimals: 2) } ?? "-"
        let comment = "# Requests on which \(choice.text) has \(ratio) times the mean latency of \(outcome.best?.policy ?? "-")."
        let name = String(tracePath(path).split(separator: "/").last ?? "")
        return ([comment] + lines(choice, isRouting: isRouting, workload: "{trace: \(name)}")).map { $0 + "\n" }.joined()
    }

    /// The trace of a topology at `path`.
    static func tracePath(_ path: String) -> String { String(path.dropLast(".yaml".count)) + ".csv" }

    /// Requests in the format of the Azure traces. Arrivals are whole milliseconds of one day.
    static func trace(_ requests: [RequestSpec]) -> String {
        func digits(_ number: Int64, _ width: Int) -> String {
            let text = "\(number)"
            return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
        }
        let rows = requests.map { request -> String in
            let milliseconds = request.arrival / 1_000_000
            let (seconds, rest) = (milliseconds / 1_000, milliseconds % 1_000)
            let clock = "\(digits(seconds / 3_600, 2)):\(digits(seconds / 60 % 60, 2)):\(digits(seconds % 60, 2)).\(digits(rest, 3))0000"
            return "2025-01-01 \(clock),\(request.promptTokens),\(request.outputTokens)"
        }
        return (["TIMESTAMP,ContextTokens,GeneratedTokens"] + rows).map { $0 + "\n" }.joined()
    }
}
