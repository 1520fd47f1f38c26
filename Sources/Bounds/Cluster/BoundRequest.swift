import Quantities
import Workload

/// A request as far as bounds go by it.
public struct BoundRequest: Sendable, Equatable {
    public var arrival: Instant
    /// Tokens of its prompt and of its output, at least 1 each.
    public var prompt: Int
    public var output: Int

    public init(arrival: Instant, prompt: Int, output: Int) {
        self.arrival = arrival
        self.prompt = max(1, prompt)
        self.output = max(1, output)
    }

    public init(_ spec: RequestSpec) {
        self.init(arrival: spec.arrival, prompt: Int(spec.promptTokens), output: Int(spec.outputTokens))
    }
}
