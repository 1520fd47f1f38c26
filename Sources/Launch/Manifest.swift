import Cluster
import Glibc
import Records

/// `manifest.json`: what made a run's records, and their digests.
struct Manifest {
    let plan: ClusterPlan
    let layout: ClusterLayout
    let digests: RecordFiles.Digests
    let version: String
    let incomplete: Bool

    var json: JSONValue {
        .object([
            ("version", .string(version)),
            ("name", .string(plan.name)),
            ("seed", .string(String(plan.seed))),
            ("clock", .string(plan.clock.rawValue)),
            ("host", .string(hostName)),
            ("complete", .bool(!incomplete)),
            ("nodes", .array(layout.nodes.map { .string($0.name) })),
            ("digest", .string(digests.all)),
            ("digest_algorithm", .string("xxh3-128")),
            (
                "files",
                .object(
                    digests.files.map { file in
                        (file.name, .object([("digest", .string(file.digest)), ("bytes", .integer(file.bytes))]))
                    })
            ),
        ])
    }

    private var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
