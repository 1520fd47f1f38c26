import Cluster
import Models
import Quantities
import Workload

/// The second pass: what is wrong between values that are each right by themselves. Checks of values that could not be read are left out.
struct TopologyChecks {
    let draft: TopologyDraft
    let reading: Reading
    private let fileName: String

    /// - Parameter name: the file's base name.
    init(_ draft: TopologyDraft, _ reading: Reading, name: String) {
        self.draft = draft
        self.reading = reading
        fileName = name
    }

    /// Runs every check; the plan, when enough was given to make one.
    func plan() -> ClusterPlan? {
        let pools = draft.pools.compactMap(checked)
        checkRoles()
        checkNodes()
        checkWorkload()
        if let objective = draft.objective, objective == ServiceObjective(), !reading.isBroken("slo") {
            reading.report(at: ["slo"], "found an slo without a bound, expected ttft, tbt or e2e")
        }
        guard pools.count == draft.pools.count, let workload = draft.workload.plan else { return nil }
        return ClusterPlan(
            name: draft.name ?? Self.name(of: fileName), seed: draft.seed, clock: draft.clock, dilation: draft.dilation, pools: pools,
            controller: draft.controller, links: draft.links, hosts: draft.hosts, workload: workload, objective: draft.objective,
            records: draft.records)
    }

    /// A file's base name as a topology's name: without ending, other characters as dashes.
    private static func name(of file: String) -> String {
        var stem = file[...]
        for ending in [".yaml", ".yml"] where stem.hasSuffix(ending) { stem = stem.dropLast(ending.count) }
        let marks = "._+-".unicodeScalars
        var name = ""
        for scalar in stem.unicodeScalars.drop(while: marks.contains).prefix(64) {
            let isLetterOrDigit = scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))
            name.unicodeScalars.append(isLetterOrDigit || (marks.contains(scalar) && !name.isEmpty) ? scalar : name.isEmpty ? "x" : "-")
        }
        return name.isEmpty ? "topology" : name
    }
}
