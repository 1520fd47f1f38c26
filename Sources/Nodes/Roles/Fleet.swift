import Cluster
import Models
import Policies
import Quantities

/// The workers of a group that come and go as a scaling policy says.
struct Fleet {
    /// What a worker was told, or has said.
    enum Standing: Equatable {
        case serving, starting, draining, resting
    }

    var policy: any ScalingPolicy
    /// By place in the group.
    var standing: [Standing]
    /// Workers that serve at the least.
    let floor: Int
    private let hosts: [Int]
    private let weights: [ByteCount]
    private let startUp: StartUpPlan
    /// By host: until when its storage is taken, and whether the weights have been loaded there before, so that its memory has them.
    private var storageFree: [Instant]
    private var isCached: [Bool]

    /// - Parameter nodes: the group's, in the order of its places.
    init(_ policy: any ScalingPolicy, _ nodes: [Int32], _ plan: ClusterPlan, _ layout: ClusterLayout) {
        self.policy = policy
        let placed = nodes.map { layout.nodes[Int($0)] }
        let startUps = StartUps(plan, layout)
        hosts = placed.map { max(0, $0.host) }
        weights = placed.map { startUps.weights(of: $0.index) }
        startUp = plan.recovery.startUp
        standing = placed.map { plan.isSpare($0) ? .resting : .serving }
        floor = max(1, standing.count { $0 == .serving })
        storageFree = Array(repeating: 0, count: (layout.nodes.map(\.host).max() ?? 0) + 1)
        isCached = Array(repeating: false, count: storageFree.count)
        for (place, standing) in standing.enumerated() where standing == .serving { isCached[hosts[place]] = true }
    }

    /// When a worker that is told now would serve: what waits at its host's storage, then its bytes over the bandwidth of the best tier that has them
    /// (ServerlessLLM's estimate q + n/bw).
    func estimate(_ place: Int, at now: Instant) -> Instant {
        let host = hosts[place]
        let stored = startUp.loading(weights[place])
        let loading = isCached[host] ? min(stored, StartUpPlan(base: 0, tier: .memory).loading(weights[place])) : stored
        return max(now + startUp.base, storageFree[host]) + loading
    }

    /// Chooses a worker that begins: one that is only about to rest, or else the one that serves first.
    /// - Parameter isThere: by place, whether its process lives.
    mutating func begin(at now: Instant, isThere: (Int) -> Bool) -> (place: Int, after: Nanoseconds)? {
        let candidates = standing.indices.filter { [.draining, .resting].contains(standing[$0]) && isThere($0) }
        let best = candidates.min { left, right in
            let (first, second) = (standing[left] == .draining ? 0 : 1, standing[right] == .draining ? 0 : 1)
            return (first, estimate(left, at: now), left) < (second, estimate(right, at: now), right)
        }
        guard let best else { return nil }
        let end = estimate(best, at: now)
        if standing[best] == .resting {
            storageFree[hosts[best]] = end
            isCached[hosts[best]] = true
        }
        standing[best] = .starting
        return (best, end - now)
    }
}

extension Controller {
    /// Has workers come and go as the plan says; `false` when it names a policy that does not exist.
    mutating func scaling(_ plan: ClusterPlan, _ layout: ClusterLayout) -> Bool {
        guard plan.pools.contains(where: { $0.size > $0.count }) else { return true }
        func fleet(_ group: WorkerGroup) -> Fleet? {
            ScalingRegistry.make(plan.controller.scaling).map { Fleet($0, group.nodes, plan, layout) }
        }
        guard let first = fleet(entry) else { return false }
        entryFleet = first
        for place in first.standing.indices where first.standing[place] == .resting { entry.lose(place) }
        guard var group = decode, let second = fleet(group) else { return true }
        decodeFleet = second
        for place in second.standing.indices where second.standing[place] == .resting { group.lose(place) }
        decode = group
        return true
    }

    /// Asks the scaling policies, and tells workers to begin or to rest.
    mutating func scale(at now: Instant, _ effects: inout Effects) {
        if var fleet = entryFleet {
            if let lost = step(&fleet, entry, at: now, &effects) { entry.lose(lost) }
            entryFleet = fleet
        }
        if var fleet = decodeFleet, let group = decode {
            if let lost = step(&fleet, group, at: now, &effects) { decode?.lose(lost) }
            decodeFleet = fleet
        }
    }

    /// Answers the place of a worker that gets nothing new from now on; there are others.
    private func step(_ fleet: inout Fleet, _ group: WorkerGroup, at now: Instant, _ effects: inout Effects) -> Int? {
        let isThere = { (place: Int) in !watch.isDead[Int(group.nodes[place])] }
        let starting = fleet.standing.indices.count { fleet.standing[$0] == .starting && isThere($0) }
        let view = ScalingView(now: now, serving: group.liveViews, starting: starting, heldRequests: Int64(group.held.count + watch.held.count))
        switch fleet.policy.step(view) {
        case .same: return nil
        case .more:
            guard let (place, after) = fleet.begin(at: now, isThere: isThere) else { return nil }
            effects.send(.activate(after), to: group.nodes[place], bytes: MessageSize.header)
            return nil
        case .fewer:
            // One that is about to serve is not turned back.
            guard starting == 0, group.live.count > fleet.floor else { return nil }
            let least = group.live.min { (group.views[$0].queueLength, -$0) < (group.views[$1].queueLength, -$1) }
            guard let least else { return nil }
            fleet.standing[least] = .draining
            effects.send(.deactivate, to: group.nodes[least], bytes: MessageSize.header)
            return least
        }
    }

    /// A worker that reports its load serves, also where a controller that has taken over was not there when it was told to.
    mutating func noteServing(_ node: Int32) {
        let place = Int(places[Int(node)])
        guard watch.born > 0 else { return }
        func isNew(_ standing: Fleet.Standing?) -> Bool { standing == .resting || standing == .starting }
        if place > 0, isNew(entryFleet?.standing[place - 1]) {
            entryFleet?.standing[place - 1] = .serving
            entry.gain(place - 1)
        }
        if place < 0, isNew(decodeFleet?.standing[-place - 1]) {
            decodeFleet?.standing[-place - 1] = .serving
            decode?.gain(-place - 1)
        }
    }

    /// Notes what a worker has said of itself.
    mutating func note(_ standing: Fleet.Standing, of node: Int32) {
        let place = Int(places[Int(node)])
        if place > 0 { entryFleet?.standing[place - 1] = standing }
        if place < 0 { decodeFleet?.standing[-place - 1] = standing }
    }

    /// A worker gets nothing new.
    mutating func quit(_ node: Int32, at now: Instant, _ effects: inout Effects) {
        let place = Int(places[Int(node)])
        if place > 0 { entry.lose(place - 1) }
        if place < 0 { decode?.lose(-place - 1) }
        holdWithoutWorkers(at: now, &effects)
    }
}
