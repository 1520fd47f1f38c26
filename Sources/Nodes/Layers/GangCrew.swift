import Cluster
import Policies
import Quantities

/// Who belongs to a rank's gang, now and later, and the rank's place in it.
final class GangCrew {
    private let gang: Gang
    private let plan: ClusterPlan
    private let layout: ClusterLayout
    private let table: FaultTable
    private let node: Int
    /// Of the process, for the gang as it is at first.
    private let commons: GangCommons?
    private var membership: Membership
    private var version: Int
    /// The epoch that the rank is in.
    private(set) var epoch = 0
    private var lost: [(node: Int, at: Instant)] = []
    /// Ranks that this one has to tell when the epoch's first iteration begins.
    private(set) var newcomers: [Int] = []

    /// Iterations of an epoch are numbered from its own number, shifted by so many bits: messages of two epochs cannot be mixed up.
    static let epochBits = 24

    init(_ gang: Gang, node: Int, _ plan: ClusterPlan, _ layout: ClusterLayout, _ table: FaultTable, _ commons: GangCommons?) {
        self.commons = commons
        self.gang = gang
        self.node = node
        self.plan = plan
        self.layout = layout
        self.table = table
        membership = Membership(gang, plan, layout, table)
        version = table.version
    }

    /// A process has died, at a time that nobody has come to: its rank sends nothing any more, though it counts as there until then.
    func lose(_ node: Int, at time: Instant) { lost.append((node, time)) }

    /// Whether an iteration of a gang that begins at a time would wait for a rank that is no more.
    func isBroken(_ gang: GangRank, at time: Instant) -> Bool {
        lost.contains { time < $0.at && gang.shape.members.contains(Int32($0.node)) }
    }

    /// The table has changed, never before the present.
    func refresh() {
        guard version != table.version else { return }
        version = table.version
        membership = Membership(gang, plan, layout, table)
    }

    /// Whether the rank knows of an epoch.
    func knows(_ epoch: Int) -> Bool { epoch < membership.epochs.count }

    /// When the gang gets other members.
    var nextChange: Instant { epoch + 1 < membership.epochs.count ? membership.epochs[epoch + 1].from : .never }

    /// How long ranks wait for one that has not gone on with them: as long as one may be silent.
    var patience: Nanoseconds { plan.recovery.timeout }

    /// What the present epoch's iterations meet with; `nil` where nothing goes wrong in the run.
    var weather: GangWeather? { table.isEmpty ? nil : GangWeather(membership.epochs[epoch], table) }

    /// Takes the rank to be in an earlier epoch after all.
    func goBack(to epoch: Int) { self.epoch = max(0, min(self.epoch, epoch)) }

    /// Goes to the epoch of a time. Answers the rank's place in it; `nil` when it has none.
    func enter(at time: Instant) -> GangRank? { enter(epoch: membership.place(at: time), at: time) }

    func enter(epoch: Int, at time: Instant) -> GangRank? {
        guard epoch < membership.epochs.count else { return nil }
        self.epoch = epoch
        newcomers = []
        let here = membership.epochs[epoch]
        guard let gang = here.gang, here.doom > time, let member = gang.members.firstIndex(of: node) else { return nil }
        for policy in [nil, "eplb", "contiguous"] {
            // A policy for a certain number of ranks cannot serve fewer.
            var plan = plan
            if let policy { plan.pools[gang.pool].mixture?.balance.policy = PolicyChoice(policy) }
            let commons = epoch == 0 && policy == nil ? commons : nil
            let make = { GangShape(gang, plan: plan, layout: self.layout) }
            guard let shape = commons.map({ $0.shape(gang.members[0], make) }) ?? make(),
                let rank = GangRank(
                    shape, member: member, nodes: layout.nodes.count, seed: plan.seed, commons: commons, recordsLayers: plan.records.layers)
            else { continue }
            rank.weather = weather
            guard epoch > 0 else { return rank }
            // The ranks that have belonged to it longest have done the same iterations: they agree on when they are done with what they had begun, and
            // tell the others, which may have passed changes that these have not come to yet.
            let joined = gang.attention.map { self.joined($0, by: epoch) }
            let first = joined.min() ?? 0
            let veterans = gang.attention.indices.filter { joined[$0] == first }.map { gang.attention[$0] }
            guard veterans.contains(node) else {
                rank.enter(epoch, from: nil)
                return rank
            }
            rank.enter(epoch, from: max(here.resumes, time) + shape.wakeLatency)
            if veterans.first == node { newcomers = gang.attention.filter { !veterans.contains($0) } }
            return rank
        }
        return nil
    }

    /// Since which epoch a rank has belonged to the gang of a later one without a break, as the same process.
    private func joined(_ rank: Int, by epoch: Int) -> Int {
        let epochs = membership.epochs
        return (1..<max(1, epoch + 1)).last { place in
            let (before, change) = (epochs[place - 1], epochs[place].from)
            return before.gang?.attention.contains(rank) != true
                || table.outages[rank].contains { $0.from < change && $0.until > before.from }
        } ?? 0
    }
}

/// What an iteration of a gang meets with: ranks that stand still, are slow or die, and links between them.
///
/// A barrier in each layer makes everybody wait within a layer's time for the one that stands still, so the whole iteration is as much later. With a
/// slow rank, or links of less bandwidth, it is taken to be longer by the factor of the slowest, and by two latencies and the mean cost of two
/// exchanges with lost messages a layer: more than it would be by the share of the time that the slowest has no part in.
struct GangWeather {
    private let epoch: Membership.Epoch
    private let table: FaultTable

    init(_ epoch: Membership.Epoch, _ table: FaultTable) {
        self.epoch = epoch
        self.table = table
    }

    /// No iteration ends after this time.
    var doom: Instant { epoch.doom }

    /// When an iteration begins that is due at a time.
    func begin(at time: Instant) -> Instant { epoch.pauses.first { $0.contains(time) }?.until ?? time }

    /// When something is over that would be at `time` in an iteration that began at `start`, if nothing were wrong.
    func map(_ time: Instant, start: Instant, layers: Int) -> Instant {
        guard let gang = epoch.gang else { return time }
        let strain = table.strain(among: gang.members, at: start)
        let factor = gang.members.reduce(strain.stretch) { max($0, table.slowdown($1, at: start)) }
        let (product, isTooLong) = (time - start).multipliedReportingOverflow(by: factor)
        guard !isTooLong else { return start + .never / 8 }
        var end = start + product / 1000 + 2 * Nanoseconds(layers) * (strain.latency + strain.resending)
        for pause in epoch.pauses where pause.from >= start && pause.from < end && end < .never {
            end = pause.until == .never ? .never : end + (pause.until - pause.from)
        }
        return end
    }
}
