import Models
import Quantities

/// Which messages are of the form that ranks of this gang give them. Others come from nobody who has read the same plan; they are dropped.
extension GangRank {
    func accepts(_ message: LayerMessage) -> Bool {
        let sender = Int(message.sender)
        guard sender >= 0, sender < shape.members.count, message.iteration >= iteration else { return false }
        guard message.iteration > iteration || message.start == start || shape.startsDiffer else { return false }
        // No attention rank is further on than the iteration that this one is about to begin.
        guard !hasAttention || message.iteration <= iteration + 1 else { return false }
        let isFromAttention = sender < shape.attentionRanks
        switch message.body {
        case .leg(let leg): return isExact && accepts(leg, from: sender)
        case .done(let end):
            return isExact && hasAttention && isFromAttention && end.finish >= message.start && areCounters(end.counters)
        case .sheet(let sheet, let group): return evaluator != nil && isFromAttention && accepts(sheet, group: Int(group))
        case .verdict(let verdict): return !isExact && evaluator == nil && sender == Self.leader && accepts(verdict, from: message.start)
        case .counters(let sums): return isExact && !hasAttention && isGlobal && sender == Self.leader && !sums.isEmpty && areCounters(sums)
        }
    }

    /// Counts by layer and expert, or none where there is no exchange of them.
    private func areCounters(_ counters: [Int64]) -> Bool { counters.isEmpty || counters.count == shape.layers * shape.fleet.experts }

    private func accepts(_ leg: LayerLeg, from sender: Int) -> Bool {
        guard leg.step >= 0, Int(leg.step) < shape.steps, leg.origin >= 0, Int(leg.origin) < shape.members.count else { return false }
        let fleet = shape.fleet
        let isFromAttention = sender < shape.attentionRanks
        let hasExperts = exact.expertRank != nil
        let isFromExperts = !shape.gang.isDisaggregated || !isFromAttention
        let isRelayed = shape.mixture.transfer == .twoPhase
        let width = shape.width(isGlobal: isGlobal)
        if let rails = shape.rails { return accepts(leg, from: sender, over: rails) }
        switch leg.kind {
        case .counts: return isGlobal && !shape.sendsEverything && isFromAttention && hasAttention && leg.counts.count == fleet.experts
        case .dispatch:
            let width = shape.width(isGlobal: isGlobal && shape.sendsEverything)
            return !isRelayed && isFromAttention && hasExperts && leg.counts.count == width
        case .gather: return isRelayed && isFromAttention && hasAttention && leg.counts.count == width
        case .put: return isRelayed && isFromAttention && hasExperts && leg.counts.count == width
        case .spread: return isRelayed && isFromExperts && hasExperts && leg.counts.count == width
        case .combine: return !isRelayed && isFromExperts && hasAttention && leg.counts.count == shape.attentionRanks
        case .reduce: return isRelayed && isFromExperts && hasExperts && leg.counts.isEmpty
        case .giveBack: return isRelayed && isFromExperts && hasAttention && leg.counts.isEmpty
        case .handOut: return isRelayed && isFromAttention && hasAttention && leg.counts.isEmpty
        }
    }

    /// Where a token goes once to each host.
    private func accepts(_ leg: LayerLeg, from sender: Int, over rails: HostRails) -> Bool {
        let isMate = shape.hosts[sender] == shape.hosts[member]
        let fleet = shape.fleet
        switch leg.kind {
        case .counts: return isGlobal && leg.counts.count == fleet.experts
        case .put: return rails.sources[member].contains(sender) && leg.counts.count == fleet.slots + shape.reached
        case .spread: return isMate && leg.counts.count == fleet.slotsPerRank
        case .reduce: return isMate && leg.counts.isEmpty
        case .giveBack: return rails.rails[member].contains(sender) && sender != member && leg.counts.isEmpty
        case .dispatch, .combine, .gather, .handOut: return false
        }
    }

    private func accepts(_ sheet: LoadSheet, group: Int) -> Bool {
        guard iterationGroups.indices.contains(group), sheet.parts.count == shape.microBatches, areCounters(sheet.counters) else { return false }
        return sheet.packed.count == iterationGroups[group].count * shape.microBatches * shape.width(isGlobal: isGlobal)
    }

    /// What a rank did from the start on stands without gaps.
    private func accepts(_ verdict: LayerVerdict, from start: Instant) -> Bool {
        let shares = verdict.shares
        let times = [shares.attention, shares.experts, shares.awaitingAttention, shares.awaitingExperts, shares.awaitingNetwork]
        guard areCounters(verdict.counters), shares.routedTokens >= 0, times.allSatisfy({ (0...(1 << 50)).contains($0) }),
            shares.span == verdict.finish - start,
            !hasAttention || verdict.lastFinish >= verdict.finish
        else { return false }
        guard !verdict.notes.isEmpty else { return true }
        var end = start
        for note in verdict.notes {
            guard note.end >= note.start, note.awaitedRank >= 0, note.awaitedNetwork >= 0, note.awaitedRank <= note.start - end,
                note.awaitedNetwork == note.start - end - note.awaitedRank, note.last >= -1, Int(note.last) < shape.members.count, note.step >= 0,
                Int(note.step) < shape.steps + shape.microBatches
            else { return false }
            end = note.end
        }
        return end == verdict.finish
    }
}
