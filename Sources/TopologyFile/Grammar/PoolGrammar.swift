import Cluster
import Models
import Policies
import Quantities

/// A pool as the file gives it: what is missing may still be inherited.
struct PoolDraft {
    var name = ""
    /// Where the pool's name stands.
    var mark = Mark()
    var role: Role?
    var count = 1
    /// Workers with a process; those beyond `count` rest.
    var most: Int?
    var size: Int { max(count, most ?? count) }
    var model: ModelShape?
    var device: DeviceShape?
    var tensorParallel = 1
    var pipelineParallel = 1
    var engine = EnginePlan()
    var table: MeasuredTable?
    var mixture: MixtureDraft?

    /// Where the pool's values stand in the reading.
    func path(_ key: String) -> String { "pools.\(name).\(key)" }
}

/// The keys of a pool and of what pools inherit.
enum PoolGrammar {
    /// Names of nodes that are always there.
    static let reserved = ["client", "controller"]
    /// What a pool may be called.
    static let namePattern = "^(?!(client|controller|x-.*)$)[a-z]([a-z0-9-]{0,38}[a-z0-9])?$"

    /// The keys that `defaults` may have.
    static var inheritable: [Key<PoolDraft>] {
        let parallel = Codec<Int>.integer(1...1_024)
        return [
            Key("model", \.model, ModelGrammar.codec.optional, "The model, by name or described."),
            Key("device", \.device, DeviceGrammar.codec.optional, "The accelerator, by name or described."),
            Key("tensor-parallel", \.tensorParallel, parallel, aliases: ["tp"], "Devices that share each layer."),
            Key("pipeline-parallel", \.pipelineParallel, parallel, aliases: ["pp"], "Stages that the layers are split over."),
            Key("engine", \.engine, engine, "How a worker batches and keeps its cache."),
            Key("cost-table", \.table, CostTable.codec, "Measured times (CSV: phase,size,context,time_us) that replace the roofline."),
            Key("experts", \.mixture, MixtureGrammar.codec, "How a mixture of experts is spread over workers."),
        ]
    }

    /// The keys of a pool.
    static var keys: [Key<PoolDraft>] {
        [
            Key("role", \.role, Codec<Role>.choice("role", Role.workers).optional, isRequired: true, "What its workers do."),
            Key("count", \.count, .integer(1...Limits.nodes, "a number of workers"), "Workers that serve from the start."),
            Key(
                "max", \.most, Codec<Int>.integer(1...Limits.nodes, "a number of workers").or("count"),
                "Workers that there may be: those beyond count rest until the controller's scaling policy, or `testbed scale`, has them serve."),
        ] + inheritable
    }

    /// The pools by name, in the order of the file; each starts from what the root's `defaults` holds.
    static func pools<Root>(_ pools: WritableKeyPath<Root, [PoolDraft]>, inheriting defaults: KeyPath<Root, PoolDraft>) -> Key<Root> {
        let codec = Codec<PoolDraft>.mapping("a pool", PoolDraft(), keys, inheritsAll: false)
        return Key("pools", "Pools of equal workers, by name.", schema: schema(of: codec), isRequired: true) { node, root, reading in
            guard let entries = entries(node, "pools", reading) else { return false }
            for entry in entries where !entry.key.hasPrefix("x-") {
                reportName(entry, reading)
                var draft = root[keyPath: defaults]
                reading.within(entry.key, at: entry.keyMark) {
                    guard let pool = codec.read(entry.value, draft, reading) else { return false }
                    draft = pool
                    return true
                }
                draft.name = entry.key
                draft.mark = entry.keyMark
                root[keyPath: pools].append(draft)
            }
            if root[keyPath: pools].isEmpty { reading.report(node.mark, "found no pool, expected at least one") }
            return true
        } write: { root in
            .mapping(root[keyPath: pools].compactMap { pool in codec.write(pool).map { (pool.name, $0) } })
        }
    }

    private static func schema(of pool: Codec<PoolDraft>) -> JSON {
        .object([
            ("type", .text("object")), ("patternProperties", .object([("^x-", .object([])), (namePattern, pool.schema)])),
            ("additionalProperties", .flag(false)), ("minProperties", .number("1")),
        ])
    }

    private static func reportName(_ entry: YAMLEntry, _ reading: Reading) {
        let name = entry.key.utf8
        if reserved.contains(entry.key) {
            reading.report(entry.keyMark, "found a pool called \(quoted(entry.key)), expected another name: the cluster has a node of that name")
            return
        }
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        let dash = UInt8(ascii: "-")
        let isWell = name.first.map(letters.contains) == true && name.last != dash && name.count <= 40
        if !isWell || !name.allSatisfy({ letters.contains($0) || digits.contains($0) || $0 == dash }) {
            reading.report(
                entry.keyMark, "found a pool called \(quoted(entry.key)), expected a letter and then letters a-z, digits and dashes (at most 40)")
        }
    }

    static var engine: Codec<EnginePlan> {
        Codec<EnginePlan>.mapping(
            "engine", EnginePlan(),
            [
                Key("block-size", \.blockSize, .integer(1...4_096), "Tokens in a cache block."),
                Key("token-budget", \.tokenBudget, .integer(1...1_000_000), "Tokens that one iteration may compute."),
                Key("max-batch", \.maxBatch, .integer(1...65_536), "Requests that one iteration may hold."),
                Key("chunked-prefill", \.chunkedPrefill, .flag, "Whether a prompt may be computed in pieces, next to decoding requests."),
                Key(
                    "kv-memory", \.kvMemory, Codec<Int64>.quantity(.bytes, 1_024...Limits.memory.upperBound).or("auto"),
                    "Cache memory of one worker, all its devices together; auto: what the weights leave."),
                Key("memory-utilization", \.memoryUtilization, .number(0...1, isOpen: true), "Share of the device memory that the engine may use."),
                Key(
                    "max-model-length", \.maxModelLength, Codec<Int>.integer(Limits.tokens).or("auto"),
                    "Longest prompt plus output that is accepted, in tokens; auto: what the model and the cache allow."),
                Key("scheduling", \.scheduling, PolicyGrammar.scheduling(), "Who is next in a batch."),
                Key("transfer", \.transfer, .choice("transfer", TransferMode.allCases), "When the cache of a prefilled request travels."),
                Key(
                    "report-interval", \.reportInterval, .quantity(.duration, 1_000...3_600_000_000_000),
                    "Least time between two load reports to the controller."),
            ]
        ).defined(as: "engine")
    }
}
