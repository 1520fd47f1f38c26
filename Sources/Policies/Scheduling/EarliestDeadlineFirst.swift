import Quantities

/// The request whose first token is due first.
///
/// Source: EDF, Liu and Layland 1973; Dertouzos 1974 (if any order meets all deadlines on one server that may preempt, this one does). Model:
/// deadlines for the first token that grow with the prompt: arrival + `base` + `per-token` for each token of the prompt, times `class-factor` to the
/// power of the priority. Here prompts share iterations and memory, and who runs stays, so the optimality is lost; past its capacity EDF is known to
/// collapse, since it serves first who is late already. Rule: by deadline, then priority and arrival; the first that does not fit ends the admission.
/// A preempted request keeps its deadline. Cost O(log waiting) to order a request, O(1) to admit one.
public struct EarliestDeadlineFirst: SchedulingPolicy {
    public static let description = PolicyDescription(
        name: "edf", summary: "the request whose first token is due first", source: "Liu and Layland 1973; Dertouzos 1974",
        parameters: [
            ParameterDescription(
                "base", unit: "s", defaultValue: 0.5, range: 0...3600, summary: "time to the first token that every request is given"),
            ParameterDescription("per-token", unit: "s", defaultValue: 0.001, range: 0...10, summary: "time for each token of the prompt on top"),
            ParameterDescription("class-factor", defaultValue: 2, range: 0.01...100, summary: "times as much time for each step of lower priority"),
        ])
    public static let traits: SchedulingTraits = [.ranks, .overtakes]

    private let base: Double
    private let perToken: Double
    private let factor: Double

    public init(parameters: PolicyParameters, random: RandomStream) {
        base = parameters["base"] * 1e9
        perToken = parameters["per-token"] * 1e9
        factor = parameters["class-factor"]
    }

    public mutating func rank(of request: QueuedRequest) -> Int64 {
        var time = base + perToken * Double(request.tokens - request.generated)
        // Plain products, which are the same on every machine.
        for _ in 0..<min(abs(Int(request.priority)), 64) { time = request.priority > 0 ? time * factor : time / factor }
        return request.arrival &+ Int64(min(time, 1e17))
    }
}
