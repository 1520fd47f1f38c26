import Cluster
import Quantities
import Records

/// What the client does when workers or controllers fail: it knows which tokens it has, and so where each answer goes on.
///
/// A request is begun again under another handle. What still comes under the old one is stale, whoever sends it: it is dropped and counted, so no
/// token reaches the user twice.
extension Client {
    /// The controller has sent a request somewhere.
    mutating func note(_ routed: Routed) {
        guard let place = find(routed.stream, id: routed.id) else { return }
        // What was placed may have moved before the controller's word of it has come.
        if routed.decodes {
            if streams[place].routeFrom < 0 { streams[place].decodeRoute = routed.node }
        } else {
            streams[place].prefillRoute = routed.node
        }
    }

    /// Whether a token that is not expected belongs to a time before the request was begun anew, or to a client before this one.
    func isStale(_ handle: Int32, id: Int64) -> Bool { superseded[id] != nil || born > 0 && find(handle, id: id) == nil }

    /// A worker counts as dead: every request that depends on it is begun again at another one, from the token that is due.
    mutating func react(to fence: Fence, at now: Instant, _ effects: inout Effects) {
        guard fence.node >= 0, Int(fence.node) < believedFrom.count else { return }
        believedFrom[Int(fence.node)] = max(believedFrom[Int(fence.node)], fence.before)
        var loss = ClientStatistics.Loss(node: Int64(fence.node), at: now, requests: 0, recomputedTokens: 0)
        for place in open(where: { depends($0, on: fence.node) }) {
            loss.requests += 1
            loss.recomputedTokens += beginAgain(place, after: fence.node, at: now, &effects)
        }
        statistics.recomputedTokens += loss.recomputedTokens
        statistics.losses.append(loss)
    }

    /// Places of open streams, in the order of their requests: which handle a request has depends on how far ahead of the clock it was sent.
    private func open(where isMeant: (Stream) -> Bool) -> [Int] {
        streams.indices.filter { streams[$0].isOpen && isMeant(streams[$0]) }.sorted { streams[$0].spec.id < streams[$1].spec.id }
    }

    private func depends(_ stream: Stream, on node: Int32) -> Bool {
        // A prefill worker is done with a request when the decode worker has its cache, and the client the first token.
        // With tokens missing it may be those of any worker that had it.
        stream.decodeRoute == node || stream.routeFrom >= 0 && !stream.ahead.isEmpty
            || stream.prefillRoute == node && !(stream.decodeRoute >= 0 && stream.decodes && stream.hasBegun)
    }

    /// A new controller knows nothing, and what the old one sent last may not have got through: what has not begun is asked for again. That does not
    /// count as a new beginning.
    mutating func askAgain(at now: Instant, _ effects: inout Effects) {
        for place in open(where: { !$0.hasBegun }) {
            _ = beginAgain(place, after: Int32(ClusterLayout.controller), holder: streams[place].holder, counts: false, at: now, &effects)
        }
    }

    /// A worker has given a request up: it is begun elsewhere, or where its cache has been moved. That counts as no new beginning.
    mutating func takeBack(_ id: Int64, _ handle: Int32, _ holder: Int32, from source: Int32, at now: Instant, _ effects: inout Effects) {
        guard let place = find(handle, id: id) else {
            if holder >= 0 { effects.send(.cancel(id: id, stream: handle), to: holder, bytes: MessageSize.header) }
            return
        }
        let recomputed = beginAgain(place, after: source, holder: holder, counts: false, at: now, &effects)
        if holder < 0 { statistics.recomputedTokens += recomputed }
    }

