import Cluster
import Nodes
import Quantities

/// The keeper of the virtual clock: grants each node a window in which nothing that it does not hold can reach it.
///
/// Conservative synchronisation (Chandy, Misra and Bryant; windows as in Nicol's YAWNS). For each channel `c` it keeps `E[c]`, a
/// lower bound on the time of the next message sent on it anywhere: what nodes say of themselves, and what messages under way can
/// set off, closed over chains of reactions with their latencies. Node `n` may go on to the least `E[c] + latency[c]` over the
/// channels that it receives.
///
/// Windows cost hand-overs between processes, so they are given out on demand (`Timekeeper+Grants.swift`).
public struct Timekeeper {
    struct Node: Sendable {
        let role: Role
        var isRunning = true
        /// Of the table of faults that it knew at its last report.
        var version: Int64 = 0
        /// Up to where its windows went.
        var grantedTo: Instant = 0
        /// Whether its process has ended.
        var isDead = false
        /// Its next event apart from messages under way; for a running node, what it was when the window was granted.
        var next: Instant = 0
        /// Per channel, when it may send at the earliest, messages that it holds or will hold on its next grant included.
        var earliest = ChannelTimes(repeating: 0)
        /// When it next sends a request of its own accord: the client's next arrival.
        var arrival: Instant = 0
        /// Per channel, the earliest message under way to it that its last report does not cover.
        var underWay = ChannelTimes()
        var underWayFirst: Instant = .never
        /// Messages under way to it by sender, for the next grant, and how many they are.
        var awaited: [Grant.Awaited] = []
        var awaitedCount = 0
    }

    /// What a channel can set off, and how soon.
    struct Reaction: Sendable {
        var effect: Channel
        var delay: Nanoseconds
    }

    /// A reaction with the way of its cause: from one send to the next.
    private struct Step: Sendable {
        var cause: Channel
        var effect: Channel
        var delay: Nanoseconds
    }

    let latency: ChannelTimes
    /// By channel.
    let reactions: [[Reaction]]
    private let steps: [Step]
    /// Channels whose messages set something off, and those whose messages do not.
    let lively: [Channel]
    let inert: [Channel]
    /// By role, the channels that it receives.
    let receives: [[Channel]]
    /// Whether nothing that reaches the client makes it send: then its requests may be sent ahead, and nobody waits for it.
    let isOpenLoop: Bool

    /// By node, its gang, and by gang its attention ranks; -1 for nodes without. Expert ranks need no windows: what they do depends on their
    /// gang's messages alone.
    let gangs: [Int]
    let gangMembers: [[Int]]
    var nodes: [Node]
    /// By channel, each node's earliest send.
    var sends: [EarliestTimes]
    /// By role, for nodes that are not running, when each may next send what sets something off; never for an open loop's client.
    var acts: [EarliestTimes]
    /// Each node's next event, messages under way included.
    var pending: EarliestTimes
    var runningCount: Int
    /// Nodes chosen in a pass over them; kept for its memory.
    var chosen: [Int] = []
    let faults: FaultTable
    /// The next time at which a process begins, ends, is stopped or goes on. Nobody goes past it before that is done.
    var nextChange: Instant
    var changedTo: Instant = 0
    /// Whether nodes are being told of a fault.
    public internal(set) var isSettling = false
    /// Whether there is nobody left who would see what changes.
    var isOver = false
    /// Windows granted.
    public internal(set) var grants: Int64 = 0
    /// Up to where the client was told to send its requests ahead.
    var sentAhead: Instant = 0
    /// Whether the run goes on when the client has what it came for.
    public var staysUp = false
    /// No node goes on to this time: something that is told from outside happens then.
    public var stop: Instant = .never
    /// Up to where windows were granted: nothing has happened at this time or later.
    public var reached: Instant = 0
    /// The client's latest word.
    public private(set) var progress = Progress(ended: 0, offered: 0, isFinished: false)

    /// All nodes start out running: each owes a first report.
    public init(_ layout: ClusterLayout, _ lookahead: Lookahead, faults: FaultTable) {
        self.faults = faults
        nextChange = faults.nextTransition(after: 0)
        let channels = Channel.allCases
        latency = lookahead.latency
        let reactions = channels.map { cause in
            channels.compactMap { effect in
                let delay = lookahead.reactions(to: cause)[effect]
                return delay < .never ? Reaction(effect: effect, delay: delay) : nil
            }
        }
        self.reactions = reactions
        steps = channels.filter { lookahead.latency[$0] < .never }.flatMap { cause in
            reactions[Int(cause.rawValue)].map { Step(cause: cause, effect: $0.effect, delay: lookahead.latency[cause] + $0.delay) }
        }
        lively = channels.filter { !reactions[Int($0.rawValue)].isEmpty }
        inert = channels.filter { reactions[Int($0.rawValue)].isEmpty }
        receives = Role.allCases.map { role in channels.filter { Lookahead.receivers(of: $0).contains(role) } }
        isOpenLoop = inert.contains(.stream)
        gangs = layout.nodes.indices.map { node in layout.gangs.firstIndex { $0.attention.contains(node) } ?? -1 }
        gangMembers = layout.gangs.map(\.attention)
        nodes = layout.nodes.map { Node(role: $0.role) }
        sends = channels.map { _ in EarliestTimes(count: layout.nodes.count, time: 0) }
        acts = Role.allCases.map { _ in EarliestTimes(count: layout.nodes.count, time: .never) }
        pending = EarliestTimes(count: layout.nodes.count, time: 0)
        runningCount = nodes.count
    }

