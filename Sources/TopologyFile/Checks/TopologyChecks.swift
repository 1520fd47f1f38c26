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
        let pairs = draft.pools.compactMap { pool in checked(pool).map { (draft: pool, plan: $0) } }
        checkRoles()
        checkNodes()
        checkWorkload()
        checkPredictor()
        checkOrder()
        checkAdmission()
        checkMoves()
        checkMovesOfLeaving()
        checkScaling()
        if let objective = draft.objective, objective == ServiceObjective(), !reading.isBroken("slo") {
            reading.report(at: ["slo"], "found an slo without a bound, expected ttft, tbt or e2e")
        }
        // What pools are to each other does not depend on the workload, and mistakes in it must not hide theirs.
        let workload = draft.workload.plan
        var cluster = ClusterPlan(
            name: draft.name ?? Self.name(of: fileName), seed: draft.seed, clock: draft.clock, dilation: draft.dilation, pools: pairs.map(\.plan),
            controller: draft.controller, links: draft.links, hosts: draft.hosts,
            workload: workload ?? WorkloadPlan(arrivals: .poisson(rate: 1), requestLimit: 1), objective: draft.objective, records: draft.records,
            predictor: draft.predictor, decisionCost: draft.decisionCost, recovery: draft.recovery)
        for (pool, plan) in pairs { checkMemory(plan, pool, in: cluster) }
        // A cluster without measure is not laid out.
        if cluster.pools.reduce(0, { $0 + $1.size }) <= Limits.nodes {
            let layout = ClusterLayout(cluster)
            for (pool, plan) in pairs { checkExperts(plan, pool, in: cluster, layout) }
        }
        checkRecordedLoads(cluster.pools)
        checkRecovery()
        if pairs.count == draft.pools.count { cluster.faults = checkedFaults(cluster) }
        return pairs.count == draft.pools.count && workload != nil ? cluster : nil
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