    /// Answers the tokens that have to be computed again.
    mutating func beginAgain(
        _ place: Int, after node: Int32, holder: Int32 = -1, counts: Bool = true, at now: Instant, _ effects: inout Effects
    ) -> Int64 {
        var stream = streams[place]
        let former = [stream.prefillRoute, stream.decodeRoute].contains(stream.formerRoute) ? -1 : stream.formerRoute
        for route in [stream.prefillRoute, stream.decodeRoute, former] where route >= 0 {
            effects.send(.cancel(id: stream.spec.id, stream: Int32(place)), to: route, bytes: MessageSize.header)
        }
        if holder != stream.holder { dropCache(of: place, &effects) }
        guard !counts || stream.restarts < Int32(clamping: retries) else {
            superseded[stream.spec.id, default: []] += []
            fail(place, at: now, &effects)
            return 0
        }
        if counts { statistics.restarts += 1 }
        // The handle stays taken until the request ends, so that no other request is mistaken for this one.
        streams[place].isOpen = false
        superseded[stream.spec.id, default: []].append(Int32(place))
        let recomputed = stream.nextIndex > 0 ? Int64(stream.spec.promptTokens) + Int64(stream.nextIndex) : 0
        if counts { stream.restarts += 1 }
        stream.base = stream.nextIndex
        stream.hasBegun = false
        stream.earlyEnd = nil
        stream.prefillRoute = -1
        stream.decodeRoute = -1
        stream.decodes = false
        stream.formerRoute = -1
        stream.routeFrom = -1
        stream.sender = -1
        stream.ahead = []
        if stream.restartedAt < 0 { stream.restartedAt = now }
        stream.lostNode = node
        stream.holder = holder
        submit(stream, &effects)
        return recomputed
    }

    /// Nobody goes on with a request where its cache has been moved.
    private func dropCache(of place: Int, _ effects: inout Effects) {
        let stream = streams[place]
        guard stream.holder >= 0, !stream.hasBegun, stream.holder != stream.prefillRoute, stream.holder != stream.decodeRoute else { return }
        effects.send(.cancel(id: stream.spec.id, stream: Int32(place)), to: stream.holder, bytes: MessageSize.header)
    }

    /// The first token after a new beginning has come.
    mutating func noteResumed(_ place: Int, at now: Instant, _ effects: inout Effects) {
        let stream = streams[place]
        writeRestart(stream, isResumed: true, at: now, &effects)
        streams[place].restartedAt = -1
    }

    private func writeRestart(_ stream: Stream, isResumed: Bool, at now: Instant, _ effects: inout Effects) {
        RestartRow(
            request: stream.spec.id, restarts: stream.restarts, node: Int(stream.lostNode) < names.count ? names[Int(stream.lostNode)] : "",
            received: stream.base, begun: stream.restartedAt, end: now, lost: now - max(stream.lastToken, stream.spec.arrival), isResumed: isResumed
        ).write(to: &effects.records.restarts)
    }

    /// A request ends without its answer.
    mutating func fail(_ place: Int, at now: Instant, _ effects: inout Effects) {
        let stream = streams[place]
        dropCache(of: place, &effects)
        statistics.failed += 1
        if stream.restartedAt >= 0 { writeRestart(stream, isResumed: false, at: now, &effects) }
        var row = RequestRow(
            id: stream.spec.id, arrival: stream.spec.arrival, promptTokens: stream.spec.promptTokens, outputTokens: stream.nextIndex, finish: now,
            status: .failed)
        row.firstToken = stream.firstToken
        row.restarts = stream.restarts
        row.write(to: &effects.records.requests)
        close(Int32(place), at: now, &effects)
    }

    /// The client ends: its own open requests are what that costs.
    mutating func die(at now: Instant, _ effects: inout Effects) {
        let lost = Int64(streams.count(where: \.isOpen))
        statistics.losses.append(ClientStatistics.Loss(node: Int64(ClusterLayout.client), at: now, requests: lost, recomputedTokens: 0))
        abandon(at: now, &effects)
    }

    /// The run ends: what is open fails.
    mutating func abandon(at now: Instant, _ effects: inout Effects) {
        for place in open(where: { _ in true }) { fail(place, at: now, &effects) }
    }

    /// Something of a process that counts as dead.
    func dropFenced(_ message: Message, _ effects: inout Effects) -> Int64 {
        effects.fenced += 1
        switch message {
        case .tokens(let tokens): return Int64(tokens.count)
        case .milestone: return 1
        default: return 0
        }
    }
}
