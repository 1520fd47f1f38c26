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
/// Windows cost hand-overs between processes, so they are given out lazily. A node whose next send can set something off is
/// granted at once; one that is only listened to (tokens to the client, load reports) waits until nobody else can go on, and then
/// has a long window in front of it.
public struct Timekeeper: Sendable {
    private struct Node: Sendable {
        var isRunning = true
        /// Its next event apart from messages under way; for a running node, what it was when the window was granted.
        var next: Instant = 0
        /// Per channel, when it may send at the earliest, messages that it holds or will hold on its next grant included.
        var earliest = ChannelTimes(repeating: 0)
        /// Per channel, the earliest message under way to it that its last report does not cover.
        var underWay = ChannelTimes()
        var underWayFirst: Instant = .never
        /// Messages under way to it by sender, for the next grant.
        var awaited: [Grant.Awaited] = []
        /// Channels that it receives.
        var receives: [Channel]
    }

    private let lookahead: Lookahead
    private var nodes: [Node]
    /// Channels whose messages set nothing off.
    private let inert: [Bool]
    private var runningCount: Int
    /// Windows granted.
    public private(set) var grants: Int64 = 0
    /// The client's latest word.
    public private(set) var progress = Progress(ended: 0, offered: 0, isFinished: false)

    /// All nodes start out running: each owes a first report.
    public init(_ layout: ClusterLayout, _ lookahead: Lookahead) {
        self.lookahead = lookahead
        nodes = layout.nodes.map { plan in
            Node(receives: Channel.allCases.filter { Lookahead.receivers(of: $0).contains(plan.role) })
        }
        inert = Channel.allCases.map { channel in
            Channel.allCases.allSatisfy { lookahead.reactions(to: channel)[$0] == .never }
        }
        runningCount = nodes.count
    }

    /// Whether nothing is left to happen.
    public var isQuiescent: Bool {
        runningCount == 0 && nodes.allSatisfy { min($0.next, $0.underWayFirst) >= .never }
    }

    /// Up to where every node has come, or will have when the windows granted are over.
    public var now: Instant { nodes.map { min($0.next, $0.underWayFirst) }.min() ?? 0 }

    /// A node has come to the end of its window.
    public mutating func take(_ report: WindowReport, from node: Int) {
        guard nodes[node].isRunning else { return }
        nodes[node].isRunning = false
        runningCount -= 1
        nodes[node].next = report.next
        nodes[node].earliest = report.earliest
        for channel in nodes[node].receives where report.held[channel] < .never {
            lower(&nodes[node].earliest, by: channel, arriving: report.held[channel])
        }
        // Messages that were sent to it while it ran may be held already; counting them twice is harmless.
        for channel in nodes[node].receives where nodes[node].underWay[channel] < .never {
            lower(&nodes[node].earliest, by: channel, arriving: nodes[node].underWay[channel])
        }
        if node == ClusterLayout.client { progress = report.progress }
        for sent in report.sent where sent.target >= 0 && Int(sent.target) < nodes.count { note(sent, from: Int32(node)) }
    }

    private mutating func note(_ sent: WindowReport.Sent, from source: Int32) {
        let target = Int(sent.target)
        if let place = nodes[target].awaited.firstIndex(where: { $0.source == source }) {
            nodes[target].awaited[place].count += sent.count
        } else {
            nodes[target].awaited.append(Grant.Awaited(source: source, count: sent.count))
        }
        nodes[target].underWay.lower(sent.channel, to: sent.firstHead)
        nodes[target].underWayFirst = min(nodes[target].underWayFirst, sent.firstHead)
        lower(&nodes[target].earliest, by: sent.channel, arriving: sent.firstHead)
    }

    /// Lowers the times at which a node may send by what a message that arrives at `time` can set off.
    private func lower(_ earliest: inout ChannelTimes, by channel: Channel, arriving time: Instant) {
        let reactions = lookahead.reactions(to: channel)
        for effect in Channel.allCases where reactions[effect] < .never { earliest.lower(effect, to: time + reactions[effect]) }
    }

    /// Appends the windows that can be granted now. Call it when no more reports are at hand.
    public mutating func grant(into grants: inout [Grant]) {
        let sends = earliestSends()
        let before = grants.count
        for node in nodes.indices where !nodes[node].isRunning {
            let bound = bound(for: node, sends)
            if isUrgent(node, before: bound) { grant(node, until: bound, into: &grants) }
        }
        if grants.count > before || runningCount > 0 { return }
        for node in nodes.indices where !nodes[node].isRunning {
            grant(node, until: bound(for: node, sends), into: &grants)
        }
    }

    /// Whether the node has something to do in the window that others may have to react to.
    private func isUrgent(_ node: Int, before bound: Instant) -> Bool {
        for channel in Channel.allCases where !inert[Int(channel.rawValue)] && nodes[node].earliest[channel] < bound { return true }
        return false
    }

    private mutating func grant(_ node: Int, until bound: Instant, into grants: inout [Grant]) {
        guard min(nodes[node].next, nodes[node].underWayFirst) < bound else { return }
        grants.append(Grant(node: Int32(node), until: bound, awaited: nodes[node].awaited))
        self.grants += 1
        nodes[node].isRunning = true
        runningCount += 1
        nodes[node].next = min(nodes[node].next, nodes[node].underWayFirst)
        nodes[node].underWay = ChannelTimes()
        nodes[node].underWayFirst = .never
        nodes[node].awaited.removeAll()
    }

    private func bound(for node: Int, _ sends: ChannelTimes) -> Instant {
        var bound = Instant.never
        for channel in nodes[node].receives { bound = min(bound, sends[channel] + min(lookahead.latency[channel], .never - sends[channel])) }
        return bound
    }

    /// For each channel, the earliest time at which anybody may send on it.
    private func earliestSends() -> ChannelTimes {
        var sends = ChannelTimes()
        for node in nodes {
            for channel in Channel.allCases { sends.lower(channel, to: node.earliest[channel]) }
        }
        // Chains of reactions: relax until nothing changes. Delays are positive somewhere on every cycle, so this ends.
        var changed = true
        while changed {
            changed = false
            for cause in Channel.allCases where sends[cause] < .never && lookahead.latency[cause] < .never {
                let arrival = sends[cause] + lookahead.latency[cause]
                let reactions = lookahead.reactions(to: cause)
                for effect in Channel.allCases where reactions[effect] < .never && arrival + reactions[effect] < sends[effect] {
                    sends[effect] = arrival + reactions[effect]
                    changed = true
                }
            }
        }
        return sends
    }
}

extension Timekeeper: CustomStringConvertible {
    /// The state in words, for a failure that should not happen.
    public var description: String {
        let sends = earliestSends()
        return nodes.indices.map { index in
            let node = nodes[index]
            let channels = Channel.allCases.filter { node.earliest[$0] < .never }.map { "\($0.name)@\(node.earliest[$0])" }
            return "node \(index): \(node.isRunning ? "running" : "idle") next \(node.next) under way \(node.underWayFirst) "
                + "bound \(bound(for: index, sends)) may send \(channels.joined(separator: " "))"
        }.joined(separator: "\n")
    }
}
