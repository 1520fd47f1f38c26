import Cluster
import Nodes
import Quantities

/// Who gets a window, and when.
///
/// - A node that can send what sets something off gets one as soon as its bound allows.
/// - When no such node can go on, the one that would be the first to act is held up by others that may still send to it, such as
///   workers whose load reports the router must have seen. Those get windows, as far as they can go, and nobody else.
/// - The client of an open loop holds nobody up. Its requests are sent some way ahead of the clock, and it takes in its tokens now
///   and then.
extension Timekeeper {
    /// How far ahead of the clock an open loop's requests are sent.
    static let aheadLimit: Nanoseconds = 1_000_000_000
    /// No window goes further past its first event, so that records keep flowing and a node's memory stays bounded.
    static let windowLimit: Nanoseconds = 2_000_000_000
    /// The client is granted a window at the latest when so many messages are under way to it.
    static let backlogLimit = 4096

    /// Appends the windows that can be granted now. Call it when no more reports are at hand.
    public mutating func grant(into grants: inout [Grant]) {
        guard !isSettling, !isOver else { return }
        let earliest = earliestSends()
        let bounds = bounds(earliest)
        let before = grants.count
        grantActors(bounds, into: &grants)
        if isOpenLoop { grantClient(bounds, earliest, into: &grants) }
        if grants.count > before || isAnyoneAwaited { return }
        grantWanted(bounds, into: &grants)
        if grants.count > before || runningCount > 0 { return }
        for node in nodes.indices { grant(node, bounds, into: &grants) }
        if grants.count == before { grantFlushes(bounds, into: &grants) }
    }

    /// Nobody can go on because somebody may still send what it holds back: a stream's tokens that were sent before its next event. It is to send them.
    private mutating func grantFlushes(_ bounds: [Instant], into grants: inout [Grant]) {
        for node in nodes.indices where !nodes[node].isDead && nodes[node].earliest[.stream] < pending[node] {
            grant(node, until: min(bounds[nodes[node].role.place], pending[node]), ahead: Grant.flush, into: &grants)
        }
    }

    /// Whether a report is due that may change who can go on.
    private var isAnyoneAwaited: Bool {
        let client = nodes[ClusterLayout.client]
        guard isOpenLoop, client.isRunning else { return runningCount > 0 }
        return runningCount > 1 || client.earliest[.submit] <= firstAct
    }

    /// The earliest time at which a node that is not running may send what sets something off.
    private var firstAct: Instant { acts.reduce(Instant.never) { min($0, $1.first) } }

    private mutating func grantActors(_ bounds: [Instant], into grants: inout [Grant]) {
        for role in Role.allCases where acts[role.place].first < bounds[role.place] {
            chosen.removeAll(keepingCapacity: true)
            acts[role.place].appendNodes(before: bounds[role.place], to: &chosen)
            for node in chosen { grant(node, bounds, into: &grants) }
        }
    }

    /// An open loop's client: requests ahead of time when they are about to be needed, tokens when there are many.
    private mutating func grantClient(_ bounds: [Instant], _ earliest: ChannelTimes, into grants: inout [Grant]) {
        let client = nodes[ClusterLayout.client]
        guard !client.isRunning, !client.isDead else { return }
        let arrival = client.arrival
        let others = lively.reduce(Instant.never) { $1 == .submit ? $0 : min($0, sends[Int($1.rawValue)].first) }
        let earliest = earliestSends()
        // What the client may have to send because a worker has failed is not overtaken, whether the word of it is to come or on its way.
        let told = [Channel.fence, .leave, .moved].reduce(client.earliest[.cancel]) {
            min($0, earliest[$1] + min(latency[$1], .never - earliest[$1]))
        }
        let change = min(stop, nextChange)
        let limit = min(arrival + min(Self.aheadLimit, .never - arrival), change, told)
        // Telling it twice would change nothing: what it may send before `limit` is then no arrival but an answer.
        if arrival < limit, limit > sentAhead, arrival <= others + Self.aheadLimit / 2 {
            sentAhead = limit
            grant(ClusterLayout.client, bounds, ahead: limit, into: &grants)
        } else if client.awaitedCount >= Self.backlogLimit {
            grant(ClusterLayout.client, bounds, into: &grants)
        }
    }

    /// Nodes that hold up whoever would be the first to act. What sets something off is nowhere sent before that, so only messages
    /// that set nothing off can be in the way, and those who may send them can go on.
    private mutating func grantWanted(_ bounds: [Instant], into grants: inout [Grant]) {
        let first = firstAct
        guard first < .never else { return }
        for role in Role.allCases where acts[role.place].first == first {
            for channel in inert where latency[channel] < .never && receives[role.place].contains(channel) {
                chosen.removeAll(keepingCapacity: true)
                sends[Int(channel.rawValue)].appendNodes(before: first - latency[channel] + 1, to: &chosen)
                for node in chosen { grant(node, bounds, into: &grants) }
            }
        }
    }

    /// Grants a node what its bound allows, unless it is running or has nothing to do in that time.
    private mutating func grant(_ node: Int, _ bounds: [Instant], ahead: Instant = 0, into grants: inout [Grant]) {
        if gangs[node] >= 0 { return grantGang(gangMembers[gangs[node]], bounds, into: &grants) }
        let first = pending[node]
        let bound = bounds[nodes[node].role.place]
        guard !nodes[node].isRunning, first < bound || ahead > 0 else { return }
        grant(node, until: min(bound, first + min(Self.windowLimit, .never - first)), ahead: ahead, into: &grants)
    }

    /// The attention ranks of a gang get windows that end together, and none while one of them is in its own: an iteration that begins in a
    /// window begins at all of them, so that they can wait for each other's messages in it.
    private mutating func grantGang(_ members: [Int], _ bounds: [Instant], into grants: inout [Grant]) {
        guard !members.contains(where: { nodes[$0].isRunning }) else { return }
        let first = members.reduce(Instant.never) { min($0, pending[$1]) }
        let bound = bounds[nodes[members[0]].role.place]
        let until = min(bound, first + min(Self.windowLimit, .never - first))
        for node in members where pending[node] < until { grant(node, until: until, into: &grants) }
    }

    private mutating func grant(_ node: Int, until: Instant, ahead: Instant = 0, into grants: inout [Grant]) {
        let first = pending[node]
        grants.append(Grant(node: Int32(node), until: until, ahead: ahead, awaited: nodes[node].awaited))
        self.grants += 1
        runningCount += 1
        reached = max(reached, max(until, ahead))
        nodes[node].isRunning = true
        nodes[node].grantedTo = max(nodes[node].grantedTo, max(until, ahead))
        nodes[node].next = first
        nodes[node].underWay = ChannelTimes()
        nodes[node].underWayFirst = .never
        nodes[node].awaited.removeAll()
        nodes[node].awaitedCount = 0
        update(node)
    }

    /// Up to where the nodes of each role may go on.
    func bounds(_ sends: ChannelTimes) -> [Instant] {
        let change = min(stop, nextChange)
        return receives.map { channels in
            channels.reduce(change) { min($0, sends[$1] + min(latency[$1], .never - sends[$1])) }
        }
    }
}
