import Quantities

/// A worker that will be ended gets nothing new, hands back what waits, and goes on with what runs; what has not ended `margin` before its end is handed
/// back too, and begun again elsewhere.
///
/// Source: rerouting, a baseline of SpotServe (ASPLOS 24); graceful termination of Kubernetes. No request waits for the failure detector. What is handed back
/// late has its cache computed again: prompt and tokens so far. Cost O(requests of the worker).
public struct DrainBeforeEnd: PreemptionPolicy {
    public static let description = PolicyDescription(
        name: "drain", aliases: ["reroute"], summary: "finishes what it can and hands the rest back",
        source: "rerouting, a baseline of SpotServe (ASPLOS 24)",
        parameters: [PreemptionParameters.margin, PreemptionParameters.lead(1_000_000)])

    public let margin: Nanoseconds
    public let lead: Nanoseconds

    public init(parameters: PolicyParameters, random: RandomStream) {
        margin = PreemptionParameters.margin(parameters)
        lead = PreemptionParameters.lead(parameters)
    }
}

/// What several preemption policies have in common.
enum PreemptionParameters {
    static let margin = ParameterDescription(
        "margin", unit: "s", defaultValue: 0.01, range: 0...3600, summary: "how long before its end a worker hands back what is left")

    static func lead(_ value: Double) -> ParameterDescription {
        ParameterDescription(
            "lead", unit: "s", defaultValue: value, range: 0...1_000_000,
            summary: "how long before its end a worker takes nothing new any more, or from the notice on where that comes later")
    }

    static func lead(_ parameters: PolicyParameters) -> Nanoseconds { Nanoseconds(parameters["lead"] * 1e9) }

    static func margin(_ parameters: PolicyParameters) -> Nanoseconds { Nanoseconds(parameters["margin"] * 1e9) }
}