    /// Whether nothing is left to happen.
    public var isQuiescent: Bool { runningCount == 0 && (isOver || pending.first >= .never && nextChange >= .never) }

    /// Whether everything before the stop has happened.
    public var isAtStop: Bool { runningCount == 0 && !isSettling && min(pending.first, nextChange) >= stop }

    /// The client is to offer a request at this time, not before `reached`; it must not be running.
    public mutating func note(arrivalAt time: Instant) {
        sentAhead = min(sentAhead, time)
        nodes[ClusterLayout.client].next = min(nodes[ClusterLayout.client].next, time)
        nodes[ClusterLayout.client].earliest.lower(.submit, to: time)
        update(ClusterLayout.client)
    }

    /// Up to where every node has come, or will have when the windows granted are over.
    public var now: Instant { pending.first }

    /// Whether a node's report is due.
    public func isRunning(_ node: Int) -> Bool { nodes[node].isRunning }

    /// A node has come to the end of its window.
    public mutating func take(_ report: WindowReport, from node: Int) {
        guard !nodes[node].isDead else { return }
        if nodes[node].isRunning {
            nodes[node].isRunning = false
            runningCount -= 1
        }
        nodes[node].version = report.version
        nodes[node].next = report.next
        var earliest = report.earliest
        nodes[node].arrival = earliest[.submit]
        for channel in receives[nodes[node].role.place] {
            // Messages that were sent to it while it ran may be held already; counting them twice is harmless.
            let arrival = min(report.held[channel], nodes[node].underWay[channel])
            if arrival < .never { lower(&earliest, by: channel, arriving: faults.thaw(node, arrival)) }
        }
        nodes[node].earliest = earliest
        update(node)
        if node == ClusterLayout.client { progress = report.progress }
        for sent in report.sent where sent.target >= 0 && Int(sent.target) < nodes.count { note(sent, from: Int32(node)) }
    }

    private mutating func note(_ sent: WindowReport.Sent, from source: Int32) {
        let target = Int(sent.target)
        guard !nodes[target].isDead else { return }
        nodes[target].awaited.append(Grant.Awaited(source: source, count: sent.count))
        nodes[target].awaitedCount += Int(sent.count)
        if nodes[target].awaited.count > 8 * nodes.count { sumAwaited(of: target) }
        nodes[target].underWay.lower(sent.channel, to: sent.firstHead)
        nodes[target].underWayFirst = min(nodes[target].underWayFirst, sent.firstHead)
        lower(&nodes[target].earliest, by: sent.channel, arriving: faults.thaw(target, sent.firstHead))
        update(target)
    }

    /// Leaves one count for each sender, so that a grant stays small however long it is put off.
    private mutating func sumAwaited(of target: Int) {
        var counts = Array(repeating: UInt32(0), count: nodes.count)
        for item in nodes[target].awaited { counts[Int(item.source)] &+= item.count }
        nodes[target].awaited = counts.indices.filter { counts[$0] > 0 }.map { Grant.Awaited(source: Int32($0), count: counts[$0]) }
    }

    /// Lowers the times at which a node may send by what a message that arrives at `time` can set off.
    private func lower(_ earliest: inout ChannelTimes, by channel: Channel, arriving time: Instant) {
        for reaction in reactions[Int(channel.rawValue)] { earliest.lower(reaction.effect, to: time + reaction.delay) }
    }

    /// Brings the tournaments up to a node's state.
    mutating func update(_ node: Int) {
        for channel in lively { sends[Int(channel.rawValue)][node] = nodes[node].earliest[channel] }
        for channel in inert { sends[Int(channel.rawValue)][node] = nodes[node].earliest[channel] }
        pending[node] = min(nodes[node].next, faults.thaw(node, nodes[node].underWayFirst))
        var act = Instant.never
        if !nodes[node].isRunning, nodes[node].role != .client || !isOpenLoop {
            for channel in lively { act = min(act, nodes[node].earliest[channel]) }
        }
        acts[nodes[node].role.place][node] = act
    }

    /// For each channel, the earliest time at which anybody may send on it.
    func earliestSends() -> ChannelTimes {
        var earliest = ChannelTimes()
        for channel in lively { earliest[channel] = sends[Int(channel.rawValue)].first }
        for channel in inert { earliest[channel] = sends[Int(channel.rawValue)].first }
        // Chains of reactions: relax until nothing changes. Delays are positive somewhere on every cycle, so this ends.
        var changed = true
        while changed {
            changed = false
            for step in steps where earliest[step.cause] < .never && earliest[step.cause] + step.delay < earliest[step.effect] {
                earliest[step.effect] = earliest[step.cause] + step.delay
                changed = true
            }
        }
        return earliest
    }
}

extension Role {
    /// Its place among all roles.
    var place: Int {
        switch self {
        case .client: 0
        case .controller: 1
        case .prefill: 2
        case .decode: 3
        case .colocated: 4
        case .ep: 5
        case .attention: 6
        case .expert: 7
        }
    }
}

extension Timekeeper: CustomStringConvertible {
    /// The state in words, for a failure that should not happen.
    public var description: String {
        let bounds = bounds(earliestSends())
        return nodes.indices.map { index in
            let node = nodes[index]
            let channels = Channel.allCases.filter { node.earliest[$0] < .never }.map { "\($0.name)@\(node.earliest[$0])" }
            return "node \(index): \(node.isDead ? "dead" : node.isRunning ? "running" : "idle") next \(node.next) under way \(node.underWayFirst) "
                + "bound \(bounds[node.role.place]) may send \(channels.joined(separator: " "))"
        }.joined(separator: "\n")
    }
}
