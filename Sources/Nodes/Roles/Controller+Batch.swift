import Cluster
import Policies
import Quantities

/// Requests that wait at the controller until a worker has room, oldest first.
struct HeldRequests {
    /// Requests that a policy sees at once: the oldest. Bounds what a decision can cost.
    static let window = 1024

    private(set) var placements: [Placement] = []
    private(set) var views: [RequestView] = []
    private(set) var tokens: Int64 = 0

    var count: Int { placements.count }

    mutating func append(_ placement: Placement, _ view: RequestView) {
        placements.append(placement)
        views.append(view)
        tokens += Int64(view.promptTokens)
    }

    /// What a policy sees of them at `now`.
    func oldest(at now: Instant) -> [RequestView] {
        views.prefix(Self.window).map { view in
            var view = view
            view.now = now
            return view
        }
    }

    /// Takes out the requests that were prefilled at a node.
    mutating func remove(prefilledAt node: Int32) { remove(placements.map { $0.prefillNode == node }) }

    /// Takes out all.
    mutating func takeAll() -> [Placement] {
        defer { self = HeldRequests() }
        return placements
    }

    /// Takes out the requests for which `leaves` has a place.
    mutating func remove(_ leaves: [Bool]) {
        for place in leaves.indices where leaves[place] { tokens -= Int64(views[place].promptTokens) }
        let rest = leaves.count..<placements.count
        placements = leaves.indices.filter { !leaves[$0] }.map { placements[$0] } + placements[rest]
        views = leaves.indices.filter { !leaves[$0] }.map { views[$0] } + views[rest]
    }
}

extension WorkerGroup {
    /// For each worker that lives, how many requests of the mean length of those held it has room for; `nil` when no request waits or nobody has room.
    private func slots() -> [Int]? {
        guard held.count > 0 else { return nil }
        let slots = liveViews.map { $0.slots(forRequestsOf: held.tokens / Int64(held.count)) }
        return slots.contains { $0 > 0 } ? slots : nil
    }

    /// Whether a decision is due.
    var hasRoomForHeld: Bool { slots() != nil }

    /// Whether reports are gathered before decisions.
    var gathers: Bool { gatheringTime > 0 }

    /// Answers whether a decision is due, and waits for further reports from now on.
    mutating func beginsToGather() -> Bool {
        guard isBatched, !isGathering, hasRoomForHeld else { return false }
        isGathering = true
        return true
    }

    /// Asks the policy. Answers the requests that leave, each with its worker, and takes them out.
    mutating func decideOnHeld(at now: Instant) -> [(placement: Placement, view: RequestView, worker: Int)] {
        guard var slots = slots(), var batch = policy as? any BatchRoutingPolicy else { return [] }
        let waiting = held.oldest(at: now)
        let choices = batch.assign(waiting, to: liveViews, slots: slots)
        policy = batch
        var leaves = Array(repeating: false, count: waiting.count)
        var leaving: [(placement: Placement, view: RequestView, worker: Int)] = []
        for (place, worker) in choices.prefix(waiting.count).enumerated() where slots.indices.contains(worker) && slots[worker] > 0 {
            slots[worker] -= 1
            leaves[place] = true
            leaving.append((held.placements[place], waiting[place], live[worker]))
        }
        // A policy that sends nobody while nobody is anywhere would never be asked again: no report would come.
        if leaving.isEmpty, liveViews.allSatisfy({ $0.queueLength == 0 }), let worker = slots.firstIndex(where: { $0 > 0 }) {
            leaves[0] = true
            leaving.append((held.placements[0], waiting[0], live[worker]))
        }
        for (_, view, worker) in leaving { note(view, sentTo: worker) }
        held.remove(leaves)
        return leaving
    }
}

extension Controller {
    /// For how long load reports of ranks are gathered: far longer than those of one iteration's end take to come, far shorter than an iteration.
    ///
    /// Ranks end their iterations together, and so the room that a policy may give away comes about at once. Asked at each report, it would decide on one
    /// rank's places at a time, with no other rank to prefer.
    static let gatheringTime: Nanoseconds = 1_000_000

    /// Has reports gathered where workers are ranks of a gang.
    mutating func gatherReports(ofGangsIn layout: ClusterLayout) {
        func time(_ nodes: [Int32]) -> Nanoseconds { nodes.contains { layout.gang(of: Int($0)) != nil } ? Self.gatheringTime : 0 }
        entry.gatheringTime = time(entry.nodes)
        guard let nodes = decode?.nodes else { return }
        decode?.gatheringTime = time(nodes)
    }

