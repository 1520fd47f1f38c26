import Policies
import Quantities

/// Who belongs to a gang, from when on.
///
/// A gang's exchanges wait for all of its ranks. When one counts as dead the controller tells the others, and they go on without it, its experts
/// placed on those that are left; when its new process serves, or it has begun anew, it belongs to the gang again. One that has notice of its end leaves
/// before it, where the preemption policy says so. Each change is an *epoch*. All
/// of it follows from the verdicts of the failure detector and the latencies between controller and ranks, so every rank knows it for itself, and all
/// ranks begin an epoch at one time.
public struct Membership: Sendable, Equatable {
    /// A time in which a gang has the same members.
    public struct Epoch: Sendable, Equatable {
        public var from: Instant
        /// When its first iteration can begin: experts that no rank that is left had must be loaded first.
        public var resumes: Instant
        /// `nil` where nobody is left on one side, so that nothing can be computed.
        public var gang: Gang?
        /// The first time from which a member is not there any more, though it belongs to the gang: no iteration ends after it.
        public var doom: Instant
        /// When the gang stands still, because a member does or members cannot reach each other.
        public var pauses: [TimeSpan]
    }

    public private(set) var epochs: [Epoch] = []

    public init(_ gang: Gang, _ plan: ClusterPlan, _ layout: ClusterLayout, _ table: FaultTable) {
        let latency = plan.links.control.latency
        var changes: [(at: Instant, node: Int, isHere: Bool)] = []
        let heartbeats = Heartbeats(plan)
        let births: [Instant] = [0] + table.outages[ClusterLayout.controller].map(\.until).filter { $0 < .never }
        for born in births where !table.isEmpty {
            for verdict in heartbeats.verdicts(table, layout, born: born) where gang.members.contains(verdict.node) {
                // A rank that is heard again is told, begins anew and says so; then the others are told.
                changes.append((verdict.at + (verdict.isSilent ? latency : 4 * latency), verdict.node, !verdict.isSilent))
            }
        }
        let startUps = StartUps(plan, layout)
        for node in gang.members {
            for outage in table.outages[node] where outage.until < .never {
                changes.append((startUps.end(of: node, born: outage.until, table) + 2 * latency, node, true))
            }
        }
        changes += Self.departures(of: gang, plan, table)
        changes.sort { ($0.at, $0.node, $0.isHere ? 1 : 0) < ($1.at, $1.node, $1.isHere ? 1 : 0) }
        // One that has left need not be missed.
        var present = Set(gang.members)
        changes.removeAll { change in
            guard !change.isHere else {
                present.insert(change.node)
                return false
            }
            return present.remove(change.node) == nil
        }

        var members = Set(gang.members)
        append(gang, members, from: 0, resumes: 0, table)
        for (place, change) in changes.enumerated() {
            let before = members.count
            if change.isHere { members.insert(change.node) } else { members.remove(change.node) }
            guard place + 1 == changes.count || changes[place + 1].at > change.at else { continue }
            let lost = gang.experts.contains(change.node) && members.count < before
            let loading = lost ? Self.loading(gang, members, plan, layout) : 0
            append(gang, members, from: change.at, resumes: change.at + latency + loading, table)
        }
    }

    /// Ranks that have notice of their end leave shortly before, so that the others need not miss them: at the end of an iteration, as with every change.
    private static func departures(of gang: Gang, _ plan: ClusterPlan, _ table: FaultTable) -> [(at: Instant, node: Int, isHere: Bool)] {
        guard let margin = PreemptionRegistry.times(plan.recovery.preemption)?.margin else { return [] }
        return gang.members.flatMap { node in
            table.notices[node].map { (max($0.at + plan.links.control.latency, $0.deadline - margin), node, false) }
        }
    }

    private mutating func append(_ gang: Gang, _ members: Set<Int>, from: Instant, resumes: Instant, _ table: FaultTable) {
        var part = gang
        part.attention = gang.attention.filter(members.contains)
        part.experts = gang.experts.filter(members.contains)
        let isWhole = !part.attention.isEmpty && !part.experts.isEmpty
        let doom = part.members.reduce(Instant.never) { doom, node in
            table.isUp(node, at: from) ? min(doom, table.death(of: node, after: from)) : from
        }
        if let last = epochs.last, last.from == from { epochs.removeLast() }
        epochs.append(Epoch(from: from, resumes: resumes, gang: isWhole ? part : nil, doom: doom, pauses: table.pauses(of: part.members)))
    }

    /// Time to load what the lost rank had onto those that are left.
    private static func loading(_ gang: Gang, _ members: Set<Int>, _ plan: ClusterPlan, _ layout: ClusterLayout) -> Nanoseconds {
        let pool = plan.pools[gang.pool]
        guard let fleet = plan.expertFleet(of: gang, in: layout) else { return 0 }
        let left = gang.experts.count(where: members.contains)
        guard left > 0 else { return 0 }
        let slots = ByteCount((fleet.slotsPerRank + left - 1) / left)
        return plan.recovery.startUp.loading(slots * pool.model.expertBytes * ByteCount(pool.model.expertLayers))
    }

    /// The epoch that a time is in.
    public func place(at time: Instant) -> Int { (epochs.lastIndex { $0.from <= time }) ?? 0 }
}

extension FaultTable {
    /// When some of these nodes stand still, or cannot reach each other. In order, apart.
    func pauses(of nodes: [Int]) -> [TimeSpan] {
        var spans = nodes.flatMap { freezes[$0] }
        spans += cuts(among: nodes)
        spans.sort { $0.from < $1.from }
        var merged: [TimeSpan] = []
        for span in spans {
            if let last = merged.last, span.from <= last.until {
                merged[merged.count - 1].until = max(last.until, span.until)
            } else {
                merged.append(span)
            }
        }
        return merged
    }
}
