import Cluster
import Glibc
import Records

/// `manifest.json`: what made a run's records, and their digests.
struct Manifest {
    let plan: ClusterPlan
    let layout: ClusterLayout
    let records: RecordSet
    let version: String
    let incomplete: Bool
    let hasWholeTimeline: Bool
    /// Programs outside that decided, and whether one was given up.
    let external: [Summary.External]
    /// Where the nodes were; `nil` for this host.
    var hosts: JSONValue?

    var json: JSONValue {
        let files = records.files.map { file in
            JSONValue.Member(file.name, ["digest": .string(file.digest), "bytes": .integer(file.size)])
        }
        let head: JSONValue = [
            "version": .string(version),
            "name": .string(plan.name),
            "seed": .unsigned(plan.seed),
            "clock": .string(plan.clock.rawValue),
            "host": .string(hostName),
            "complete": .bool(!incomplete),
            "timeline_complete": .bool(hasWholeTimeline),
            "nodes": .array(layout.nodes.map { .string($0.name) }),
            "digest": .string(records.digest),
            "digest_algorithm": "xxh3-128",
            "files": .object(files),
            "asks_programs": .bool(!external.isEmpty),
            "fell_back": .bool(external.contains(where: \.fellBack)),
        ]
        guard let hosts, case .object(let members) = head else { return head }
        return .object(members + [.init("hosts", hosts)])
    }

    private var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