    /// A report has told of room, perhaps.
    mutating func decideAfterReport(ofEntry isEntry: Bool, at now: Instant, _ effects: inout Effects) {
        if isEntry {
            guard entry.gathers else { return sendHeld(at: now, &effects) }
            if entry.beginsToGather() { effects.timers[.decision] = min(effects.timers[.decision], now + entry.gatheringTime) }
        } else if let time = decode?.gatheringTime {
            guard time > 0 else { return placeHeld(at: now, &effects) }
            if decode?.beginsToGather() == true { effects.timers[.decision] = min(effects.timers[.decision], now + time) }
        }
    }

    /// Enough reports have been gathered.
    mutating func decideOnGathered(at now: Instant, _ effects: inout Effects) {
        effects.timers[.decision] = .never
        entry.isGathering = false
        decode?.isGathering = false
        sendHeld(at: now, &effects)
        placeHeld(at: now, &effects)
    }

    /// Sends new requests that wait, as far as there is room.
    mutating func sendHeld(at now: Instant, _ effects: inout Effects) {
        guard entry.isBatched, !entry.isGathering, entry.hasRoomForHeld else { return }
        busyUntil = decided(at: now, entry.decisionTime)
        let probe = probe
        let leaving = probe.measure(.routing) { entry.decideOnHeld(at: now) }
        for (placement, view, worker) in leaving { send(placement.request, view, to: worker, at: now, &effects) }
    }

    /// Sends prefilled requests that wait, as far as there is room.
    mutating func placeHeld(at now: Instant, _ effects: inout Effects) {
        guard decode?.isBatched == true, decode?.isGathering == false, decode?.hasRoomForHeld == true else { return }
        busyUntil = decided(at: now, decode?.decisionTime ?? 0)
        let probe = probe
        let leaving = probe.measure(.decodeRouting) { decode?.decideOnHeld(at: now) } ?? []
        for (placement, _, worker) in leaving {
            if let node = decode?.nodes[worker] { send(placement, to: node, &effects) }
        }
    }

    /// With the last worker of a group gone, what waits for room there waits for one to live.
    mutating func holdWithoutWorkers(at now: Instant, _ effects: inout Effects) {
        if entry.live.isEmpty { for placement in entry.held.takeAll() { watch.hold(.assign(placement.request), at: now, &effects) } }
        guard decode?.live.isEmpty == true else { return }
        for placement in decode?.held.takeAll() ?? [] { watch.hold(.place(placement), at: now, &effects) }
    }
}

// MARK: - Admission, and what decisions take

extension Controller {
    /// Whether the admission policy takes a request.
    mutating func admits(_ view: RequestView, at now: Instant) -> Bool {
        guard admission != nil, !entry.live.isEmpty else { return true }
        busyUntil = decided(at: now, 300 + 4 * Nanoseconds(entry.views.count + (decode?.views.count ?? 0)))
        let cluster = ClusterView(
            now: now, entry: entry.liveViews, decode: decode?.liveViews ?? [], heldRequests: Int64(entry.held.count), heldTokens: entry.held.tokens)
        let probe = probe
        return probe.measure(.admission) { admission?.admits(view, to: cluster) } ?? true
    }

    /// The worker that a new request goes to, or `nil` if the routing policy refuses it.
    mutating func chooseEntry(for view: RequestView, mayRefuse: Bool) -> Int? {
        let probe = probe
        return probe.measure(.routing) {
            // A program refuses nobody.
            if mayRefuse, entry.program?.isInCharge != true, entry.policy.refuses(view, among: entry.liveViews) { return nil }
            return entry.choose(for: view)
        }
    }

    /// When a decision made now has been made: by the rule of the topology, one after the other.
    func decided(at now: Instant, _ modelled: @autoclosure () -> Nanoseconds) -> Instant {
        switch decisionCost {
        case .free: busyUntil
        case .fixed(let time): max(busyUntil, now) + time
        case .modelled: max(busyUntil, now) + max(0, modelled())
        }
    }
}

extension WorkerGroup {
    /// What the policy's next decision takes by its own statement.
    var decisionTime: Nanoseconds {
        policy.decisionTime(waiting: min(max(held.count, 1), HeldRequests.window), workers: live.count)
    }
}

extension ClusterPlan {
    /// Whether a load report can make the controller send: where a policy has requests wait for room.
    public var holdsRequests: Bool {
        RoutingRegistry.isBatched(controller.routing) || RoutingRegistry.isBatched(controller.decodeRouting)
    }
}
