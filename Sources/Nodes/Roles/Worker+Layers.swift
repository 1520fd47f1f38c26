import Cluster
import Models
import Quantities
import Records

/// A worker whose layers other ranks have a part in: its iterations begin and end with those of its gang.
extension Worker {
    /// Requests have come, or room: a sleeping gang wakes.
    mutating func noteWork(at now: Instant, _ effects: inout Effects) {
        guard !engine.waiting.isEmpty || !engine.running.isEmpty else { return }
        if let start = gang?.noteWork(at: now) { sendWake(for: start, &effects) }
    }

    private func sendWake(for start: Instant, _ effects: inout Effects) {
        guard let gang else { return }
        for rank in 0..<gang.shape.attentionRanks where rank != gang.member {
            effects.send(.wake(start, epoch: Int32(clamping: crew?.epoch ?? 0)), to: gang.shape.members[rank], bytes: MessageSize.header)
        }
        effects.timers[.gangStart] = start
    }

    /// The gang's next iteration begins, or its sleep.
    mutating func startLayers(at now: Instant, _ effects: inout Effects) {
        guard isReadyToBegin(at: now, &effects), let reached = gang?.reachStart(at: now) else { return }
        guard reached.begins else {
            if let start = reached.wakes { sendWake(for: start, &effects) }
            return
        }
        openPlace = engine.startIteration(at: now, isOpen: true)
        effects.timers[.decision] = engine.decidesAgain
        guard let shape = gang?.shape else { return }
        let batches = openPlace.map { shape.divide(engine.ring[$0]) } ?? Array(repeating: BatchShape(), count: shape.microBatches)
        gang?.begin(at: now, batches)
    }

    /// Goes on with the layers of the present iteration as far as messages of other ranks allow. When its end is known: sets the timers.
    mutating func runLayers(_ effects: inout Effects) {
        guard let outcome = gang?.run(&effects.layerSends), let gang else { return }
        guard !outcome.isLost else { return loseIteration(&effects) }
        effects.traffic.add(messages: Int(outcome.traffic.messages), bytes: outcome.traffic.bytes)
        gang.writeLayers(to: effects.records, node: name, isRecorded: records.layers)
        if let place = openPlace {
            engine.close(place, at: outcome.finish)
            openPlace = nil
            if shape.engine.transfer == .layerwise, duty == .prefill { pushLayers(of: place, &effects) }
        }
        effects.timers[.iterationEnd] = engine.nextEnd
        effects.timers[.gangStart] = gang.nextStart
    }

    /// When an iteration of the gang may end that this rank has a part in.
    var nextGangEnd: Instant {
        let end = min(engine.nextEnd, nextMembership)
        guard let gang, gang.nextStart < .never, !gang.sleepsNext, !engine.running.isEmpty || !engine.waiting.isEmpty else { return end }
        return min(end, gang.nextStart + gang.shape.leastIteration)
    }
}

extension GangRank {
    /// Writes the rows of the iteration whose outcome has just come.
    func writeLayers(to records: RecordBuffers, node: [UInt8], isRecorded: Bool) {
        guard isRecorded else { return }
        for note in exact.notes { LayerRow(note, iteration: number, shape).write(to: &records.layers, node: node) }
    }
}

/// A node that holds experts for the attention ranks of another pool.
struct ExpertNode {
    let name: [UInt8]
    let records: RecordPlan
    private(set) var gang: GangRank?
    let crew: GangCrew
    private var earlierBarriers: BarrierStatistics?
    private var statistics = WorkerStatistics()
    /// The row of the iteration whose end has not come.
    private var row: IterationRow?

    init(plan: NodePlan, records: RecordPlan, gang: GangRank?, crew: GangCrew) {
        self.crew = crew
        name = Array(plan.name.utf8)
        self.records = records
        self.gang = gang
    }

    /// Goes on as far as messages allow, or to the end of an iteration in which it had something to compute. What comes after one in which it had
    /// nothing may be there already, and no timer would ask for it.
    mutating func runLayers(_ effects: inout Effects) {
        while let outcome = gang?.run(&effects.layerSends) {
            end(outcome, &effects)
            if row != nil { return }
        }
    }

    private mutating func end(_ outcome: GangRank.Outcome, _ effects: inout Effects) {
        guard let gang, !outcome.isLost else { return }
        effects.traffic.add(messages: Int(outcome.traffic.messages), bytes: outcome.traffic.bytes)
        gang.writeLayers(to: effects.records, node: name, isRecorded: records.layers)
        guard gang.tally.shares.routedTokens > 0 else { return }
        var row = IterationRow(
            iteration: gang.number, start: gang.start, end: outcome.finish, prefillTokens: 0, decodeTokens: 0, requests: 0, waiting: 0,
            kvBlocks: 0, kvBlocksTotal: 0, preemptions: 0)
        row.shares = gang.tally.shares
        self.row = row
        statistics.iterations += 1
        effects.timers[.iterationEnd] = outcome.finish
    }

    mutating func handle(_ timer: TimerKind, _ effects: inout Effects) {
        guard timer == .iterationEnd, let row else { return }
        if records.iterations { row.write(to: &effects.records.iterations, node: name) }
        self.row = nil
    }

    /// What the node counted so far.
    var finalStatistics: WorkerStatistics {
        var result = statistics
        result.barrier = gang?.tally.statistics
        result.barrier.merge(earlierBarriers)
        return result
    }

    /// A message tells of an epoch of the gang that the node does not know of.
    mutating func enter(_ epoch: Int, at time: Instant) {
        earlierBarriers.merge(gang?.tally.statistics)
        gang = crew.enter(epoch: epoch, at: time)
    }
}
