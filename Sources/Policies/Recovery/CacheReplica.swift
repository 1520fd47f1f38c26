/// Each decode worker copies its requests' new cache to a buddy; when it dies the buddy goes on from the last copy.
///
/// Source: replication of caches as in DejaVu (ICML 24): a ring, in which each worker holds copies for the one before. Costs the network the whole cache
/// once, and the buddy memory that its own requests leave: copies give way to them. What is newer than the last copy is computed again, at most
/// `interval` tokens and a prompt that never was copied.
public struct CacheReplica: RecoveryPolicy {
    public static let description = PolicyDescription(
        name: "kv-replica", summary: "a buddy holds copies of the caches and goes on from them", source: "DejaVu (ICML 24)",
        parameters: [
            ParameterDescription(
                "interval", unit: "tokens", defaultValue: 64, range: 1...1_000_000, summary: "a cache is copied when it has grown by so many tokens")
        ])

    public let copyInterval: Int32

    public init(parameters: PolicyParameters) { copyInterval = Int32(parameters["interval"]) }

    public var resumption: Resumption { .buddy }
}
