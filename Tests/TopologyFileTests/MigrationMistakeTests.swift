import Testing

@testable import TopologyFile

@Suite("Moves between ranks are refused")
struct MigrationMistakeTests {
    @Test(
        "where a policy would move or copy the caches of a gang, at the place of the policy",
        arguments: [("controller: {migration: llumnix}", 6), ("recovery: {policy: kv-replica}", 6)])
    func gangs(line: String, row: Int) {
        let text = """
            version: 1
            model: mixtral-8x7b
            defaults: {device: h200-sxm}
            pools: {rank: {role: ep, count: 2}}
            workload: {arrivals: {constant: 1/s}, prompt-tokens: 10, output-tokens: 10, requests: 1}
            \(line)
            """
        let outcome = TopologyReader.read(Array(text.utf8), path: "gang.yaml")
        guard case .failure(let failure) = outcome else {
            Issue.record("nothing was wrong with \(line)")
            return
        }
        #expect("\(failure)".contains("gang.yaml:\(row):"), "\(failure)")
        #expect("\(failure)".contains("ranks of a gang"), "\(failure)")
    }
}
