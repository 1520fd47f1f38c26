/// A request stays where it is.
///
/// Source: vLLM and SGLang, whose routers decide once. Cost none.
public struct NoMigration: MigrationPolicy {
    public static let description = PolicyDescription(name: "none", summary: "a request stays where it is", source: "default of vLLM and SGLang")

    public init(parameters: PolicyParameters) {}

    public var stages: Int32 { 0 }

    public mutating func pairs(among workers: [WorkerView]) -> [MigrationPair] { [] }
}
