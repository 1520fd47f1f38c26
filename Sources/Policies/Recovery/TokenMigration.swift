/// The tokens of a lost request go straight to another decode worker, which computes its cache itself.
///
/// Source: the live migration of ServerlessLLM (OSDI 24), which moves tokens and not caches, here after a failure. Spares the queue of the prefill workers
/// and the transfer; the prompt is computed between the decode worker's own iterations and holds them up. In a colocated cluster it is `recompute`.
public struct TokenMigration: RecoveryPolicy {
    public static let description = PolicyDescription(
        name: "token-migration", summary: "another decode worker computes the cache from the tokens so far", source: "ServerlessLLM (OSDI 24)")

    public init(parameters: PolicyParameters) {}

    public var resumption: Resumption { .decodeWorker }
}
