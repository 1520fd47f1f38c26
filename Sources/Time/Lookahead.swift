import Cluster
import Nodes
import Policies
import Quantities

/// What the topology alone says about who can make whom act, and how soon.
///
/// Nodes of a role are alike here. For each channel: the shortest latency of any link that it can cross. For each role: which
/// channel can set off which, and the least time that passes between. A token that reaches the client sets nothing off unless the
/// loop is closed; a request that reaches a prefill worker cannot leave it before the shortest possible iteration is over.
public struct Lookahead: Sendable {
    /// The role that receives a channel's messages; `nil` for channels that workers of several roles may receive.
    static func receivers(of channel: Channel) -> [Role] {
        switch channel {
        case .submit, .prefilled, .status, .hello: [.controller]
        case .fence: [.client, .prefill, .decode, .colocated, .ep, .attention]
        case .cancel: [.prefill, .decode, .colocated, .ep, .attention]
        case .migrate, .reserve, .copy: [.decode, .colocated]
        case .moved: [.client]
        case .assign: [.prefill, .colocated, .ep, .attention]
        case .place: [.decode, .colocated, .ep, .attention]
        case .cache: [.decode, .ep, .attention]
        case .stream: [.client]
        case .pull, .release: [.prefill]
        case .wake: [.prefill, .decode, .colocated, .ep, .attention]
        case .leave: [.client, .controller]
        case .command: [.prefill, .decode, .colocated, .ep, .attention]
        case .move: [.decode, .colocated]
        case .layer: []
        }
    }

    static func senders(of channel: Channel) -> [Role] {
        switch channel {
        case .submit: [.client]
        case .fence, .command: [.controller]
        case .leave: [.prefill, .decode, .colocated, .ep, .attention]
        case .move: [.decode, .colocated]
        case .hello: [.prefill, .decode, .colocated, .ep, .attention]
        case .cancel: [.client, .prefill, .decode, .colocated]
        case .reserve, .copy, .moved: [.decode, .colocated]
        case .assign, .place, .migrate: [.controller]
        case .prefilled, .cache: [.prefill]
        case .status, .wake: [.prefill, .decode, .colocated, .ep, .attention]
        case .stream: [.controller, .prefill, .decode, .colocated, .ep, .attention]
        case .pull, .release: [.decode, .ep, .attention]
        case .layer: []
        }
    }

    /// Least time from sending to the head's arrival, by channel; `Instant.never` for channels that nobody uses.
    private(set) var latency = ChannelTimes()
    /// For each channel that arrives, the least delay of each channel that it can set off at its receivers.
    private(set) var reactions: [ChannelTimes] = Array(repeating: ChannelTimes(), count: Channel.allCases.count)

    public init(_ plan: ClusterPlan, _ layout: ClusterLayout) {
        func least(_ duties: Duty...) -> Nanoseconds {
            plan.pools.indices
                .filter { place in plan.duty(of: plan.pools[place].role).map(duties.contains) == true }
                .map { NodeHost.leastIteration(of: $0, plan, layout) }.min() ?? .never
        }
        for channel in Channel.allCases where plan.movesRequests || ![.migrate, .reserve, .copy, .moved].contains(channel) {
            latency[channel] = Self.latency(of: channel, plan, layout)
        }

        if let loop = plan.workload.closedLoop { react(to: .stream, with: .submit, after: loop.think) }
        reactToFaults(
            stream: least(.prefill, .decode, .colocated),
            pushes: plan.pools.contains { plan.duty(of: $0.role) == .prefill && $0.engine.transfer == .layerwise })
        for answer in [Channel.assign, .place, .stream] { react(to: .submit, with: answer, after: 0) }
        for answer in [Channel.place, .stream] { react(to: .prefilled, with: answer, after: 0) }
        // Requests that wait at the controller for room are sent when a report tells of it.
        if plan.holdsRequests { for answer in [Channel.assign, .place, .stream] { react(to: .status, with: answer, after: 0) } }

        let prefill = least(.prefill, .colocated)
        for (cause, effects) in [
            (Channel.assign, [Channel.prefilled, .stream]), (.release, [.prefilled, .stream]), (.cache, [.stream]),
        ] {
            let iteration = cause == .cache ? least(.decode) : prefill
            for effect in effects { react(to: cause, with: effect, after: iteration) }
        }
        // Layer-wise transfer pushes at the start of an iteration, and an assignment can start one.
        let pushes = plan.pools.contains { plan.duty(of: $0.role) == .prefill && $0.engine.transfer == .layerwise }
        for cause in [Channel.assign, .release] where pushes { react(to: cause, with: .cache, after: 0) }
        react(to: .pull, with: .cache, after: 0)
        react(to: .place, with: .pull, after: 0)
        react(to: .cache, with: .pull, after: 0)
        react(to: .cache, with: .release, after: 0)
        for cause in [Channel.assign, .place, .cache, .pull, .release] { react(to: cause, with: .status, after: 0) }
        if plan.movesRequests { reactToMoves(least: least(.decode, .colocated)) }
        // What decode workers compute of lost requests.
        if plan.rebuildsCaches {
            react(to: .place, with: .stream, after: least(.decode, .colocated))
            if !layout.gangs.isEmpty { react(to: .place, with: .wake, after: 0) }
        }
        if plan.workersLeave { reactToDepartures(least: least(.prefill, .decode, .colocated), pushes: pushes) }
        guard !layout.gangs.isEmpty else { return }
        reactOfGangs(least: least(.prefill, .decode, .colocated), pushes: pushes)
        // A rank whose scheduler lets everybody wait goes to sleep again, and wakes the others when it decides again.
        let waits = plan.pools.contains { $0.mixture != nil && SchedulingRegistry.traits(of: $0.engine.scheduling).contains(.waits) }
        if waits { react(to: .wake, with: .wake, after: 0) }
    }

