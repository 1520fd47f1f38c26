import Foundation
import Policies
import Quantities
import Testing

/// The worker with the fewest prompt tokens still to be computed, waiting there or on their way; the first of those that tie.
public struct FewestTokens: RoutingPolicy {
    public static let description = PolicyDescription(
        name: "fewest-tokens", summary: "the worker with the fewest prompt tokens to compute", source: "mine",
        parameters: [
            ParameterDescription("penalty", unit: "tokens", defaultValue: 0, range: 0...100_000, summary: "what a request that runs counts for")
        ])

    private let penalty: Int64

    public init(parameters: PolicyParameters, random: RandomStream) { penalty = Int64(parameters["penalty"]) }

    public mutating func choose(for request: RequestView, among workers: [WorkerView]) -> Int {
        let loads = workers.map { $0.waitingTokens + $0.unseenTokens + penalty * $0.runningRequests }
        return loads.indices.min { loads[$0] < loads[$1] } ?? 0
    }
}

@Suite("The policy that the README shows")
struct ExamplePolicyTests {
    @Test("is the one of this file, which compiles and chooses what it says")
    func example() throws {
        let file = URL(fileURLWithPath: #filePath)
        let root = file.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let readme = try String(contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
        let blocks = readme.components(separatedBy: "```swift\nimport Quantities\n\n")
        try #require(blocks.count == 2)
        let shown = try #require(blocks[1].components(separatedBy: "```").first)
        #expect(try String(contentsOf: file, encoding: .utf8).contains(shown))
        var policy = FewestTokens(
            parameters: PolicyParameters(PolicyChoice("fewest-tokens"), for: FewestTokens.description), random: RandomStream(seed: 1, stream: 1))
        var workers = Array(repeating: WorkerView(totalBlocks: 100, blockSize: 16), count: 3)
        workers[0].waitingTokens = 10
        workers[1].unseenTokens = 5
        workers[2].unseenTokens = 5
        #expect(policy.choose(for: RequestView(id: 1, promptTokens: 1, priority: 0), among: workers) == 1)
    }
}
