import Quantities
import Records

/// What the client makes of answers that change workers in the middle.
///
/// Each worker's tokens come in order, those of two workers need not: what comes ahead is kept until the gap before it is closed. Whoever has produced the
/// latest token has the request, whatever else the client has been told; so a request is lost with a worker only if the client sees nothing from a later one.
extension Client.Stream {
    /// One past the latest token that has come, early ones included.
    var seen: Int32 { ahead.last?.upperBound ?? nextIndex }

    /// Whether a token has come already.
    func has(_ index: Int32) -> Bool { index < nextIndex || ahead.contains { $0.contains(index) } }

    /// Keeps a token that came before others.
    mutating func keep(_ index: Int32) {
        if let last = ahead.last, last.upperBound == index {
            ahead[ahead.count - 1] = last.lowerBound..<(index + 1)
        } else {
            let place = ahead.firstIndex { $0.lowerBound > index } ?? ahead.count
            ahead.insert(index..<(index + 1), at: place)
        }
    }

    /// Notes whose token is the latest.
    mutating func follow(_ source: Int32, at index: Int32) {
        guard source != decodeRoute, index > base, index >= seen, decodeRoute >= 0 || source != prefillRoute else { return }
        moveRoute(to: source, from: index)
    }

    /// Tokens from a place on come from another worker.
    mutating func moveRoute(to node: Int32, from index: Int32) {
        formerRoute = decodeRoute >= 0 ? decodeRoute : prefillRoute
        decodeRoute = node
        routeFrom = index
        decodes = true
    }
}

extension Client {
    /// Tokens that were kept because earlier ones were missing, and the end if it came: the gap is closed.
    mutating func releaseAhead(of place: Int, at now: Instant, _ effects: inout Effects) {
        while let next = streams[place].ahead.first, next.lowerBound <= streams[place].nextIndex {
            let count = Int64(next.upperBound - streams[place].nextIndex)
            streams[place].ahead.removeFirst()
            guard count > 0 else { continue }
            statistics.outputTokens += count
            statistics.series.addTokens(count, at: now)
            statistics.tbt.add(0, times: count)
            streams[place].nextIndex = next.upperBound
        }
        guard streams[place].ahead.isEmpty, let end = streams[place].earlyEnd, end.index + 1 == streams[place].nextIndex else { return }
        finish(end, at: now, &effects)
    }

    /// A request has moved to another worker.
    mutating func note(_ step: MigrationStep, at now: Instant, _ effects: inout Effects) {
        guard step.kind == .moved, step.node >= 0, Int(step.node) < believedFrom.count else { return }
        guard let place = find(step.stream, id: step.id) else {
            // It has been begun again since, or has ended.
            if superseded[step.id] != nil {
                effects.send(.cancel(id: step.id, stream: step.stream), to: step.node, bytes: MessageSize.header)
            }
            return
        }
        let isNews = step.from > streams[place].routeFrom && step.node != streams[place].decodeRoute
        if isNews { streams[place].moveRoute(to: step.node, from: step.from) }
        // It went to a worker that has died since: with nothing seen from a later one it went with it, and with a gap its tokens did.
        guard believedFrom[Int(step.node)] > step.born, isNews || !streams[place].ahead.isEmpty else { return }
        restart(place, after: step.node, at: now, &effects)
    }

    private mutating func restart(_ place: Int, after node: Int32, at now: Instant, _ effects: inout Effects) {
        var loss = ClientStatistics.Loss(node: Int64(node), at: now, requests: 1, recomputedTokens: 0)
        loss.recomputedTokens = beginAgain(place, after: node, at: now, &effects)
        statistics.recomputedTokens += loss.recomputedTokens
        statistics.losses.append(loss)
    }
}
