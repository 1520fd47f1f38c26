/// A lost request is computed anew, prompt and tokens so far alike, by the workers that a new one would go to.
///
/// Source: preemption by recomputation of vLLM, over workers. Costs a prefill of all tokens, and with prefill workers the transfer of the cache.
public struct Recompute: RecoveryPolicy {
    public static let description = PolicyDescription(
        name: "recompute", summary: "prompt and tokens so far are computed where a new request would be", source: "recomputation of vLLM")

    public init(parameters: PolicyParameters) {}

    public var resumption: Resumption { .anywhere }
}
