import Quantities

/// Every request is taken.
///
/// Source: the default of vLLM and SGLang. Beyond the cluster's capacity queues, and with them times to the first token, grow without bound. Cost O(1).
public struct AdmitAll: AdmissionPolicy {
    public static let description = PolicyDescription(name: "none", summary: "every request is taken", source: "default of vLLM and SGLang")

    public init(parameters: PolicyParameters, firstTokenBound: Nanoseconds?) {}

    public mutating func admits(_ request: RequestView, to cluster: ClusterView) -> Bool { true }
}
