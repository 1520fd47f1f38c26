import Models
import Quantities

/// Iterations in which ranks exchange loads, and one or all of them work out the times.
extension GangRank {
    func runSheets(_ sends: inout [LayerSend]) -> Outcome? {
        if groupsSent == 0, hasAttention { sendSheet(&sends) }
        guard evaluator != nil else { return takeVerdict() }
        while groupsDone < iterationGroups.count {
            guard let sheets = inbox.takeSheets(of: iteration, group: groupsDone, count: shape.attentionRanks) else { return nil }
            evaluate(sheets)
            if groupsSent < iterationGroups.count { sendSheet(&sends) }
        }
        return judge(&sends)
    }

    /// Routes the tokens of the next group of layers, and sends the loads to whoever works out the times.
    private func sendSheet(_ sends: inout [LayerSend]) {
        let group = groupsSent
        groupsSent += 1
        let isLast = groupsSent == iterationGroups.count
        let message = message(.sheet(sheet(for: iterationGroups[group], counts: isLast), group: Int32(group)))
        let isForAll = shape.mixture.granularity != .iteration
        for target in 0..<shape.attentionRanks where target != member && (isForAll || target == Self.leader) {
            sends.append(LayerSend(target: shape.members[target], message: message))
        }
        if isForAll || member == Self.leader { inbox.receive(message, shape, isFirst: false) }
    }

    private func sheet(for layers: Range<Int>, counts withCounters: Bool) -> LoadSheet {
        guard var router else { return LoadSheet(parts: parts, counts: [], dropped: 0, counters: []) }
        // So that there is one owner, and nothing is copied.
        self.router = nil
        defer { self.router = router }
        let width = shape.width(isGlobal: isGlobal)
        // No count is above the tokens of its batch.
        let bytes = PackedCounts.width(upTo: parts.reduce(0) { max($0, $1.tokens) })
        var dropped: Int64 = 0
        let size = layers.count * shape.microBatches * width * bytes
        let packed = [UInt8](unsafeUninitializedCapacity: size) { place, filled in
            let batches = (0..<shape.microBatches).map { part in
                ExpertRouter.Batch(
                    layer: layers.lowerBound, number: iteration * Int64(shape.microBatches) + Int64(part), rank: member,
                    tokens: parts[part].tokens, start: start)
            }
            dropped = Int64(router.route(layers: layers, batches, into: UnsafeMutableRawBufferPointer(place), width: bytes))
            filled = size
        }
        tally.statistics.droppedTokens += dropped
        let counters = withCounters && replanning.needsExchange(start: start) ? router.takeCounters() : []
        return LoadSheet(parts: parts, packed: PackedCounts(bytes: packed, width: bytes), dropped: dropped, counters: counters)
    }

    private func evaluate(_ sheets: [LoadSheet]) {
        let layers = iterationGroups[groupsDone]
        let isFirst = groupsDone == 0
        groupsDone += 1
        lastSheets = sheets
        let width = shape.width(isGlobal: isGlobal)
        // Sheets of another shape come from nobody who has read the same plan.
        guard sheets.allSatisfy({ $0.packed.count == layers.count * shape.microBatches * width }), var router, var evaluator else { return }
        // So that there is one owner, and nothing is copied.
        self.router = nil
        self.evaluator = nil
        if isFirst { evaluator.begin(at: start, keepsNotes: keepsNotes) }
        evaluator.evaluate(layers, sheets, router: &router)
        self.evaluator = evaluator
        self.router = router
    }

    /// All layers are through: the outcome for this rank, and for those that cannot work it out.
    private func judge(_ sends: inout [LayerSend]) -> Outcome? {
        let sheets = lastSheets
        let finishes = evaluator?.finish(sheets) ?? []
        let lastFinish = finishes.reduce(start, max)
        let isEmpty = lastSheets.allSatisfy { sheet in sheet.parts.allSatisfy { $0.tokens == 0 } }
        let counters = Self.sum(lastSheets.map(\.counters))
        guard let evaluator else { return nil }
        func verdict(_ member: Int) -> LayerVerdict {
            var traffic = evaluator.traffic[member]
            if member < shape.attentionRanks { addEndTraffic(to: &traffic) }
            let notes = keepsNotes ? evaluator.notes[member] : []
            return LayerVerdict(
                finish: evaluator.cores[member].free, shares: evaluator.notes.shares[member], notes: notes, traffic: traffic,
                imbalances: member == Self.leader ? evaluator.imbalances : [],
                lastFinish: lastFinish, isEmpty: isEmpty, counters: member < shape.attentionRanks ? counters : [])
        }
        if member == Self.leader {
            let knowThemselves = shape.mixture.granularity == .iteration ? 1 : shape.attentionRanks
            for other in shape.members.indices where other >= knowThemselves {
                sends.append(
                    LayerSend(target: shape.members[other], message: message(.verdict(verdict(other)))))
            }
        }
        lastSheets = []
        if member == Self.leader, !keepsNotes { tally.addWaits(of: evaluator.notes) }
        return conclude(verdict(member))
    }

    private func takeVerdict() -> Outcome? { inbox.takeVerdict(of: iteration).map { conclude($0) } }

    private func conclude(_ verdict: LayerVerdict) -> Outcome {
        if member == Self.leader {
            for imbalance in verdict.imbalances { tally.statistics.imbalance.add(imbalance) }
        }
        exact.notes = verdict.notes
        let work = RankWork(finish: verdict.finish, shares: verdict.shares, notes: verdict.notes)
        var outcome = close(work, lastFinish: verdict.lastFinish, isEmpty: verdict.isEmpty, counters: verdict.counters)
        outcome.traffic = verdict.traffic
        return outcome
    }
}