    /// A sleeping gang wakes when one of its ranks gets work, and then its ranks do what they have to do.
    private mutating func reactOfGangs(least: Nanoseconds, pushes: Bool) {
        for cause in [Channel.assign, .cache, .release, .cancel] { react(to: cause, with: .wake, after: 0) }
        for effect in [Channel.prefilled, .stream, .status, .pull] { react(to: .wake, with: effect, after: least) }
        if pushes { react(to: .wake, with: .cache, after: 0) }
    }

    /// What workers say to each other about requests that move and about copies. Any message may begin an iteration that preempts a request, whose
    /// migration is then given up.
    private mutating func reactToMoves(least: Nanoseconds) {
        react(to: .status, with: .migrate, after: 0)
        react(to: .hello, with: .migrate, after: 0)
        react(to: .migrate, with: .reserve, after: 0)
        for answer in [Channel.reserve, .copy, .moved] { react(to: .reserve, with: answer, after: 0) }
        react(to: .copy, with: .reserve, after: 0)
        react(to: .cancel, with: .copy, after: 0)
        for cause in [Channel.assign, .place, .cache, .release, .cancel, .fence, .migrate, .reserve, .copy] {
            for effect in [Channel.cancel, .status, .pull] { react(to: cause, with: effect, after: 0) }
            react(to: cause, with: .stream, after: least)
        }
        for effect in [Channel.submit, .cancel] { react(to: .moved, with: effect, after: 0) }
    }

    /// What follows when a worker counts as dead, or a new process serves.
    private mutating func reactToFaults(stream least: Nanoseconds, pushes: Bool) {
        for effect in [Channel.submit, .cancel, .hello, .status, .prefilled] { react(to: .fence, with: effect, after: 0) }
        for effect in [Channel.assign, .place, .stream, .fence] { react(to: .hello, with: effect, after: 0) }
        for effect in [Channel.pull, .status] { react(to: .cancel, with: effect, after: 0) }
        for effect in [Channel.stream, .prefilled] { react(to: .cancel, with: effect, after: least) }
        if pushes { react(to: .cancel, with: .cache, after: 0) }
        react(to: .pull, with: .cancel, after: 0)
    }

    /// What follows when workers leave, rest, or take caches in. Whoever leaves gives back what reaches it.
    private mutating func reactToDepartures(least: Nanoseconds, pushes: Bool) {
        for cause in [Channel.assign, .place, .cache, .pull, .release, .cancel, .move, .fence, .command] { react(to: cause, with: .leave, after: 0) }
        for effect in [Channel.submit, .cancel, .assign, .place, .stream, .command] { react(to: .leave, with: effect, after: 0) }
        for cause in [Channel.submit, .status, .hello] { react(to: cause, with: .command, after: 0) }
        for effect in [Channel.hello, .move, .pull, .status] { react(to: .command, with: effect, after: 0) }
        react(to: .move, with: .status, after: 0)
        for cause in [Channel.command, .move] {
            for effect in [Channel.stream, .prefilled] { react(to: cause, with: effect, after: least) }
            if pushes { react(to: cause, with: .cache, after: 0) }
        }
    }

    private mutating func react(to cause: Channel, with effect: Channel, after delay: Nanoseconds) {
        reactions[Int(cause.rawValue)].lower(effect, to: delay)
    }

    /// What a channel's arrival can set off.
    func reactions(to channel: Channel) -> ChannelTimes { reactions[Int(channel.rawValue)] }

    private static func latency(of channel: Channel, _ plan: ClusterPlan, _ layout: ClusterLayout) -> Nanoseconds {
        let sources = layout.nodes.filter { senders(of: channel).contains($0.role) }
        let targets = layout.nodes.filter { receivers(of: channel).contains($0.role) }
        guard !sources.isEmpty, !targets.isEmpty else { return .never }
        // Links with the front end are all of one class, so one pair stands for all; between workers the classes present count.
        var kinds = Set<LinkKind>()
        if sources.contains(where: { $0.host < 0 }) || targets.contains(where: { $0.host < 0 }) { kinds.insert(.control) }
        let workers = targets.filter { $0.host >= 0 }
        for source in sources where source.host >= 0 {
            for target in workers where kinds.count < 4 { kinds.insert(layout.link(from: source.index, to: target.index)) }
        }
        return LinkKind.allCases.filter(kinds.contains).map { plan.links[$0].latency }.min() ?? .never
    }
}
